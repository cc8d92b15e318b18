"""How well the installation does over some days: how long studies take, and what is answered and what is not.

Days are days in UTC, as in the views. Quantiles are nearest-rank, so that each is a number that some study has; of an
even count the median is the lower of the two in the middle. Canaries are no patients: none is counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session

from db.monitoring.canaries import is_a_canary
from db.monitoring.drift import WatchedScorer, is_of
from db.results.runs import Verdict
from db.states import StudyState
from db.tables.base import UTCDateTime
from db.tables.monitoring import StudyDevice
from db.tables.pipeline import JournalEntry
from db.tables.runs import CurrentRun, ResultRow, RunRow
from db.tables.studies import Instance, Study

UNNAMED = "not named"


@dataclass(frozen=True, kw_only=True)
class Days:
    """From one day to another, both included."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        """Midnight, at the first one's begin."""
        return datetime.combine(self.first, time.min, UTC)

    @property
    def until(self) -> datetime:
        """Midnight, at the last one's end: no more in it."""
        return datetime.combine(self.last, time.min, UTC) + timedelta(days=1)

    @property
    def each(self) -> list[date]:
        """All of them in order."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def holds(self, at: ColumnElement[datetime]) -> ColumnElement[bool]:
        """That a time is within them."""
        return (at >= self.since) & (at < self.until)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How some numbers are distributed."""

    p10: float
    median: float
    p90: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Self | None:
        """None where there are none."""
        ordered = sorted(numbers)
        if not ordered:
            return None
        tenth, half, nine_tenths = ((len(ordered) * share + 9) // 10 - 1 for share in (1, 5, 9))
        return cls(p10=ordered[tenth], median=ordered[half], p90=ordered[nine_tenths])


@dataclass(frozen=True, kw_only=True)
class TurnaroundOfDay:
    """Of the studies whose last instance came on a day."""

    day: date
    studies: int
    """That are closed."""
    delivered: int
    """To every destination."""
    processing_s: Spread | None
    """From closed to reported, in seconds."""
    total_s: Spread | None
    """From the last instance to delivered, in seconds."""
    failed_attempts: int


@dataclass(frozen=True, kw_only=True)
class AnswersOfDay:
    """The answers to one task on a day, of one scanner or sender."""

    day: date
    name: str
    studies: int
    answered: int
    numbers: Spread | None
    """Of values or scores."""


@dataclass(frozen=True, kw_only=True)
class AnswersOfTask:
    """What became of one task over some days, of one model."""

    task_id: str
    model: str
    label: str
    """How far the model may be trusted: what models of different labels say is never added up."""
    verdicts: dict[str, int]
    """By `db.results.runs.Verdict`."""
    reasons: dict[str, int]
    """Of ABSTAINED ones, by the name of a `config.reasons.ReasonKind`; `OTHER` for a text alone."""

    @property
    def studies(self) -> int:
        """That were asked."""
        return sum(self.verdicts.values())

    @property
    def abstained(self) -> float:
        """0 to 1: of all."""
        return self.verdicts.get(Verdict.ABSTAINED, 0) / self.studies

    @property
    def prevalence(self) -> float | None:
        """0 to 1: PRESENT, of PRESENT and ABSENT, as the model sees it; None where nothing was answered so."""
        present = self.verdicts.get(Verdict.PRESENT, 0)
        answered = present + self.verdicts.get(Verdict.ABSENT, 0)
        return present / answered if answered else None


def turnaround(session: Session, days: Days) -> list[TurnaroundOfDay]:
    """Each of these days, those without studies as well."""
    found: dict[date, list[tuple[float | None, float | None, int]]] = defaultdict(list)
    for at, ready_at, reported_at, delivered_at, failed in session.execute(_times_of_studies(days)):
        found[at.date()].append((_seconds(ready_at, reported_at), _seconds(at, delivered_at), failed))
    return [
        TurnaroundOfDay(
            day=day,
            studies=len(found[day]),
            delivered=sum(total_s is not None for _, total_s, _ in found[day]),
            processing_s=Spread.of(seconds for seconds, _, _ in found[day] if seconds is not None),
            total_s=Spread.of(seconds for _, seconds, _ in found[day] if seconds is not None),
            failed_attempts=sum(failed for _, _, failed in found[day]),
        )
        for day in days.each
    ]


def _times_of_studies(days: Days) -> Select[*tuple[Any, ...]]:
    """As v_turnaround has them. It sums over the journal of all studies before a range narrows it: here the studies of
    the range are chosen first, by an index, and the journal is read of these alone."""
    entry = JournalEntry
    is_again = entry.attempt.is_not(None) & (entry.state_after == entry.state_before)
    has_failed = entry.step.is_not(None) & (is_again | (entry.state_after == StudyState.FAILED))
    came = (StudyState.READY, StudyState.REPORTED, StudyState.DELIVERED)
    first = [func.min(case((entry.state_after == state, entry.at)), type_=UTCDateTime()) for state in came]
    return (
        select(Study.last_instance_at, *first, func.sum(case((has_failed, 1), else_=0)))
        .join(entry, (entry.study_id == Study.id) & (entry.revision == Study.revision))
        .where(days.holds(Study.last_instance_at.expression), Study.state != StudyState.RECEIVING, ~is_a_canary())
        .group_by(Study.id, Study.last_instance_at)
    )


def _seconds(earlier: datetime | None, later: datetime | None) -> float | None:
    """To the millisecond, as the views."""
    return None if earlier is None or later is None else round((later - earlier).total_seconds(), 3)


def daily_answers(
    session: Session, scorer: WatchedScorer, task_id: str, days: Days, *, by_sender: bool
) -> list[AnswersOfDay]:
    """The current answers of one scorer to one task, by day and scanner, or by day and sender."""
    number = func.coalesce(ResultRow.value, ResultRow.score)
    sender = select(Instance.calling_ae_title).where(Instance.study_id == Study.id).order_by(Instance.id).limit(1)
    parts: Sequence[ColumnElement[str | None]] = (
        [sender.scalar_subquery()]
        if by_sender
        else [StudyDevice.manufacturer.expression, StudyDevice.model.expression, StudyDevice.station.expression]
    )
    rows = (
        select(Study.created_at, ResultRow.verdict, number, *parts)
        .join(CurrentRun, CurrentRun.study_id == Study.id)
        .join(RunRow, RunRow.id == CurrentRun.run_id)
        .join(ResultRow, ResultRow.run_id == RunRow.id)
        .outerjoin(StudyDevice, StudyDevice.study_id == Study.id)
        .where(days.holds(Study.created_at.expression), ~is_a_canary())
        .where(ResultRow.task_id == task_id, is_of(scorer))
    )
    found: dict[tuple[date, str], list[float | None]] = defaultdict(list)
    for came_at, verdict, value, *named in session.execute(rows):
        name = " ".join(part for part in named if part) or UNNAMED
        found[came_at.date(), name].append(None if verdict == Verdict.ABSTAINED else value)
    return [
        AnswersOfDay(
            day=day,
            name=name,
            studies=len(values),
            answered=sum(value is not None for value in values),
            numbers=Spread.of(value for value in values if value is not None),
        )
        for (day, name), values in sorted(found.items())
    ]


def answers_of_tasks(session: Session, days: Days) -> list[AnswersOfTask]:
    """What became of every task in the current results of the studies that came on these days."""
    model = RunRow.model_name + " " + RunRow.model_version
    kind = func.coalesce(ResultRow.reason_terms["kind"].as_string(), "OTHER")
    asked = (
        select(ResultRow.task_id, model.label("model"), RunRow.model_label, ResultRow.verdict, kind.label("kind"))
        .join(RunRow, RunRow.id == ResultRow.run_id)
        .join(CurrentRun, CurrentRun.run_id == RunRow.id)
        .join(Study, Study.id == CurrentRun.study_id)
        .where(days.holds(Study.created_at.expression), ~is_a_canary())
        .subquery()
    )
    found: dict[tuple[str, str, str], tuple[dict[str, int], dict[str, int]]] = defaultdict(lambda: ({}, {}))
    for name, label, task_id, verdict, why, count in session.execute(
        select(
            asked.c.model, asked.c.model_label, asked.c.task_id, asked.c.verdict, asked.c.kind, func.count()
        ).group_by(asked.c.model, asked.c.model_label, asked.c.task_id, asked.c.verdict, asked.c.kind)
    ):
        verdicts, reasons = found[name, label, task_id]
        verdicts[verdict] = verdicts.get(verdict, 0) + count
        if verdict == Verdict.ABSTAINED:
            reasons[why] = reasons.get(why, 0) + count
    return [
        AnswersOfTask(task_id=task_id, model=name, label=label, verdicts=verdicts, reasons=reasons)
        for (name, label, task_id), (verdicts, reasons) in sorted(found.items())
    ]
