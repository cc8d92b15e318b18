"""The spool: every instance received and every object made, as files.

    incoming/                 temporary files of running transfers; on the same file system as the rest
    studies/<study>/<sop>.dcm instances under their final names, acknowledged only once they are durable
    unregistered/<sop>.json   one ticket for each instance that the registry does not know yet
    quarantine/<day>/         what was refused, with the reason beside it
    tensors/, reports/        what the steps make

The tickets are the queue between the node and the registry: when the database is away they wait on the disk.
"""

import filecmp
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

from config.errors import InstanceConflictError, SpoolFullError
from config.logs import Event, emit, place_of
from dicom_node.header import InstanceHeader


class Kept(Enum):
    """What became of a received instance."""

    STORED = auto()
    REPEATED = auto()
    """The same bytes were there already."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """An instance that waits to be registered, with what its file does not say."""

    path: Path
    instance_path: Path
    calling_ae_title: str | None
    received_at: datetime


class Spool:
    """One installation's spool below `root`; safe for several threads and processes at once."""

    def __init__(self, root: Path, *, minimum_free_bytes: int = 0) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.quarantined = root / "quarantine"
        self._studies = root / "studies"
        self._unregistered = root / "unregistered"
        self._minimum_free_bytes = minimum_free_bytes

    def create(self) -> None:
        """Make the folders that are not there yet."""
        for folder in (self.incoming, self._studies, self._unregistered, self.quarantined):
            folder.mkdir(parents=True, exist_ok=True)

    def require_room(self) -> None:
        """Refuse work while the disk is below its low-water mark; recovers by itself.

        Raises
        ------
        SpoolFullError
            Less than `minimum_free_bytes` are free.
        """
        free = shutil.disk_usage(self.root).free
        if free < self._minimum_free_bytes:
            raise SpoolFullError(f"disk low: {free >> 20} MiB free, {self._minimum_free_bytes >> 20} MiB are kept back")

    def keep(self, received: Path, header: InstanceHeader, *, calling_ae_title: str | None) -> Kept:
        """Give a received file its final name; when this returns, file, name and ticket survive a loss of power.

        An instance is never overwritten: the same bytes again are dropped, other bytes are left where they are.

        Raises
        ------
        InstanceConflictError
            Other bytes are already kept under this SOP Instance UID.
        OSError
            The disk failed or is full; `received` is still there, nothing else is.
        """
        final = self.instance_path(header.study_instance_uid, header.sop_instance_uid)
        final.parent.mkdir(exist_ok=True)
        _sync(received)
        try:
            os.link(received, final)  # unlike a rename, this never replaces a file
            kept = Kept.STORED
        except FileExistsError:
            if not filecmp.cmp(received, final, shallow=False):
                raise InstanceConflictError("other bytes are already kept under this SOP Instance UID") from None
            kept = Kept.REPEATED
        # Also for a repeated instance: the first may have been stored a moment ago, and not be durable yet.
        self._write_ticket(final, header, calling_ae_title)
        for folder in (final.parent, self._studies, self._unregistered):
            _sync(folder)
        received.unlink()
        return kept

    def quarantine(self, received: Path, *, reason: str, calling_ae_title: str | None) -> Path:
        """Put a refused file aside, under a name of our own, with the reason in a JSON file beside it."""
        folder = self.quarantined / datetime.now(UTC).strftime("%Y-%m-%d")
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{uuid.uuid4()}.dcm"
        note = {"reason": reason, "calling_ae_title": calling_ae_title, "received_at": datetime.now(UTC).isoformat()}
        kept.with_suffix(".json").write_text(json.dumps(note, indent=1))
        received.rename(kept)
        _sync(kept)
        _sync(folder)
        return kept

    def tickets(self) -> Iterator[Ticket]:
        """The instances that wait to be registered, in no particular order; a damaged ticket is put aside."""
        for path in self._unregistered.glob("*.json"):
            try:
                ticket = self._ticket(path)
            except FileNotFoundError:
                continue  # registered by another process
            except (OSError, ValueError, KeyError, TypeError) as error:
                damaged = path.rename(path.with_suffix(".damaged"))
                emit(Event.TICKET_UNREADABLE, path=self.relative(damaged), error=place_of(error))
                continue
            yield ticket

    def sweep_incoming(self, *, older_than_s: float) -> int:
        """Remove temporary files that no transfer writes to any more; how many there were."""
        oldest = datetime.now(UTC).timestamp() - older_than_s
        stale = [path for path in self.incoming.iterdir() if path.stat().st_mtime < oldest]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def instance_path(self, study_instance_uid: str, sop_instance_uid: str) -> Path:
        """Where an instance of these (valid) UIDs lies."""
        return self._studies / study_instance_uid / f"{sop_instance_uid}.dcm"

    def tensor_folder(self, study_instance_uid: str, revision: int) -> Path:
        """Where the prepared clips of one revision of a study lie."""
        return self.root / "tensors" / study_instance_uid / f"revision-{revision}"

    def report_path(self, study_instance_uid: str, sop_instance_uid: str) -> Path:
        """Where an object made for a study lies."""
        return self.root / "reports" / study_instance_uid / f"{sop_instance_uid}.dcm"

    def relative(self, path: Path) -> str:
        """A path as the registry holds it: below the spool, so that the spool can move."""
        return str(path.relative_to(self.root))

    def absolute(self, relative: str) -> Path:
        """The file of a path that the registry holds."""
        return self.root / relative

    def _ticket(self, path: Path) -> Ticket:
        note = json.loads(path.read_text())
        return Ticket(
            path=path,
            instance_path=self.root / note["spool_path"],
            calling_ae_title=note["calling_ae_title"],
            received_at=datetime.fromisoformat(note["received_at"]),
        )

    def _write_ticket(self, final: Path, header: InstanceHeader, calling_ae_title: str | None) -> None:
        note = {
            "spool_path": self.relative(final),
            "calling_ae_title": calling_ae_title,
            "received_at": datetime.now(UTC).isoformat(),
        }
        write_durably(self._unregistered / f"{header.sop_instance_uid}.json", json.dumps(note).encode())


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
