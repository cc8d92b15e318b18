"""Where the frame embeddings of studies are: what re-scoring, calibration and search start from."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, select
from sqlalchemy.orm import Session

from db.portions import in_portions
from db.tables.pictures import StudyEmbeddings
from db.tables.studies import Study


@dataclass(frozen=True, kw_only=True)
class StoredEmbeddings:
    """The frame embeddings of one revision of a study."""

    study_instance_uid: str
    revision: int
    embedder: str
    preprocessing_profile: str
    path: str
    """Relative to the spool."""
    clips: int
    frames: int
    created_at: datetime


def record_embeddings(session: Session, *, study_id: int, stored: StoredEmbeddings) -> None:
    """Register the file; an earlier one of the same revision and embedder is replaced."""
    mine = _of_revision(study_id, stored.revision)
    session.execute(delete(StudyEmbeddings).where(mine, StudyEmbeddings.embedder == stored.embedder))
    columns = {name: value for name, value in vars(stored).items() if name != "study_instance_uid"}
    session.add(StudyEmbeddings(study_id=study_id, **columns))


def latest_embeddings(
    session: Session, *, embedder: str, study_instance_uids: Iterable[str]
) -> Iterator[StoredEmbeddings]:
    """Of each of these studies that has any, what this embedder made of its latest revision; in no order."""
    newest = select(func.max(StudyEmbeddings.revision)).where(
        StudyEmbeddings.study_id == Study.id, StudyEmbeddings.embedder == embedder
    )
    query = (
        select(StudyEmbeddings, Study.study_instance_uid)
        .join(Study, Study.id == StudyEmbeddings.study_id)
        .where(
            StudyEmbeddings.embedder == embedder,
            StudyEmbeddings.revision == newest.correlate(Study).scalar_subquery(),
        )
    )
    for some in in_portions(study_instance_uids):
        for row, uid in session.execute(query.where(Study.study_instance_uid.in_(some))):
            yield _stored(row, uid)


def embeddings_of(
    session: Session, *, study_id: int, study_instance_uid: str, revision: int
) -> dict[str, StoredEmbeddings]:
    """What is kept of one revision of a study, by embedder."""
    rows = session.scalars(select(StudyEmbeddings).where(_of_revision(study_id, revision)))
    return {row.embedder: _stored(row, study_instance_uid) for row in rows}


def embeddings_of_many(session: Session, revisions: Mapping[int, int], *, embedder: str) -> dict[int, StoredEmbeddings]:
    """What this embedder has kept of many studies, by their numbers in the registry, each of this revision."""
    rows = session.execute(
        select(StudyEmbeddings.__table__, Study.study_instance_uid)
        .join(Study, Study.id == StudyEmbeddings.study_id)
        .where(StudyEmbeddings.study_id.in_(revisions), StudyEmbeddings.embedder == embedder)
    )
    return {
        row.study_id: _stored(row, row.study_instance_uid) for row in rows if row.revision == revisions[row.study_id]
    }


def forget_embeddings(session: Session, *, study_id: int, revision: int) -> list[str]:
    """What is kept of one revision is of frames that are none of it any more; the files that are to be removed."""
    return _forget(session, _of_revision(study_id, revision))


def forget_earlier_embeddings(session: Session, *, study_id: int, revision: int, embedder: str) -> list[str]:
    """What this embedder made of the revisions before this one serves nobody; the files that are to be removed."""
    earlier = (StudyEmbeddings.study_id == study_id) & (StudyEmbeddings.revision < revision)
    return _forget(session, earlier & (StudyEmbeddings.embedder == embedder))


def former_embedders(session: Session, *, in_use: Collection[str], before: datetime) -> list[str]:
    """Embedders that are not in use and have made nothing since then."""
    newest = func.max(StudyEmbeddings.created_at)
    query = select(StudyEmbeddings.embedder).where(StudyEmbeddings.embedder.not_in(list(in_use)))
    return list(session.scalars(query.group_by(StudyEmbeddings.embedder).having(newest < before)))


def made_before(session: Session, *, embedder: str, before: datetime) -> list[str]:
    """The files of what this embedder made before then."""
    return list(session.scalars(select(StudyEmbeddings.path).where(_made_before(embedder, before))))


def forget_made_before(session: Session, *, embedder: str, before: datetime) -> None:
    """What `made_before` gives is not kept any more."""
    session.execute(delete(StudyEmbeddings).where(_made_before(embedder, before)))


def _made_before(embedder: str, before: datetime) -> ColumnElement[bool]:
    return (StudyEmbeddings.embedder == embedder) & (StudyEmbeddings.created_at < before)


def _forget(session: Session, which: ColumnElement[bool]) -> list[str]:
    paths = list(session.scalars(select(StudyEmbeddings.path).where(which)))
    session.execute(delete(StudyEmbeddings).where(which))
    return paths


def _of_revision(study_id: int, revision: int) -> ColumnElement[bool]:
    return (StudyEmbeddings.study_id == study_id) & (StudyEmbeddings.revision == revision)


def _stored(row: StudyEmbeddings | Row[Any], study_instance_uid: str) -> StoredEmbeddings:
    return StoredEmbeddings(
        study_instance_uid=study_instance_uid,
        revision=row.revision,
        embedder=row.embedder,
        preprocessing_profile=row.preprocessing_profile,
        path=row.path,
        clips=row.clips,
        frames=row.frames,
        created_at=row.created_at,
    )
