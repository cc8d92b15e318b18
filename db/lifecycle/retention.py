"""What of which studies has outlived its time, and what is noted where it is removed.

Only of studies at rest: nothing of them is owed to anybody. Whoever removes something locks the study, and asks once
more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from config.errors import RegistryError
from config.sections.keep import KeptKind
from config.sections.rules import Action
from db.delivery.deliveries import OWED
from db.lifecycle.holds import is_held
from db.portions import in_portions
from db.states import AT_REST, STILL_TO_ANSWER, BatchState, DeliveryState
from db.tables.deliveries import Delivery, Report
from db.tables.peers import Forward
from db.tables.pictures import StudyEmbeddings
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.retention import RetentionRemoval
from db.tables.studies import Instance, Study

_DOCUMENTS = ("1.2.840.10008.5.1.4.1.1.88.%", "1.2.840.10008.5.1.4.1.1.104.%", "1.2.840.10008.5.1.4.1.1.11.%")
"""Structured reports and key objects, encapsulated documents, presentation states (PS3.6 annex A): they stay."""


@dataclass(frozen=True, kw_only=True)
class StudyToClear:
    """A study of which something may go."""

    study_id: int
    study_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """A file of a study."""

    sop_instance_uid: str
    sop_class_uid: str
    path: str
    """Relative to the spool."""
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What was removed of a study, or is being removed."""

    removal_id: int
    study_id: int
    study_instance_uid: str
    kind: KeptKind
    files: int
    size_bytes: int
    began_at: datetime
    ended_at: datetime | None


def studies_to_clear(
    session: Session, kind: KeptKind, *, before: datetime, after: int = 0, limit: int
) -> list[StudyToClear]:
    """Studies that may lose what they have of this kind, by their numbers from `after` on.

    What is kept of tensors only the spool knows: `at_rest_among` says which of its studies may lose them.
    """
    query = select(Study.id, Study.study_instance_uid).where(may_go(kind, before=before), Study.id > after)
    rows = session.execute(query.order_by(Study.id).limit(limit))
    return [StudyToClear(study_id=number, study_instance_uid=uid) for number, uid in rows]


def at_rest_among(session: Session, uids: Iterable[str], *, before: datetime) -> Iterator[StudyToClear]:
    """Those of these studies that may lose their tensors."""
    query = select(Study.id, Study.study_instance_uid).where(may_go(KeptKind.TENSORS, before=before))
    for some in in_portions(uids):
        for number, uid in session.execute(query.where(Study.study_instance_uid.in_(some))):
            yield StudyToClear(study_id=number, study_instance_uid=uid)


def may_go(kind: KeptKind, *, before: datetime) -> ColumnElement[bool]:
    """Of a row of `Study`: that it has something of this kind, as far as the registry knows, and may lose it."""
    something: ColumnElement[bool] = Study.id.is_not(None)
    if kind is KeptKind.PIXELS:
        something = exists().where(_has_pixels())
    elif kind is KeptKind.EMBEDDINGS:
        something = exists().where(StudyEmbeddings.study_id == Study.id)
    owed = and_(Report.study_id == Study.id, Delivery.report_id == Report.id, Delivery.state.in_(OWED))
    to_forward = and_(
        Instance.study_id == Study.id, Forward.instance_id == Instance.id, Forward.state == DeliveryState.DUE
    )
    # Those that came to a study at rest without being scored as well, and those that were sent once more.
    came_since = and_(Instance.study_id == Study.id, Instance.received_at >= before)
    to_rescore = and_(
        RescoredStudy.study_id == Study.id,
        RescoredStudy.state.in_(STILL_TO_ANSWER),
        Rescoring.id == RescoredStudy.rescoring_id,
        Rescoring.state != BatchState.DISCARDED,
    )
    return and_(
        Study.state.in_(AT_REST),
        Study.last_instance_at < before,
        something,
        ~exists().where(came_since),
        ~exists().where(owed),
        ~exists().where(to_forward),
        ~exists().where(to_rescore),
        ~is_held(),
    )


def locked_if_it_may_go(session: Session, study_id: int, kind: KeptKind, *, before: datetime) -> bool:
    """Lock a study, and say whether it still may lose this: something may have come, or somebody may hold it."""
    session.scalar(select(Study.id).where(Study.id == study_id).with_for_update())
    return session.scalar(select(Study.id).where(Study.id == study_id, may_go(kind, before=before))) is not None


def pixels_of(session: Session, study_id: int) -> list[KeptFile]:
    """The images of a study that are kept."""
    kept = select(Instance).join(Study, Study.id == Instance.study_id).where(Study.id == study_id, _has_pixels())
    return [_file_of(instance) for instance in session.scalars(kept.order_by(Instance.id))]


def embedding_paths_of(session: Session, study_id: int) -> list[str]:
    """The files of the embeddings of a study, of all revisions and embedders."""
    return list(session.scalars(select(StudyEmbeddings.path).where(StudyEmbeddings.study_id == study_id)))


def forget_embeddings_of(session: Session, study_id: int) -> None:
    """What `embedding_paths_of` gives is not kept any more."""
    session.execute(delete(StudyEmbeddings).where(StudyEmbeddings.study_id == study_id))


def begin_removing_pixels(session: Session, study_id: int, *, now: datetime) -> None:
    """From this commit on the registry says that the images of a (locked) study are gone: their files may go."""
    files = pixels_of(session, study_id)
    note_removal(session, study_id, KeptKind.PIXELS, sizes=[file.size_bytes for file in files], began_at=now)
    kept = [file.sop_instance_uid for file in files]
    for some in in_portions(kept):
        of_study = and_(Instance.study_id == study_id, Instance.sop_instance_uid.in_(some))
        session.execute(update(Instance).where(of_study).values(removed_at=now))


