"""What a receiving process tells the rest of the house, as files in the spool: it never opens the registry itself.

    receivers/<process>.json          which studies its associations have open, how many these are, and
                                      when it said so last
    receivers/callers-<unique>.json   who called since the registry took the last such file, what became of it, and of
                                      the instances that were sent
    receivers/callers-<unique>.taken  the same, on its way into the registry

A receiving process has one file of callers at most: while the registry is away, it grows into that (`CallTally`).
The intake reads them (`dicom_node.intake`), in whatever process, on whatever host it runs.
"""

import json
import os
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.logs import Event, emit, place_of
from config.whole_files import unfinished_name, write_whole
from db.lifecycle.received import Call
from dicom_node.reception.callers import CallTally
from dicom_node.spool import Spool
from dicom_node.spool_notes import read_note

SPEAKS_EVERY_S = 2.0
SILENT_AFTER = timedelta(seconds=15)
"""A process that has said nothing for so long is gone: its associations are closed."""


class OpenStudies:
    """This process's word on which studies its associations have open."""

    def __init__(self, spool: Spool) -> None:
        self._file = spool.receivers / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.json"

    def publish(self, study_instance_uids: Iterable[str], *, associations: int | None = None) -> None:
        """Say it, for whoever decides that a study is quiet; a process that listens has associations."""
        said = {"said_at": datetime.now(UTC).isoformat(), "open_studies": sorted(study_instance_uids)}
        _write(self._file, said if associations is None else said | {"associations": associations})

    def withdraw(self) -> None:
        """This process ends: nothing is open here any more."""
        self._file.unlink(missing_ok=True)


@contextmanager
def kept_open(spool: Spool, study_instance_uid: str) -> Iterator[None]:
    """Say of a study that it is open, until the block ends."""
    word, ended = OpenStudies(spool), threading.Event()

    def say() -> None:
        try:
            word.publish([study_instance_uid])
        except OSError as error:  # a full disk: said again in a moment
            emit(Event.SPOOL_AWAY, error=place_of(error))

    def go_on_saying() -> None:
        while not ended.wait(SPEAKS_EVERY_S):
            say()

    say()
    speaker = threading.Thread(target=go_on_saying, name="open study", daemon=True)
    speaker.start()
    try:
        yield
    finally:
        ended.set()
        speaker.join()
        word.withdraw()


def studies_open_anywhere(spool: Spool, *, now: datetime) -> set[str]:
    """The Study Instance UIDs that the associations of all receiving processes have open."""
    found: set[str] = set()
    for file in spool.receivers.glob("*.json"):
        if file.name.startswith(_CALLERS):
            continue
        said = read_note(spool, file, _open_studies)
        if said is None:
            continue
        said_at, studies = said
        if now - said_at > SILENT_AFTER:
            file.unlink(missing_ok=True)
        else:
            found |= studies
    return found


def _open_studies(said: Any) -> tuple[datetime, set[str]]:
    return datetime.fromisoformat(said["said_at"]).astimezone(UTC), set(said["open_studies"])


def associations_of_receivers(spool: Spool, *, now: datetime) -> list[int]:
    """How many associations each receiving process has open that has said so of late: one number for each process."""
    found = []
    for file in spool.receivers.glob("*.json"):
        if file.name.startswith(_CALLERS):
            continue
        with suppress(
            OSError, ValueError, KeyError, TypeError
        ):  # it has just gone, or is damaged: the intake sees to it
            said = json.loads(file.read_text())
            if "associations" in said and now - datetime.fromisoformat(said["said_at"]) <= SILENT_AFTER:
                found.append(int(said["associations"]))
    return found


