"""The spool: every instance received and every object made, as files.

    incoming/                 temporary files of running transfers; on the same file system as the rest
    studies/<study>/<sop>.dcm instances under their final names, acknowledged only once they are durable
    unregistered/*.dcm        a second name (a hard link) of each instance that the registry does not know yet
    quarantine/<day>/         what was refused, with the reason beside it
    conflicts/                of which instances a sender has sent other bytes last than are kept
    damaged/                  files of other folders that cannot be used
    receivers/                what the receiving processes tell of themselves (dicom_node.reception.reporting)
    commitments/              storage commitment, asked of us and answered to us (dicom_node.commitment.files)
    tensors/, embeddings/, heat/, reports/, catalogues/     what the steps make, and the questions that they asked
    headers/<study>/<sop>.dcm of instances whose pixels were removed because their time was over
    received_reports/         reports that came by themselves (worker.consistency.arriving.kept_reports)
    copies/                   with a bucket, this host's copies of what is in it (dicom_node.shared_files)

The unregistered names are the queue between the node and the registry: when the database is away they wait on the disk.
Everything else that the registry has to know of an instance is in its file, or is the file's own time.
"""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Self

from config.errors import InstanceConflictError, SpoolAwayError, SpoolFullError
from config.settings import Settings
from config.whole_files import sweep_unfinished, sync, write_durably
from dicom_node.bucket import Bucket
from dicom_node.header import InstanceHeader
from dicom_node.same_instance import is_same_instance
from dicom_node.shared_files import SharedFiles

REMEMBERED = 1000
"""Studies whose folders a process knows to be on the disk; of others it makes sure once more."""


class Kept(Enum):
    """What became of a received instance."""

    STORED = auto()
    REPEATED = auto()
    """The same bytes were there already."""


