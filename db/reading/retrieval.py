"""What search asks of the registry: which embeddings there are, what belongs to them, and who is the same patient.

Patient IDs are compared inside the database; no row that leaves it holds one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from db.portions import in_portions
from db.tables.pictures import Clip, StudyEmbeddings
from db.tables.runs import CurrentRun
from db.tables.studies import PatientIdentity, Study


@dataclass(frozen=True, kw_only=True)
class SearchableStudy:
    """A study whose clips can be searched: the newest embeddings that a model has of it."""

    study_instance_uid: str
    revision: int
    path: str
    """Relative to the spool."""
    created_at: datetime
    left_out: frozenset[str]
    """SOP Instance UIDs of the clips that the view gate left out: they are in the file, and are not to be found."""


@dataclass(frozen=True, kw_only=True)
class PatientOfStudy:
    """Whose study it is, as a number that means nothing outside the one query that gave it."""

    patient: int
    studies: int
    """How many studies of these embeddings the patient has."""


def searchable_studies(
    session: Session, *, embedder: str, preprocessing_profile: str, study_id: int | None = None
) -> Iterator[SearchableStudy]:
    """Of each study, or of one, the newest embeddings by this model over clips so prepared; in order of the studies."""
    left_out = _left_out_clips(session, embedder, study_id)
    query = (
        select(
            Study.study_instance_uid,
            StudyEmbeddings.revision,
            StudyEmbeddings.path,
            StudyEmbeddings.created_at,
        )
        .join(Study, Study.id == StudyEmbeddings.study_id)
        .where(*_newest(embedder, preprocessing_profile), *_of(study_id))
        .order_by(Study.id)
    )
    for uid, revision, path, created_at in session.execute(query.execution_options(yield_per=5000)):
        yield SearchableStudy(
            study_instance_uid=uid,
            revision=revision,
            path=path,
            created_at=created_at,
            left_out=frozenset(left_out.get((uid, revision), ())),
        )


def count_unsearchable(session: Session, *, embedder: str, preprocessing_profile: str) -> int:
    """How many studies have been scored, and have no embeddings by this model over clips so prepared."""
    there = exists().where(
        StudyEmbeddings.study_id == Study.id,
        StudyEmbeddings.embedder == embedder,
        StudyEmbeddings.preprocessing_profile == preprocessing_profile,
    )
    scored = exists().where(CurrentRun.study_id == Study.id)
    with_clips = exists().where(Clip.study_id == Study.id, Clip.tensor_path.is_not(None))
    return session.scalar(select(func.count(Study.id)).where(scored, with_clips, ~there)) or 0


def received_at(session: Session, study_instance_uids: Iterable[str]) -> dict[str, datetime]:
    """When the last instance of each of these studies came; a study that is not registered is not in it."""
    found: dict[str, datetime] = {}
    for some in in_portions(study_instance_uids):
        rows = session.execute(
            select(Study.study_instance_uid, Study.last_instance_at).where(Study.study_instance_uid.in_(some))
        )
        found.update((uid, at) for uid, at in rows)
    return found


def views_of(session: Session, study_instance_uids: Iterable[str]) -> dict[tuple[str, str], str]:
    """Study and SOP Instance UID -> the id of the view that the gate saw last in that clip, where it was judged.

    An instance that is in several revisions has the view of the newest that judged it.
    """
    found: dict[tuple[str, str], str] = {}
    for some in in_portions(study_instance_uids):
        rows = session.execute(
            select(Study.study_instance_uid, Clip.sop_instance_uid, Clip.view)
            .join(Study, Study.id == Clip.study_id)
            .where(Study.study_instance_uid.in_(some), Clip.view.is_not(None))
            .order_by(Clip.revision)
        )
        found.update({(study, instance): view for study, instance, view in rows if view is not None})
    return found


def patients_of(session: Session, *, embedder: str, preprocessing_profile: str) -> dict[str, PatientOfStudy]:
    """Study Instance UID -> patient, of every study with such embeddings and a patient ID.

    Two studies are of one patient here when their patient IDs (0010,0020) are equal but for outer spaces. Whoever
    issued the ID is not kept: where several issuers send to one node, equal IDs may be different people.
    """
    patient_id = PatientIdentity.patient_id
    rows = session.execute(
        select(
            Study.study_instance_uid,
            func.dense_rank().over(order_by=patient_id),
            func.count().over(partition_by=patient_id),
        )
        .join(StudyEmbeddings, Study.id == StudyEmbeddings.study_id)
        .join(PatientIdentity, PatientIdentity.study_id == Study.id)
        .where(*_newest(embedder, preprocessing_profile), patient_id.is_not(None))
    )
    return {uid: PatientOfStudy(patient=patient, studies=count) for uid, patient, count in rows}


def _newest(embedder: str, preprocessing_profile: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions on StudyEmbeddings, joined to Study."""
    mine = aliased(StudyEmbeddings)
    newest = (
        select(func.max(mine.revision))
        .where(
            mine.study_id == Study.id,
            mine.embedder == embedder,
            mine.preprocessing_profile == preprocessing_profile,
        )
        .correlate(Study)
        .scalar_subquery()
    )
    return (
        StudyEmbeddings.embedder == embedder,
        StudyEmbeddings.preprocessing_profile == preprocessing_profile,
        StudyEmbeddings.revision == newest,
    )


def _of(study_id: int | None) -> tuple[ColumnElement[bool], ...]:
    return () if study_id is None else (Study.id == study_id,)


def _left_out_clips(session: Session, embedder: str, study_id: int | None) -> dict[tuple[str, int], list[str]]:
    """Study Instance UID and revision -> the clips that have a tensor and were left out all the same."""
    rows = session.execute(
        select(Study.study_instance_uid, Clip.revision, Clip.sop_instance_uid)
        .join(Study, Study.id == Clip.study_id)
        .where(
            Clip.tensor_path.is_not(None),
            Clip.skip_reason.is_not(None),
            exists().where(StudyEmbeddings.study_id == Study.id, StudyEmbeddings.embedder == embedder),
            *_of(study_id),
        )
    )
    found: dict[tuple[str, int], list[str]] = {}
    for study, revision, instance in rows:
        found.setdefault((study, revision), []).append(instance)
    return found
