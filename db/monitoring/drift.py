"""What the watch for drift reads and writes: answers of one model by scanner and sender, and what became of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time

from sqlalchemy import ColumnElement, and_, case, delete, func, select
from sqlalchemy.orm import Session

from config.sections.rules import Action
from db.monitoring.canaries import is_a_canary
from db.monitoring.tallies import note_heartbeat
from db.tables.monitoring import DriftRow, Heartbeat, StudyDevice
from db.tables.runs import CurrentRun, ResultRow, RunRow
from db.tables.studies import Instance, Study

LOOKED_ON = "drift looked on"
"""Midnight, as if of UTC, of the day on which was last looked, by the clock of who looked."""


@dataclass(frozen=True, kw_only=True)
class WatchedScorer:
    """What answered, by columns of `RunRow`: answers of another are others by nature."""

    model_digest: str
    calibration_digest: str | None
    catalogue_digest: str
    preprocessing_profile: str
    view_gate: str | None


@dataclass(frozen=True, kw_only=True)
class WatchedStudy:
    """A study with a current result of the scorer that is watched."""

    study_id: int
    came_at: datetime
    device: str
    """Manufacturer, model and station; empty where its header names none of them."""
    sender: str
    """The calling AE title of its first instance; empty where it is not known."""


@dataclass(frozen=True, kw_only=True)
class WatchedAnswer:
    """One answer of such a study."""

    study_id: int
    task_id: str
    verdict: str
    number: float | None
    """Value or score."""
    outcome: str | None


def studies_without_device(session: Session, *, since: datetime, limit: int) -> list[tuple[int, str]]:
    """Scored studies whose scanner nobody has looked for: number, and the spool path of an instance that was scored."""
    of_study = select(func.min(Instance.id)).where(Instance.study_id == Study.id, Instance.action == Action.SCORE)
    first = of_study.correlate(Study).scalar_subquery()
    rows = (
        select(Study.id, Instance.spool_path)
        .join(CurrentRun, CurrentRun.study_id == Study.id)
        .join(Instance, Instance.id == first)
        .outerjoin(StudyDevice, StudyDevice.study_id == Study.id)
        .where(Study.created_at >= since, StudyDevice.study_id.is_(None))
        .order_by(Study.id)
        .limit(limit)
    )
    return [(number, path) for number, path in session.execute(rows)]


def note_device(session: Session, study_id: int, *, manufacturer: str, model: str, station: str) -> None:
    """Write down what the header says, whose study is still there; safe to repeat."""
    if session.get(Study, study_id) is not None:
        named = {"manufacturer": manufacturer[:64], "model": model[:64], "station": station[:16]}
        session.merge(StudyDevice(study_id=study_id, **{key: said or None for key, said in named.items()}))


def watched_scorer(session: Session) -> WatchedScorer | None:
    """Whose result became current last; a shadow, and a batch that is not adopted, score beside and are not watched."""
    columns = [getattr(RunRow, each.name) for each in fields(WatchedScorer)]
    current = select(*columns).join(CurrentRun, CurrentRun.run_id == RunRow.id)
    last = session.execute(current.order_by(CurrentRun.run_id.desc()).limit(1)).first()
    return None if last is None else WatchedScorer(**last._asdict())


def is_of(scorer: WatchedScorer) -> ColumnElement[bool]:
    """Of a row of `RunRow`: that this scorer made it."""
    return and_(
        RunRow.model_digest == scorer.model_digest,
        RunRow.calibration_digest.is_not_distinct_from(scorer.calibration_digest),
        RunRow.catalogue_digest == scorer.catalogue_digest,
        RunRow.preprocessing_profile == scorer.preprocessing_profile,
        RunRow.view_gate.is_not_distinct_from(scorer.view_gate),
    )


def watched_studies(session: Session, scorer: WatchedScorer, *, since: datetime) -> list[WatchedStudy]:
    """Those that came since then, whose current results are this scorer's."""
    sender = (
        select(Instance.calling_ae_title).where(Instance.study_id == Study.id).order_by(Instance.id).limit(1)
    ).scalar_subquery()
    rows = (
        select(Study.id, Study.created_at, sender, StudyDevice.manufacturer, StudyDevice.model, StudyDevice.station)
        .join(CurrentRun, CurrentRun.study_id == Study.id)
        .join(RunRow, RunRow.id == CurrentRun.run_id)
        .outerjoin(StudyDevice, StudyDevice.study_id == Study.id)
        .where(Study.created_at >= since, is_of(scorer), ~is_a_canary())
    )
    return [
        WatchedStudy(
            study_id=number,
            came_at=came_at,
            sender=sent_by or "",
            device=" ".join(part for part in (manufacturer, name, station) if part),
        )
        for number, came_at, sent_by, manufacturer, name, station in session.execute(rows)
    ]


def watched_answers(session: Session, scorer: WatchedScorer, *, since: datetime) -> Iterator[WatchedAnswer]:
    """All their answers, a few thousand at a time."""
    number = func.coalesce(ResultRow.value, ResultRow.score)
    rows = (
        select(Study.id, ResultRow.task_id, ResultRow.verdict, number, ResultRow.outcome)
        .join(CurrentRun, CurrentRun.study_id == Study.id)
        .join(RunRow, RunRow.id == CurrentRun.run_id)
        .join(ResultRow, ResultRow.run_id == RunRow.id)
        .where(Study.created_at >= since, is_of(scorer), ~is_a_canary())
    )
    for study_id, task_id, verdict, value, outcome in session.execute(rows.execution_options(yield_per=5000)):
        yield WatchedAnswer(study_id=study_id, task_id=task_id, verdict=verdict, number=value, outcome=outcome)


def record_drift(session: Session, looked_on: date, rows: Iterable[DriftRow]) -> None:
    """In place of what was written on the same day; also where nothing could be compared."""
    session.execute(delete(DriftRow).where(DriftRow.looked_on == looked_on))
    session.add_all(rows)
    note_heartbeat(session, LOOKED_ON, now=datetime.combine(looked_on, time.min, UTC))


def last_drift(session: Session) -> list[DriftRow]:
    """What the last look found, the strongest first; nothing where it had nothing to compare."""
    looked = session.get(Heartbeat, LOOKED_ON)
    # Before the day was noted, a look without rows left no trace.
    last = select(func.max(DriftRow.looked_on)).scalar_subquery() if looked is None else looked.at.date()
    rows = select(DriftRow).where(DriftRow.looked_on == last)
    return list(session.scalars(rows.order_by((DriftRow.stability_index / DriftRow.alarm_limit).desc())))


def drift_history(session: Session, *, since: date) -> list[tuple[date, int]]:
    """The days since then on which was compared, in order, and how many comparisons had drifted."""
    drifted = func.sum(case((DriftRow.has_drifted, 1), else_=0))
    rows = select(DriftRow.looked_on, drifted).where(DriftRow.looked_on >= since)
    return [
        (day, count) for day, count in session.execute(rows.group_by(DriftRow.looked_on).order_by(DriftRow.looked_on))
    ]
