"""What a receiving process tells the rest of the house, as files in the spool: it never opens the registry itself.

    receivers/<process>.json          which studies its associations have open, and when it said so last
    receivers/callers-<unique>.json   who called since the last such file, and what became of it: for the registry

The intake reads them (`dicom_node.intake`), in whatever process, on whatever host it runs.
"""

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.logs import Event, emit, place_of
from db.received import Call
from dicom_node.spool import Spool
from dicom_node.spool_notes import read_note

SPEAKS_EVERY_S = 2.0
SILENT_AFTER = timedelta(seconds=15)
"""A process that has said nothing for so long is gone: its associations are closed."""
FILES_AT_ONCE = 100
"""Files of callers that may wait for the registry: it may be away for long, and anybody may call meanwhile."""
CALLERS_AT_ONCE = 200
"""Different callers of one file; a flood from more than that many addresses is counted under `elsewhere`."""


class OpenStudies:
    """This process's word on which studies its associations have open."""

    def __init__(self, spool: Spool) -> None:
        self._file = spool.receivers / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.json"

    def publish(self, study_instance_uids: Iterable[str]) -> None:
        """Say it, for whoever decides that a study is quiet."""
        _write(self._file, {"said_at": datetime.now(UTC).isoformat(), "open_studies": sorted(study_instance_uids)})

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


class Callers:
    """Who called since the last publication."""

    def __init__(self, spool: Spool) -> None:
        self._folder = spool.receivers
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str, str], Call] = {}

    def note(self, *, ae_title: str, address: str, outcome: str) -> None:
        """Somebody asked for an association; `outcome` is `accepted`, or why not."""
        now = datetime.now(UTC)
        with self._lock:
            key = (ae_title, address, outcome)
            if key not in self._calls and len(self._calls) >= CALLERS_AT_ONCE:
                key = ("", "elsewhere", outcome)
            before = self._calls.get(key)
            self._calls[key] = Call(
                ae_title=key[0],
                address=key[1],
                outcome=outcome,
                count=before.count + 1 if before else 1,
                first_at=before.first_at if before else now,
                last_at=now,
            )

    def publish(self) -> None:
        """Write what is new into a file of its own; while the registry takes none, what is new waits and adds up."""
        if sum(1 for _ in self._folder.glob(f"{_CALLERS}*.json")) >= FILES_AT_ONCE:
            return
        with self._lock:
            calls, self._calls = list(self._calls.values()), {}
        if calls:
            said = [
                asdict(call) | {"first_at": call.first_at.isoformat(), "last_at": call.last_at.isoformat()}
                for call in calls
            ]
            try:
                _write(self._folder / f"{_CALLERS}{uuid.uuid4().hex}.json", said)
            except OSError:
                self._take_back(calls)
                raise

    def _take_back(self, calls: list[Call]) -> None:
        with self._lock:
            for call in calls:
                self._calls.setdefault((call.ae_title, call.address, call.outcome), call)


@dataclass(frozen=True, kw_only=True)
class PublishedCalls:
    """One published file: remove it once the registry has what it says."""

    file: Path
    calls: tuple[Call, ...]


def published_calls(spool: Spool) -> Iterator[PublishedCalls]:
    """What the receiving processes have published and the registry does not know yet."""
    for file in spool.receivers.glob(f"{_CALLERS}*.json"):
        calls = read_note(spool, file, lambda said: tuple(_call(item) for item in said))
        if calls is not None:
            yield PublishedCalls(file=file, calls=calls)


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
    unfinished = file.with_name(f".{file.name}.{threading.get_ident()}")
    unfinished.write_text(json.dumps(content))
    unfinished.rename(file)