class Callers:
    """Who called since the registry asked last, and how many instances were answered with which status."""

    def __init__(self, spool: Spool) -> None:
        self._file = spool.receivers / f"{_CALLERS}{uuid.uuid4().hex}.json"
        self._lock = threading.Lock()
        self._new = CallTally()
        self._new_instances: Counter[str] = Counter()
        self._published = CallTally()
        self._published_instances: Counter[str] = Counter()
        self._is_out = False
        """The file lies there for the registry, with what was published; it may have been taken meanwhile."""

    def note(self, *, ae_title: str, address: str, outcome: str) -> None:
        """Somebody asked for an association; `outcome` is `accepted`, or why not."""
        now = datetime.now(UTC)
        call = Call(ae_title=ae_title, address=address, outcome=outcome, count=1, first_at=now, last_at=now)
        with self._lock:
            self._new.add(call)

    def note_instance(self, status: int) -> None:
        """A C-STORE was answered with this status."""
        with self._lock:
            self._new_instances[f"0x{status:04X}"] += 1

    def publish(self) -> None:
        """Write what is new, with what the registry has not taken yet; one thread does it.

        Raises
        ------
        OSError
            The disk is full or failed; nothing is lost, and the next call tries again.
        """
        is_old_news = not (self._new or self._new_instances)
        if is_old_news and (self._is_out or not (self._published or self._published_instances)):
            return
        if self._is_out:
            self._take_back()
        with self._lock:
            new, self._new = self._new, CallTally()
            instances, self._new_instances = self._new_instances, Counter()
        self._published_instances += instances
        for call in new.calls():
            self._published.add(call)
        calls = [
            asdict(call) | {"first_at": call.first_at.isoformat(), "last_at": call.last_at.isoformat()}
            for call in self._published.calls()
        ]
        _write(self._file, {"calls": calls, "instances": self._published_instances})
        self._is_out = True

    def _take_back(self) -> None:
        """Before it is written anew: the registry is to take it once, the old one or the new."""
        taken_back = unfinished_name(self._file)
        try:
            self._file.rename(taken_back)
        except FileNotFoundError:
            self._published, self._published_instances = CallTally(), Counter()  # the registry has it
        else:
            taken_back.unlink()
        self._is_out = False


@dataclass(frozen=True, kw_only=True)
class PublishedCalls:
    """One published file: remove it once the registry has what it says."""

    file: Path
    calls: tuple[Call, ...]
    instances: Mapping[str, int]
    """How many C-STORE requests were answered with each status, as `0xA700`."""


def published_calls(spool: Spool) -> Iterator[PublishedCalls]:
    """What the receiving processes have published and the registry does not know yet.

    Each file is taken before it is read: its process goes on with another. One that was taken, and not removed for
    want of the registry, comes first the next time.
    """
    for taken in spool.receivers.glob(f"{_CALLERS}*.taken"):
        yield from _published(spool, taken)
    for file in spool.receivers.glob(f"{_CALLERS}*.json"):
        taken = file.with_name(f"{file.stem}-{uuid.uuid4().hex}.taken")
        try:
            file.rename(taken)
        except FileNotFoundError:
            continue  # its process has it back, or another intake was first
        yield from _published(spool, taken)


def _published(spool: Spool, taken: Path) -> Iterator[PublishedCalls]:
    said = read_note(spool, taken, _said)
    if said is not None:
        calls, instances = said
        yield PublishedCalls(file=taken, calls=calls, instances=instances)


def _said(said: Any) -> tuple[tuple[Call, ...], dict[str, int]]:
    if isinstance(said, list):  # of a process from before instances were counted
        said = {"calls": said, "instances": {}}
    counts = {str(status): int(count) for status, count in said["instances"].items()}
    return tuple(_call(item) for item in said["calls"]), counts


def _call(item: dict[str, str]) -> Call:
    return Call(
        ae_title=item["ae_title"],
        address=item["address"],
        outcome=item["outcome"],
        count=int(item["count"]),
        first_at=datetime.fromisoformat(item["first_at"]),
        last_at=datetime.fromisoformat(item["last_at"]),
    )


_CALLERS = "callers-"


def _write(file: Path, content: object) -> None:
    write_whole(file, json.dumps(content).encode())
