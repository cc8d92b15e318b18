"""Reports that came by themselves, as files of the spool: kept before anybody is told so, and for as long as it is.

    received_reports/inbox/     those that wait to be registered, in the order of their names
    received_reports/kept/      all that were registered, named by their digests; beside them, `*.matched`, the studies
                                that somebody has given them to, without which a registry made anew would match them
                                by what they say

A message from the listener is its bytes, `*.hl7`. Any other is `*.report`: a line of JSON that says what its bytes do
not, and the bytes. Both folders hold PHI; the names of the files do not.
"""

import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.errors import UnreadableReportError
from config.whole_files import sync, write_durably
from db.consistency.received_reports import Via
from dicom_node.spool import Spool
from dicom_node.spool_notes import read_note
from worker.consistency.documents.kinds import ReportKind

_MESSAGE, _ENVELOPE, _BY_HAND = ".hl7", ".report", ".matched"


@dataclass(frozen=True, kw_only=True)
class KeptReport:
    """The bytes of one or several reports, with what was said of them beside."""

    content: bytes = field(repr=False)
    kind: ReportKind
    via: Via
    study_instance_uid: str = ""
    """Of the study that it was said to be of; "" where only the bytes say it."""
    accession_number: str = field(default="", repr=False)
    """Likewise."""

    @property
    def digest(self) -> str:
        """SHA-256, 64 hexadecimal digits, of the bytes and of whose they were said to be: how they came is no
        difference, and the same sentence about two studies is two reports."""
        content = self.content.strip() if self.kind is ReportKind.HL7 else self.content
        said = f"{self.study_instance_uid}\0{self.accession_number}\0" if self._is_named else ""
        return hashlib.sha256(said.encode() + content).hexdigest()

    @property
    def _is_named(self) -> bool:
        return bool(self.study_instance_uid or self.accession_number)


def inbox_of(spool: Spool) -> Path:
    """Where the listener puts its messages."""
    return spool.received_reports / "inbox"


def require_place(spool: Spool) -> None:
    """Refuse a report that could not be kept, before it is taken.

    Raises
    ------
    SpoolAwayError
        The spool's folders are not there: what is written would lie under a share that is mounted later.
    SpoolFullError
        The disk is below its low-water mark.
    """
    spool.require_there()
    spool.require_room()


def keep_report(spool: Spool, report: KeptReport) -> Path:
    """Put a report among those that wait to be registered; when this returns, it survives a loss of power.

    Raises
    ------
    SpoolError
        There is no place for it, as above.
    OSError
        The disk is full or failed; nothing is left of it.
    """
    require_place(spool)
    said = {name: str(value) for name, value in vars(report).items() if name != "content"}
    path = inbox_of(spool) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}{_ENVELOPE}"
    write_durably(path, json.dumps(said).encode() + b"\n" + report.content)
    return path


def read_kept(path: Path) -> KeptReport:
    """Read a report of the spool, from either folder.

    Raises
    ------
    UnreadableReportError
        Its file is damaged.
    OSError
        It is not there, or cannot be read.
    """
    content = path.read_bytes()
    if path.suffix == _MESSAGE:
        return KeptReport(content=content, kind=ReportKind.HL7, via=Via.HL7)
    line, _, behind = content.partition(b"\n")
    try:
        said = json.loads(line)
        return KeptReport(
            content=behind,
            kind=ReportKind(said["kind"]),
            via=Via(said["via"]),
            study_instance_uid=said["study_instance_uid"],
            accession_number=said["accession_number"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableReportError(f"file {path.name} of received reports is damaged") from error


def received_at(path: Path) -> datetime:
    """When a report was kept: the time of its file."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def waiting_reports(spool: Spool) -> list[Path]:
    """Those that wait to be registered, in the order that they came in."""
    with suppress(FileNotFoundError):
        return sorted(path for path in inbox_of(spool).iterdir() if path.suffix in (_MESSAGE, _ENVELOPE))
    return []


def give_final_name(spool: Spool, waiting: Path, digest: str) -> Path:
    """Give a report its place among the kept ones, where it stays; it waits until `waiting` is removed.

    Raises
    ------
    OSError
        The disk failed or is full.
    """
    folder = spool.received_reports / "kept" / digest[:2]
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (_MESSAGE, _ENVELOPE):
        if (final := folder / f"{digest}{suffix}").exists():
            return final
    final = folder / f"{digest}{waiting.suffix}"
    with suppress(FileExistsError):
        os.link(waiting, final)
    for made in (folder, folder.parent, folder.parent.parent):
        sync(made)
    return final


def wait_again(spool: Spool) -> int:
    """Put every kept report among those that wait, for a registry that is made anew; how many there are."""
    inbox = inbox_of(spool)
    inbox.mkdir(parents=True, exist_ok=True)
    count = 0
    for path in (spool.received_reports / "kept").glob("??/*"):
        if path.suffix in (_MESSAGE, _ENVELOPE):
            with suppress(FileExistsError):
                os.link(path, inbox / f"{received_at(path):%Y%m%dT%H%M%S.%f}-{path.stem[:8]}{path.suffix}")
            count += 1
    return count


def matches_by_hand(spool: Spool, kept: Path) -> dict[int, str]:
    """The Study Instance UIDs that somebody has given the reports of a kept file to, by their place in it.

    A damaged file is set aside, and costs no report.

    Raises
    ------
    OSError
        The disk failed.
    """
    return read_note(spool, kept.with_suffix(_BY_HAND), _by_place) or {}


def _by_place(said: Any) -> dict[int, str]:
    return {int(place): str(uid) for place, uid in said.items()}


def keep_match_by_hand(spool: Spool, kept: Path, place: int, study_instance_uid: str) -> None:
    """Keep beside a kept file that somebody has given one of its reports to a study; a later word replaces this one.

    Raises
    ------
    OSError
        The disk is full or failed; what was kept before stays.
    """
    before = matches_by_hand(spool, kept)
    if before.get(place) != study_instance_uid:
        said = {str(each): uid for each, uid in sorted({**before, place: study_instance_uid}.items())}
        write_durably(kept.with_suffix(_BY_HAND), json.dumps(said).encode())


@contextmanager
def registering_alone(spool: Spool, *, wait: bool) -> Iterator[bool]:
    """Hold what one process at a time has while it registers; False, without `wait`, where another has it.

    Raises
    ------
    OSError
        The spool cannot be written.
    """
    spool.received_reports.mkdir(parents=True, exist_ok=True)
    with (spool.received_reports / ".registering").open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
