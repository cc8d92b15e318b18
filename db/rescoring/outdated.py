"""Which studies are to be answered anew: those whose current run another model, catalogue or calibration made."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from config.steps import Step
from db.states import AT_REST, TRANSITIONS, BatchKind, BatchState, RescoredState, StudyState
from db.tables.pictures import Clip, StudyEmbeddings
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import Instance, Study
from db.working.pauses import is_paused


@dataclass(frozen=True, kw_only=True)
class Target:
    """What answers anew; the columns of `Rescoring` that say so."""

    pack: str
    """The folder of the pack; empty: the one that scores."""
    model_name: str
    model_version: str
    model_label: str
    model_digest: str
    embedder: str
    catalogue_digest: str
    calibration_digest: str | None
    view_gate: str | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which studies, and how."""

    kind: BatchKind = BatchKind.RESCORE
    since: datetime | None = None
    task_ids: tuple[str, ...] = ()
    canary: int = 0
    at_most: int = 0
    """The newest; 0: all."""
    try_again: bool = False
    """Those as well that another batch could not answer."""
    failed_before: datetime | None = None
    """Of those that failed only the ones of batches begun before then; None: all."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a batch would have to do."""

    studies: int
    from_embeddings: int
    """Embeddings of this model are registered for them; the others need their pixels."""
    because: dict[str, int]
    """Of how many the model, the catalogue, the calibration or the view gate is another; one may be in several."""


def studies_to_answer(target: Target, wanted: Wanted) -> Select[int, int]:
    """`id` of each study and the `run_id` that is current: of those that are at rest, the newest first."""
    query = (
        select(Study.id, CurrentRun.run_id)
        .join(CurrentRun, CurrentRun.study_id == Study.id)
        .join(RunRow, RunRow.id == CurrentRun.run_id)
        .where(is_at_rest(), RunRow.revision == Study.revision, ~_is_answered(target, wanted))
        .order_by(Study.last_instance_at.desc(), Study.id.desc())
    )
    differs = _differs(target)
    query = query.where(or_(*differs.values()) if wanted.kind is BatchKind.RESCORE else differs["model"])
    if wanted.since is not None:
        query = query.where(Study.last_instance_at >= wanted.since)
    return query.limit(wanted.at_most) if wanted.at_most else query


def is_any_outdated(session: Session, target: Target, wanted: Wanted) -> bool:
    """Whether there is anything to answer."""
    return session.execute(studies_to_answer(target, wanted).limit(1)).first() is not None


def outlook(session: Session, target: Target, wanted: Wanted) -> Outlook:
    """What a batch would have to do; no file is looked at."""
    chosen = studies_to_answer(target, wanted).subquery()
    differs = _differs(target)
    counts = [func.count().filter(_has_kept(target)), *(func.count().filter(is_so) for is_so in differs.values())]
    row = session.execute(
        select(func.count(), *counts)
        .select_from(chosen)
        .join(Study, Study.id == chosen.c.id)
        .join(RunRow, RunRow.id == chosen.c.run_id)
    ).one()
    because = dict(zip(differs, row[2:], strict=True))
    return Outlook(
        studies=row[0], from_embeddings=row[1], because={why: count for why, count in because.items() if count}
    )


def files_to_read(session: Session, target: Target, wanted: Wanted) -> list[tuple[int, str | None]]:
    """Of the studies that need their pixels the number of each, with the spool path of each clip, if it is kept."""
    chosen = studies_to_answer(target, wanted).subquery()
    of_revision = and_(Clip.study_id == Study.id, Clip.revision == Study.revision, Clip.tensor_path.is_not(None))
    of_clip = and_(
        Instance.study_id == Study.id,
        Instance.sop_instance_uid == Clip.sop_instance_uid,
        Instance.removed_at.is_(None),
    )
    query = (
        select(Study.id, Instance.spool_path)
        .join(chosen, chosen.c.id == Study.id)
        .join(Clip, of_revision)
        .outerjoin(Instance, of_clip)
        .where(~_has_kept(target))
    )
    return [(study_id, path) for study_id, path in session.execute(query)]


def is_at_rest() -> ColumnElement[bool]:
    """That nothing is to be made of a study: one that is on its way is answered by what scores today."""
    failed_at_peers = and_(Study.state == StudyState.FAILED, Study.failed_step == Step.DELIVER)
    done = Study.state.in_(AT_REST)
    return or_(done, failed_at_peers)


def rests(session: Session, study_id: int) -> bool:
    """Whether nothing is to be made of this study."""
    return session.scalar(select(Study.id).where(Study.id == study_id, is_at_rest())) is not None


def fresh_studies_wait(session: Session, *, now: datetime) -> bool:
    """Whether a study is being prepared or scored, or waits for it: re-scoring lets it go first."""
    return any(_any_waits(session, step, now) for step in (Step.PREPARE, Step.SCORE))


def reports_wait(session: Session, *, now: datetime) -> bool:
    """Whether a study waits for its report, or that is being made."""
    return _any_waits(session, Step.REPORT, now)


def _any_waits(session: Session, step: Step, now: datetime) -> bool:
    """In a queue that is paused only what runs still: what waits there waits for a person."""
    is_due = or_(Study.next_attempt_at.is_(None), Study.next_attempt_at <= now)
    goes_on = or_(~is_paused(step), Study.lease_expires_at > now)
    waits = select(Study.id).where(Study.state == TRANSITIONS[step].before, is_due, goes_on)
    return session.scalar(waits.limit(1)) is not None


def _has_kept(target: Target) -> ColumnElement[bool]:
    return exists().where(
        StudyEmbeddings.study_id == Study.id,
        StudyEmbeddings.revision == Study.revision,
        StudyEmbeddings.embedder == target.embedder,
    )


def _differs(target: Target) -> dict[str, ColumnElement[bool]]:
    return {
        "model": RunRow.model_digest != target.model_digest,
        "catalogue": RunRow.catalogue_digest != target.catalogue_digest,
        "calibration": RunRow.calibration_digest.is_distinct_from(target.calibration_digest),
        "view gate": RunRow.view_gate.is_distinct_from(target.view_gate),
    }


def _is_answered(target: Target, wanted: Wanted) -> ColumnElement[bool]:
    """That a batch has it, of the same target, and for the results that are current still."""
    before = aliased(RunRow)
    same = and_(
        Rescoring.id == RescoredStudy.rescoring_id,
        Rescoring.kind == wanted.kind,
        Rescoring.state != BatchState.DISCARDED,
        Rescoring.model_digest == target.model_digest,
        Rescoring.catalogue_digest == target.catalogue_digest,
        Rescoring.calibration_digest.is_not_distinct_from(target.calibration_digest),
        Rescoring.view_gate.is_not_distinct_from(target.view_gate),
    )
    of_no_use = [RescoredState.PASSED_OVER]
    if wanted.try_again:
        of_no_use.append(RescoredState.CANNOT)
    failed = RescoredStudy.state == RescoredState.FAILED
    if wanted.failed_before is not None:
        failed &= Rescoring.created_at < wanted.failed_before
    return exists().where(
        same,
        RescoredStudy.study_id == Study.id,
        before.id == RescoredStudy.before_run_id,
        # A run that repeats another, for the sake of another report, has the same results.
        func.coalesce(before.repeats, before.run_uid) == func.coalesce(RunRow.repeats, RunRow.run_uid),
        RescoredStudy.state.not_in(of_no_use),
        ~failed,
    )