class Spool(SharedFiles):
    """One installation's spool below `root`; safe for several threads and processes at once."""

    def __init__(self, root: Path, *, minimum_free_bytes: int = 0, bucket: Bucket | None = None) -> None:
        super().__init__(root, bucket)
        self.incoming = root / "incoming"
        self.quarantined = root / "quarantine"
        self.receivers = root / "receivers"
        self.commitments = root / "commitments"
        self.damaged = root / "damaged"
        self.received_reports = root / "received_reports"
        self._conflicts = root / "conflicts"
        self._studies = root / "studies"
        self._unregistered = root / "unregistered"
        self._minimum_free_bytes = minimum_free_bytes
        self._named: set[str] = set()
        """Studies whose folders are known to survive a loss of power."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The spool of this installation, on this host."""
        bucket = Bucket.of(settings.bucket)
        return cls(settings.spool_dir, minimum_free_bytes=settings.node.minimum_free_bytes, bucket=bucket)

    def create(self) -> None:
        """Make the folders that are not there yet."""
        at_once = (self.incoming, self._studies, self._unregistered, self.quarantined, self.receivers, self._conflicts)
        for folder in at_once:
            folder.mkdir(parents=True, exist_ok=True)

    def require_there(self) -> None:
        """Tell a file that is lost from a spool that is out of sight; with a bucket, a host's own is made.

        Raises
        ------
        SpoolAwayError
            The spool's folders are not there: a share that is not mounted looks like an empty folder.
        """
        if self.bucket is not None:
            self.create()
        if not self._studies.is_dir():
            raise SpoolAwayError(f"the spool is not there: {self.root} has no folder studies; is it mounted?")

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

    def new_incoming(self) -> Path:
        """A name for a temporary file, like no other."""
        return self.incoming / f"{uuid.uuid4().hex}.part"

    def keep(self, received: Path, header: InstanceHeader) -> Kept:
        """Give a received, durable file its final name; when this returns, that name survives a loss of power.

        Its other name, among the unregistered, may not: the intake looks for such instances when it starts.
        An instance is never overwritten: the same data set again is dropped, another is left where it is, and that its
        sender has sent it is noted until the sender sends what is kept.

        Raises
        ------
        InstanceConflictError
            Another data set is already kept under this SOP Instance UID.
        OSError
            The disk failed or is full. Sent again, the instance is kept as one that is repeated.
        """
        final = self.instance_path(header.study_instance_uid, header.sop_instance_uid)
        final.parent.mkdir(exist_ok=True)
        try:
            os.link(received, final)  # unlike a rename, this never replaces a file
        except FileExistsError:
            if not is_same_instance(received, final):
                self.note_conflict(header.sop_instance_uid, header.calling_ae_title)
                raise InstanceConflictError("other bytes are already kept under this SOP Instance UID") from None
            sync(final)  # stored a moment ago by another association, it may not be durable yet
            self.wait_again(final, header)
            received.unlink()
            kept = Kept.REPEATED
        else:
            received.rename(self._waiting_name(header.study_instance_uid, header.sop_instance_uid))
            kept = Kept.STORED
        self._conflict(header.sop_instance_uid, header.calling_ae_title).unlink(missing_ok=True)
        sync(final.parent)
        if final.parent.name not in self._named:
            # Also when another process has made the folder a moment ago: its name may not be on the disk yet.
            sync(self._studies)
            self._named = {*self._named, final.parent.name} if len(self._named) < REMEMBERED else {final.parent.name}
        return kept

    def note_conflict(self, sop_instance_uid: str, calling_ae_title: str | None) -> None:
        """Note that this sender has sent other bytes under the UID than are kept."""
        write_durably(self._conflict(sop_instance_uid, calling_ae_title), b"")

    def is_in_conflict(self, sop_instance_uid: str, calling_ae_title: str) -> bool:
        """Whether this sender has last sent other bytes under the UID than are kept: its own are in quarantine."""
        return self._conflict(sop_instance_uid, calling_ae_title).exists()

    def set_aside(self, file: Path) -> Path:
        """Take a small file that cannot be used out of its folder, so that it is in nobody's way and can be looked at.

        Raises
        ------
        OSError
            The disk failed or is full.
        """
        self.damaged.mkdir(exist_ok=True)
        aside = self.damaged / f"{file.parent.name}-{file.name}"
        with suppress(FileNotFoundError):  # another process was first
            file.rename(aside)
        return aside

    def unregistered(self) -> Iterator[Path]:
        """The instances that wait to be registered, in no particular order."""
        return self._unregistered.glob("*.dcm")

    def is_waiting(self, kept: Path) -> bool:
        """Whether an instance, under its final name, waits to be registered."""
        return self._waiting_name(kept.parent.name, kept.stem).exists()

    def count_waiting(self, *, longer_than_s: float = 0.0) -> int:
        """How many instances have waited at least so long to be registered."""
        since = datetime.now(UTC).timestamp() - longer_than_s
        count = 0
        for path in self.unregistered():
            with suppress(FileNotFoundError):  # it has just been registered
                # ctime: when it got its name in the queue; mtime is when it was received.
                count += path.stat().st_ctime <= since
        return count

    def unregistered_studies(self, but_for: Collection[Path] = ()) -> set[str]:
        """The Study Instance UIDs of the instances that wait to be registered, some of them left out."""
        return {study_waiting_as(path) for path in self.unregistered() if path not in but_for}

    def unregistered_instances(self) -> set[str]:
        """The SOP Instance UIDs that wait to be registered, or that the registry could not take."""
        return {path.stem.rpartition("_")[2] for path in self._unregistered.iterdir()}

    def put_aside(self, unregistered: Path) -> None:
        """Leave an instance that the registry cannot take out of the queue; `unregistered()` brings it no more."""
        unregistered.rename(unregistered.with_suffix(".refused"))

    def name_again(self, unregistered: Path, study_instance_uid: str, sop_instance_uid: str) -> None:
        """Give an instance that waits to be registered its final name again, where that was removed meanwhile."""
        final = self.instance_path(study_instance_uid, sop_instance_uid)
        final.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            os.link(unregistered, final)
        sync(final.parent)
        self.share(final)  # once more: whoever removes by age on another host may just have removed it there
        self.remove(self.header_path(final))

    def wait_again(self, kept: Path, header: InstanceHeader) -> None:
        """Put an instance that lies under its final name among those that wait to be registered."""
        with suppress(FileExistsError):  # it waits there already
            os.link(kept, self._waiting_name(header.study_instance_uid, header.sop_instance_uid))

    def study_folders(self, *, changed_since: datetime | None = None) -> Iterator[Path]:
        """The folder of each study, named by its UID; with `changed_since`, of those that got an instance after it."""
        oldest = changed_since.timestamp() if changed_since else 0.0
        with os.scandir(self._studies) as entries:
            for entry in entries:
                if entry.is_dir() and entry.stat().st_mtime >= oldest:
                    yield Path(entry.path)

    def sweep_incoming(self, *, older_than_s: float) -> int:
        """Remove temporary files that no transfer writes to any more; how many there were."""
        oldest = datetime.now(UTC).timestamp() - older_than_s
        swept = 0
        for path in self.incoming.iterdir():
            with suppress(FileNotFoundError):  # its transfer has just ended
                if path.stat().st_mtime < oldest and not _is_held(path):
                    path.unlink()
                    swept += 1
        return swept

    def sweep_unfinished(self) -> int:
        """Remove what a killed process has begun to write beside its final name; how many there were."""
        never_there = (self.incoming, self._studies, self._unregistered, self.quarantined)
        folders = [path for path in self.root.iterdir() if path.is_dir() and path not in never_there]
        return sum(sweep_unfinished(folder) for folder in folders)

    def instance_path(self, study_instance_uid: str, sop_instance_uid: str) -> Path:
        """Where an instance of these (valid) UIDs lies."""
        return self._studies / study_instance_uid / f"{sop_instance_uid}.dcm"

    def header_path(self, instance: Path) -> Path:
        """Where the header of an instance lies that lay there, and whose pixels were removed."""
        return self.root / "headers" / instance.parent.name / instance.name

    def tensor_folder(self, study_instance_uid: str, revision: int) -> Path:
        """Where the prepared clips of one revision of a study lie."""
        return self.root / "tensors" / study_instance_uid / f"revision-{revision}"

    def report_path(self, study_instance_uid: str, sop_instance_uid: str) -> Path:
        """Where an object made for a study lies."""
        return self.root / "reports" / study_instance_uid / f"{sop_instance_uid}.dcm"

    def _conflict(self, sop_instance_uid: str, calling_ae_title: str | None) -> Path:
        return self._conflicts / f"{sop_instance_uid}_{ae_title_digest(calling_ae_title or '')}"

    def _waiting_name(self, study_instance_uid: str, sop_instance_uid: str) -> Path:
        return self._unregistered / f"{study_instance_uid}_{sop_instance_uid}.dcm"

    def with_header(self, relative: str) -> Path:
        """The file of an instance, or, where its pixels were removed, that of its header; it need not be there.

        Raises
        ------
        BucketAwayError, OSError
            As `file`.
        """
        file = self.file(relative)
        if file.exists():
            return file
        header = self.file(self.relative(self.header_path(self.absolute(relative))))
        return header if header.exists() else file


def study_waiting_as(unregistered: Path) -> str:
    """The Study Instance UID of an instance, from its name among those that wait to be registered."""
    return unregistered.stem.rpartition("_")[0]


def _is_held(path: Path) -> bool:
    """Whether a process still writes to a temporary file, however slowly: it holds a lock on it."""
    with path.open("r+b") as file:  # NFS locks no file that is open for reading alone
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def ae_title_digest(ae_title: str) -> str:
    """What stands for an AE title in the name of a file: it may hold what no file name may."""
    return hashlib.sha256(ae_title.strip().encode()).hexdigest()[:8]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
