"""What retrieval needs around it: small echo studies, a node to move them to, and archives that misbehave as told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicom_node.calling import Peer
from dicom_node.contexts import accepted_contexts, register_retired_classes
from tests.support.clips import made_clip
from tests.support.scps import serving
from tests.support.servers import DcmQRSCP, Orthanc

OUR_AE_TITLE = "ECHOWORKER"


@dataclass(frozen=True)
class MadeStudy:
    uid: str
    files: tuple[Path, ...]

    @property
    def instance_uids(self) -> set[str]:
        return {file.stem for file in self.files}


def made_study(folder: Path, *, instances: int = 2, **attributes: object) -> MadeStudy:
    """A study of small clips in one series, each file named by its SOP Instance UID."""
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "PatientID": f"ID{generate_uid()[-12:]}",
        "PatientName": "Doe^Jane",
        "StudyDate": "20260503",
        "StudyTime": "101112",
        "StudyID": "1",
        "SeriesNumber": 1,
        **attributes,
    }
    files = []
    for number in range(1, instances + 1):
        uid = generate_uid()
        pixels = np.full((2, 8, 8), number, np.uint8)
        meta = {"SOPInstanceUID": uid, "InstanceNumber": number}
        file = made_clip(folder / f"{uid}.dcm", pixels, "MONOCHROME2", **common, **meta)
        files.append(file)
    return MadeStudy(uid=str(common["StudyInstanceUID"]), files=tuple(files))


def peer_of(server: Orthanc | DcmQRSCP, *, calling: str = OUR_AE_TITLE) -> Peer:
    return Peer(host="127.0.0.1", port=server.port, ae_title=server.ae_title, calling_ae_title=calling)


@dataclass
class Destination:
    """A storage SCP: what it received, and what it refuses."""

    port: int = 0
    received: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


@contextmanager
def destination() -> Iterator[Destination]:
    made = Destination()

    def on_c_store(event: Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid in made.refused:
            return 0xC000
        made.received.append(uid)
        return 0x0000

    ae = AE(ae_title=OUR_AE_TITLE)
    register_retired_classes()
    ae.supported_contexts = accepted_contexts()
    with serving(ae, [(evt.EVT_C_STORE, on_c_store)]) as made.port:
        yield made


Answers = Callable[[Event], Iterator[Any]]


@contextmanager
def scripted_archive(**on: Answers) -> Iterator[Peer]:
    """An archive that answers as these handlers say: find=, move=, get=, as pynetdicom takes them."""
    kinds = {
        "find": (evt.EVT_C_FIND, StudyRootQueryRetrieveInformationModelFind),
        "move": (evt.EVT_C_MOVE, StudyRootQueryRetrieveInformationModelMove),
        "get": (evt.EVT_C_GET, StudyRootQueryRetrieveInformationModelGet),
    }
    ae = AE(ae_title="SCRIPTED")
    for kind in on:
        ae.add_supported_context(kinds[kind][1])
    handlers = [(kinds[kind][0], handler) for kind, handler in on.items()]
    with serving(ae, handlers) as port:
        yield Peer(host="127.0.0.1", port=port, ae_title="SCRIPTED", calling_ae_title=OUR_AE_TITLE)


def answer(**values: object) -> Dataset:
    """An identifier at study level, as an archive returns it; a value of None is left out."""
    identifier = Dataset()
    known = {
        "StudyInstanceUID": generate_uid(),
        "StudyDate": "20260503",
        "ModalitiesInStudy": "US",
        "PatientID": "P1",
        "NumberOfStudyRelatedInstances": 3,
    }
    for keyword, value in {"QueryRetrieveLevel": "STUDY", **known, **values}.items():
        if value is not None:
            setattr(identifier, keyword, value)
    return identifier