def note_removal(
    session: Session,
    study_id: int,
    kind: KeptKind,
    *,
    sizes: Sequence[int],
    began_at: datetime,
    ended_at: datetime | None = None,
) -> None:
    """Note what is removed of a study; without `ended_at`, that its files are still to be removed."""
    session.add(
        RetentionRemoval(
            study_id=study_id,
            kind=kind.value,
            files=len(sizes),
            size_bytes=sum(sizes),
            began_at=began_at,
            ended_at=ended_at,
        )
    )


def removals(session: Session, *, unfinished: bool = False, limit: int) -> list[Removal]:
    """What was removed, the latest first; or, `unfinished`, whose files are still to go, the first first."""
    query = select(RetentionRemoval, Study.study_instance_uid).join(Study, Study.id == RetentionRemoval.study_id)
    if unfinished:
        query = query.where(RetentionRemoval.ended_at.is_(None)).order_by(RetentionRemoval.id)
    else:
        query = query.order_by(RetentionRemoval.id.desc())
    return [
        Removal(
            removal_id=row.id,
            study_id=row.study_id,
            study_instance_uid=uid,
            kind=KeptKind(row.kind),
            files=row.files,
            size_bytes=row.size_bytes,
            began_at=row.began_at,
            ended_at=row.ended_at,
        )
        for row, uid in session.execute(query.limit(limit))
    ]


def files_still_to_go(session: Session, removal: Removal) -> list[KeptFile]:
    """The files that this removal is about, without those that came back; its study is locked: none comes back now."""
    session.scalar(select(Study.id).where(Study.id == removal.study_id).with_for_update())
    gone = and_(Instance.study_id == removal.study_id, Instance.removed_at == removal.began_at)
    return [_file_of(instance) for instance in session.scalars(select(Instance).where(gone).order_by(Instance.id))]


def is_held_now(session: Session, removal: Removal) -> bool:
    """Whether somebody holds the (locked) study of a removal by now."""
    return session.scalar(select(Study.id).where(Study.id == removal.study_id, is_held())) is not None


def take_back(session: Session, removal: Removal, there: Sequence[KeptFile]) -> None:
    """Note that these files of a removal stay: the registry says again that they are there."""
    for some in in_portions(file.sop_instance_uid for file in there):
        of_removal = and_(Instance.study_id == removal.study_id, Instance.removed_at == removal.began_at)
        stays = and_(of_removal, Instance.sop_instance_uid.in_(some))
        session.execute(update(Instance).where(stays).values(removed_at=None))
    gone = {"files": removal.files - len(there), "size_bytes": removal.size_bytes - sum(f.size_bytes for f in there)}
    session.execute(update(RetentionRemoval).where(RetentionRemoval.id == removal.removal_id).values(gone))


def end_removal(session: Session, removal: Removal, *, now: datetime) -> None:
    """Its files are gone."""
    session.execute(update(RetentionRemoval).where(RetentionRemoval.id == removal.removal_id).values(ended_at=now))


def is_being_removed() -> ColumnElement[bool]:
    """Of a row of `Instance`: that its file may still be there, and is to go."""
    unfinished = exists().where(
        RetentionRemoval.study_id == Instance.study_id,
        RetentionRemoval.kind == KeptKind.PIXELS,
        RetentionRemoval.ended_at.is_(None),
    )
    return and_(Instance.removed_at.is_not(None), unfinished)


def bring_back(session: Session, study_id: int, row: dict[str, object]) -> bool:
    """Note that an instance of a (locked) study whose file was removed is there again; False where it never was gone.

    What was decided of it, and in which revision it came, stay as they were.
    """
    told = ("transfer_syntax_uid", "spool_path", "sha256", "size_bytes", "received_at", "calling_ae_title")
    gone = and_(
        Instance.study_id == study_id,
        Instance.sop_instance_uid == row["sop_instance_uid"],
        Instance.removed_at.is_not(None),
    )
    there = {name: row[name] for name in told} | {"removed_at": None}
    return session.scalar(update(Instance).where(gone).values(there).returning(Instance.id)) is not None


def require_pixels(session: Session, study: Study) -> None:
    """Refuse to prepare a study again whose images are not there.

    Raises
    ------
    RegistryError
        Some were removed: how many, and when.
    """
    gone = and_(Instance.study_id == study.id, Instance.action == Action.SCORE, Instance.removed_at.is_not(None))
    count, last = session.execute(select(func.count(), func.max(Instance.removed_at)).where(gone)).one()
    if count:
        raise RegistryError(
            f"study {study.study_instance_uid}: the pixels of {count} instances were removed on {last:%Y-%m-%d}, when "
            "their time was over ([keep] pixels_days): have them sent again, as by echoworker fetch, then requeue it"
        )


def _has_pixels() -> ColumnElement[bool]:
    """Of rows of `Instance` and `Study`: an image of the study whose file is kept, and that we have not made."""
    is_document = or_(*(Instance.sop_class_uid.like(prefix) for prefix in _DOCUMENTS))
    is_ours = exists().where(Report.sop_instance_uid == Instance.sop_instance_uid)
    return and_(Instance.study_id == Study.id, Instance.removed_at.is_(None), ~is_document, ~is_ours)


def _file_of(instance: Instance) -> KeptFile:
    return KeptFile(
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        path=instance.spool_path,
        size_bytes=instance.size_bytes,
    )
