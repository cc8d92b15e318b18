"""What flows through the chaos run: studies from slow modalities that send again, and the PACS that gets reports."""

import hashlib
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import cast

import numpy as np
from pydicom.uid import Comprehensive3DSRStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event as NetworkEvent

from dicom_node.report.companions import HEAT_MAP_CLASS, PAGE_CLASS
from dicom_node.report.heat_map import TRANSFER_SYNTAX
from tests.support.clips import made_clip
from tests.support.receivers import store_while_it_lasts
from tests.support.scps import serving

FRAMES, SIDE = 16, 96
"""Of each clip; above what `prepare` leaves out as too short or too small."""
MOST_CLIPS = 4
SENDERS = 4
SENT_AGAIN_AFTER_S = 0.5
PDU_BYTES = 8192


@dataclass
class SentStudy:
    """A study as its modality has it, and what the node has promised to keep."""

    study_instance_uid: str
    files: dict[str, Path]
    """By SOP Instance UID."""
    acknowledged: set[str] = field(default_factory=set)
    associations: int = 0

    @property
    def missing(self) -> list[Path]:
        return [file for uid, file in self.files.items() if uid not in self.acknowledged]


def make_studies(folder: Path, count: int, seed: int) -> list[SentStudy]:
    """Studies of one to four small clips each, every pixel random, each of a patient of its own."""
    folder.mkdir()
    numbers = np.random.default_rng(seed)
    made = []
    for number in range(count):
        study, files = SentStudy(str(generate_uid()), {}), {}
        about = {
            "StudyInstanceUID": study.study_instance_uid,
            "SeriesInstanceUID": generate_uid(),
            "PatientID": f"CHAOS-{number:06}",
            "PatientName": f"Chaos^{number}",
            "StudyDate": "20260101",
            "StudyTime": "120000",
        }
        for clip in range(int(numbers.integers(1, MOST_CLIPS, endpoint=True))):
            pixels = numbers.integers(0, 256, (FRAMES, SIDE, SIDE), np.uint8)
            file = made_clip(folder / f"{number}-{clip}.dcm", pixels, "MONOCHROME2", FrameTime="33", **about)
            uid = _uid_of(file)
            files[uid] = file
        study.files = files
        made.append(study)
    return made


def _uid_of(file: Path) -> str:
    import pydicom  # noqa: PLC0415

    return str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)


class Modalities:
    """Threads that send one study after the other, each again until all of it is acknowledged."""

    def __init__(self, port: int, studies: list[SentStudy], seed: int) -> None:
        self._port = port
        self._waiting: SimpleQueue[SentStudy] = SimpleQueue()
        self._rest = list(studies)
        self._seed = seed
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=[number], name=f"modality-{number}", daemon=True)
            for number in range(SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def let_go(self, count: int) -> None:
        """So many more studies are taken today."""
        for study in self._rest[:count]:
            self._waiting.put(study)
        del self._rest[:count]

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self, number: int) -> None:
        pauses = random.Random(self._seed * SENDERS + number)  # noqa: S311
        while not self._stopping.is_set():
            try:
                study = self._waiting.get(timeout=0.2)
            except Empty:
                continue
            while study.missing and not self._stopping.is_set():
                study.associations += 1
                files = {file: uid for uid, file in study.files.items()}
                sent = store_while_it_lasts(
                    self._port,
                    study.missing,
                    pdu_bytes=PDU_BYTES,
                    # A clip takes a third of a second: much of what is killed is in the midst of one.
                    before_each=lambda: time.sleep(pauses.uniform(0, 0.035)),
                )
                study.acknowledged |= {files[file] for file in sent}
                if study.missing:
                    self._stopping.wait(SENT_AGAIN_AFTER_S)


@dataclass
class Pacs:
    """What has arrived, by SOP Instance UID: the SHA-256 of each copy, which should all be one."""

    port: int = 0
    copies: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, event: NetworkEvent) -> int:
        uid = str(cast(C_STORE, event.request).AffectedSOPInstanceUID)
        digest = hashlib.sha256(event.encoded_dataset(include_meta=False)).hexdigest()
        with self._lock:
            self.copies[uid].append(digest)
        return 0x0000


@contextmanager
def pacs() -> Iterator[Pacs]:
    """A storage SCP on the loopback until the end of the block."""
    ae, archive = AE(ae_title="PACS"), Pacs()
    for sop_class in (Comprehensive3DSRStorage, PAGE_CLASS):
        ae.add_supported_context(sop_class)
    ae.add_supported_context(HEAT_MAP_CLASS, TRANSFER_SYNTAX)
    with serving(ae, [(evt.EVT_C_STORE, archive.keep)]) as port:
        archive.port = port
        yield archive
