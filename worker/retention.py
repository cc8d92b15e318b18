"""Pixels, tensors and embeddings of studies go when their time is over, each after its own (`[keep]`).

Study by study, under the lock of the study. A process that is killed at any moment leaves nothing that nobody removes,
and nothing missing that the registry says is there:

- of pixels the registry says first that they are gone, with a note of what is to go; then the files go, then the note
  is ended. Unfinished notes are found by whoever comes next. Their headers stay: reports are built from these.
- tensors have no rows, and embeddings go before theirs, which say until then what is to go: they can be made again,
  and whoever reads them takes a missing file for that.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from config.errors import BackupUnderWayError, UnreadableInstanceError
from config.logs import Event, emit, place_of
from config.sections.keep import KeptKind
from config.settings import Settings
from config.whole_files import write_durably
from db.lifecycle.retention import (
    KeptFile,
    Removal,
    StudyToClear,
    at_rest_among,
    begin_removing_pixels,
    embedding_paths_of,
    end_removal,
    files_still_to_go,
    forget_embeddings_of,
    is_held_now,
    locked_if_it_may_go,
    note_removal,
    pixels_of,
    removals,
    studies_to_clear,
    take_back,
)
from db.session import Database
from dicom_node.audit.events import StudyInstances, instances_removed
from dicom_node.audit.trail import AuditTrail
from dicom_node.commitment.files import CommitmentFiles
from dicom_node.header import header_alone, read_header
from dicom_node.removing import removing
from dicom_node.spool import Spool

PORTION = 200
"""Studies looked up at once."""


@dataclass(frozen=True, kw_only=True)
class Outlived:
    """What a study has that may go."""

    study_id: int
    study_instance_uid: str
    files: int
    size_bytes: int


class Retention:
    """Registry and spool of one installation, and how long it keeps what."""

    def __init__(self, settings: Settings, database: Database, spool: Spool) -> None:
        self._keep = settings.keep
        self._database = database
        self._spool = spool
        self._trail = AuditTrail(settings)
        self._failed: set[int] = set()
        """Removals that the disk did not let us end: left to whoever comes next."""

    def outlived(self, kind: KeptKind, *, now: datetime) -> Iterator[Outlived]:
        """The studies whose time is over for this kind, and what would go; nothing is changed.

        Raises
        ------
        SpoolAwayError
            The spool is out of sight.
        """
        before = self._keep.since(kind, now=now)
        if before is None:
            return
        self._spool.require_there()
        for portion in self._portions(kind, before):
            spoken_for = self._spoken_for()
            with self._database.read() as session:
                found = [(study, self._files(session, kind, study)) for study in portion]
            for study, files in found:
                if files and not spoken_for(study, files):
                    yield Outlived(
                        study_id=study.study_id,
                        study_instance_uid=study.study_instance_uid,
                        files=len(files),
                        size_bytes=sum(file.size_bytes for file in files),
                    )

    def remove(self, *, now: datetime, go_on: Callable[[], bool] = lambda: True) -> dict[KeptKind, list[Outlived]]:
        """Remove all that has outlived its time, until `go_on` says no; what was removed of which studies.

        Raises
        ------
        SpoolAwayError
            The spool is out of sight.
        BackupUnderWayError
            A backup is being made. One that begins later ends this after the study that it is at.
        """
        with removing(self._spool):
            pass
        removed: dict[KeptKind, list[Outlived]] = {kind: [] for kind in KeptKind}
        for kind in KeptKind:
            for study in self.outlived(kind, now=now):
                if not go_on():
                    break
                try:
                    if self._remove(kind, study, now=now):
                        removed[kind].append(study)
                except BackupUnderWayError:
                    break
                except OSError as error:
                    _say_that_it_waits(study.study_instance_uid, error)
            if removed[kind]:
                emit(Event.REMOVED_BY_AGE, step=kind.value, count=len(removed[kind]))
        return removed

    def finish(self) -> None:
        """Remove the files of those pixels that the registry says are gone, where somebody has begun to and not ended.

        A study that was held since keeps what is there of it; one whose files the disk does not give holds up no other.

        Raises
        ------
        SpoolAwayError
            The spool is out of sight.
        BackupUnderWayError
            A backup is being made.
        """
        with self._database.read() as session:
            unfinished = removals(session, unfinished=True, limit=PORTION)
        for removal in unfinished:
            if removal.removal_id in self._failed:
                continue
            try:
                # Also sees that the spool is there: else all files would look as if they were gone.
                with removing(self._spool), self._database.write() as session:
                    self._remove_files(session, removal)
                    end_removal(session, removal, now=datetime.now(UTC))
            except OSError as error:
                self._failed.add(removal.removal_id)
                _say_that_it_waits(removal.study_instance_uid, error)

    def _portions(self, kind: KeptKind, before: datetime) -> Iterator[list[StudyToClear]]:
        if kind is KeptKind.TENSORS:  # the rows of clips stay, and say that there were some: the folders are the truth
            names = sorted({name.split("/")[1] for name in self._spool.names_below("tensors")})
            for start in range(0, len(names), PORTION):
                with self._database.read() as session:
                    yield list(at_rest_among(session, names[start : start + PORTION], before=before))
            return
        after = 0
        while True:
            with self._database.read() as session:
                portion = studies_to_clear(session, kind, before=before, after=after, limit=PORTION)
            if not portion:
                return
            yield portion
            after = portion[-1].study_id

    def _spoken_for(self) -> Callable[[StudyToClear | Outlived, list[KeptFile]], bool]:
        """Whether something of a study waits to be registered, or a sender is to be told that we keep it."""
        waiting = self._spool.unregistered_studies()
        asked = CommitmentFiles(self._spool).open_references()

        def is_spoken_for(study: StudyToClear | Outlived, files: list[KeptFile]) -> bool:
            return study.study_instance_uid in waiting or any(file.sop_instance_uid in asked for file in files)

        return is_spoken_for

    def _files(self, session: Session, kind: KeptKind, study: StudyToClear | Outlived) -> list[KeptFile]:
        if kind is KeptKind.PIXELS:
            return pixels_of(session, study.study_id)
        if kind is KeptKind.EMBEDDINGS:
            return [self._made(path) for path in embedding_paths_of(session, study.study_id)]
        return [self._made(name) for name in self._spool.names_below(f"tensors/{study.study_instance_uid}")]

    def _made(self, name: str) -> KeptFile:
        size = self._spool.size(name) or 0
        return KeptFile(sop_instance_uid="", sop_class_uid="", path=name, size_bytes=size)

    def _remove(self, kind: KeptKind, study: Outlived, *, now: datetime) -> bool:
        before = self._keep.since(kind, now=now)
        began = datetime.now(UTC)
        with removing(self._spool), self._database.write() as session:
            if before is None or not locked_if_it_may_go(session, study.study_id, kind, before=before):
                return False
            files = self._files(session, kind, study)
            if not files or self._spoken_for()(study, files):  # looked for under the lock: registering waits for it
                return False
            if kind is KeptKind.PIXELS:
                begin_removing_pixels(session, study.study_id, now=began)
            else:
                for file in files:
                    remove_file(self._spool, file.path, below=kind.value)
                if kind is KeptKind.EMBEDDINGS:
                    forget_embeddings_of(session, study.study_id)
                sizes = [file.size_bytes for file in files]
                note_removal(session, study.study_id, kind, sizes=sizes, began_at=began, ended_at=datetime.now(UTC))
        if kind is KeptKind.PIXELS:
            self.finish()
        return True

    def _remove_files(self, session: Session, removal: Removal) -> None:
        files = files_still_to_go(session, removal)
        if is_held_now(session, removal):
            take_back(session, removal, [file for file in files if self._spool.has(file.path)])
            return
        # What waits was sent again: it is about to come back, and does so under the same lock.
        going = [file for file in files if not self._spool.is_waiting(self._spool.absolute(file.path))]
        patient_id = next(filter(None, (_patient_id(self._spool.file(file.path)) for file in going)), None)
        for file in going:
            self._keep_header(file.path)
            # And not the folder: a receiver may be about to put something into it.
            self._spool.remove(self._spool.absolute(file.path))
        if going:
            instances = StudyInstances(
                study_instance_uid=removal.study_instance_uid,
                patient_id=patient_id,
                sop_classes=Counter(file.sop_class_uid for file in going),
            )
            self._trail.record(instances_removed(instances))

    def _keep_header(self, name: str) -> None:
        """A report may have to be built once more, as when another report of the study says otherwise."""
        with suppress(FileNotFoundError, UnreadableInstanceError):  # of a damaged one no report can be built anyhow
            header = self._spool.header_path(self._spool.absolute(name))
            write_durably(header, header_alone(self._spool.file(name)))
            self._spool.share(header)


def remove_file(spool: Spool, name: str, *, below: str) -> None:
    """Remove a file of the spool, and the folders below this one that it leaves empty; one that is not there was
    removed before.

    Raises
    ------
    BucketAwayError
        The bucket cannot be asked.
    """
    file, top = spool.absolute(name), spool.root / below
    spool.remove(file)
    with suppress(OSError):  # another file is in it
        for folder in file.relative_to(top).parents[:-1]:
            (top / folder).rmdir()


def _say_that_it_waits(study_instance_uid: str, error: OSError) -> None:
    """A bad sector, a share that hiccups: this study waits, the others go on."""
    emit(Event.DUTY_FAILS, step="retention", study_instance_uid=study_instance_uid, error=place_of(error))


def _patient_id(file: Path) -> str | None:
    try:
        return read_header(file).identity.patient_id
    except (OSError, UnreadableInstanceError):  # gone, as after a restart, or damaged
        return None
