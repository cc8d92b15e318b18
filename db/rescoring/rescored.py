"""What batches of re-scoring have written: runs beside the current ones, how far they are, and answers to compare."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, insert, or_, select
from sqlalchemy.orm import Session

from config.errors import NotFoundError
from db.rescoring.outdated import is_at_rest
from db.results.run_rows import result_columns, run_columns
from db.results.runs import Run
from db.states import STILL_TO_ANSWER, BatchKind, RescoredState
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.runs import CurrentRun, ResultRow, RunRow
from db.tables.studies import Study


@dataclass(frozen=True, kw_only=True)
class DueStudy:
    """A study of a batch that is to be answered, or adopted, as it is now."""

    study_id: int
    study_instance_uid: str
    revision: int
    is_at_rest: bool
    """Of the revision that its current run is of, with nothing to be made of it."""
    current_run_id: int | None
    before_run_id: int | None
    """What was current when it was answered anew."""
    run_id: int | None
    """Its new run."""
    answers_changed: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """As much of a result as is compared."""

    task_id: str
    verdict: str
    value: float | None
    score: float | None
    outcome: str | None
    method: str | None


_ANSWER = ("task_id", "verdict", "value", "score", "outcome", "method")
_JSON = ("reason_terms", "clips")


def append_runs_beside(session: Session, runs: Sequence[tuple[int, Run]], units: Mapping[str, str]) -> list[int]:
    """Append runs with their results, each with the number of its study; what is current stays so. Their ids, in order.

    On PostgreSQL the results go by COPY; nowhere is an object made for a row.
    """
    if not runs:
        return []
    columns = [run_columns(run, study_id=study_id) for study_id, run in runs]
    made = session.connection().execute(insert(RunRow).returning(RunRow.id, sort_by_parameter_order=True), columns)
    ids = list(made.scalars())
    rows = [
        {"run_id": run_id, **result_columns(result, units)}
        for run_id, (_, run) in zip(ids, runs, strict=True)
        for result in run.results
    ]
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, rows)
    elif rows:
        session.connection().execute(insert(ResultRow), rows)
    return ids


def _copy(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    names = tuple(rows[0])
    raw: Any = session.connection().connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY results ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            for name in _JSON:
                if row[name] is not None:
                    row[name] = json.dumps(row[name])
            copy.write_row(tuple(row.values()))


def due_studies(
    session: Session, batch_id: int, state: RescoredState, *, limit: int, canary_alone: bool = False, after: int = 0
) -> list[DueStudy]:
    """Studies of a batch in this state, in the order of their numbers; those after this number."""
    rests = (is_at_rest() & (RunRow.revision == Study.revision)).label("rests")
    query = (
        select(RescoredStudy.__table__, Study.study_instance_uid, Study.revision, CurrentRun.run_id.label("now"), rests)
        .join(Study, Study.id == RescoredStudy.study_id)
        .outerjoin(CurrentRun, CurrentRun.study_id == Study.id)
        .outerjoin(RunRow, RunRow.id == CurrentRun.run_id)
        .where(RescoredStudy.rescoring_id == batch_id, RescoredStudy.state == state, RescoredStudy.study_id > after)
    )
    if canary_alone:
        query = query.where(RescoredStudy.is_canary)
    rows = session.execute(query.order_by(RescoredStudy.study_id).limit(limit))
    return [
        DueStudy(
            study_id=row.study_id,
            study_instance_uid=row.study_instance_uid,
            revision=row.revision,
            is_at_rest=bool(row.rests),
            current_run_id=row.now,
            before_run_id=row.before_run_id,
            run_id=row.run_id,
            answers_changed=row.answers_changed,
        )
        for row in rows
    ]


def answers_of(session: Session, run_ids: Sequence[int]) -> dict[int, dict[str, Answer]]:
    """The answers of runs, by run and task."""
    columns = [ResultRow.__table__.c[name] for name in _ANSWER]
    found: dict[int, dict[str, Answer]] = {run_id: {} for run_id in run_ids}
    for run_id, *facts in session.execute(
        select(ResultRow.__table__.c.run_id, *columns).where(ResultRow.run_id.in_(run_ids))
    ):
        answer = Answer(*facts)
        found[run_id][answer.task_id] = answer
    return found


def pairs_of(
    session: Session, batch_id: int, *, at_once: int = 200
) -> Iterator[tuple[dict[str, Answer], dict[str, Answer]]]:
    """Of each study that a batch has answered the answers before, and the new ones, by task."""
    has_both = RescoredStudy.run_id.is_not(None) & RescoredStudy.before_run_id.is_not(None)
    query = select(RescoredStudy.study_id, RescoredStudy.before_run_id, RescoredStudy.run_id).where(
        RescoredStudy.rescoring_id == batch_id, has_both
    )
    after = 0
    while True:
        next_ones = query.where(RescoredStudy.study_id > after).order_by(RescoredStudy.study_id).limit(at_once)
        rows = session.execute(next_ones).all()
        if not rows:
            return
        after = rows[-1].study_id
        answers = answers_of(session, [run_id for row in rows for run_id in (row.before_run_id, row.run_id)])
        yield from ((answers[row.before_run_id], answers[row.run_id]) for row in rows)


def outcomes_of(session: Session, batch_id: int) -> dict[str, int]:
    """How many studies of a batch are in each state."""
    rows = session.execute(
        select(RescoredStudy.state, func.count())
        .where(RescoredStudy.rescoring_id == batch_id)
        .group_by(RescoredStudy.state)
    )
    return dict(rows.all())


def progress_in(outcomes: Mapping[str, int]) -> tuple[int, int]:
    """How many studies of a batch are done, and how many there are."""
    total = sum(outcomes.values())
    return total - sum(outcomes.get(state, 0) for state in STILL_TO_ANSWER), total


def outcomes_of_all(session: Session, batch_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many studies of each of these batches are in each state."""
    of, found = RescoredStudy, {batch_id: dict[str, int]() for batch_id in batch_ids}
    counts = select(of.rescoring_id, of.state, func.count()).where(of.rescoring_id.in_(batch_ids))
    for batch_id, state, count in session.execute(counts.group_by(of.rescoring_id, of.state)):
        found[batch_id][state] = count
    return found


def last_agreement(session: Session) -> Rescoring | None:
    """The last shadow that says how far it agrees with the model that scores; None where none has."""
    told = (Rescoring.kind == BatchKind.SHADOW) & Rescoring.report.is_not(None)
    return session.scalar(select(Rescoring).where(told).order_by(Rescoring.id.desc()).limit(1))


def has_due(session: Session, batch_id: int, state: RescoredState, *, canary_alone: bool = False) -> bool:
    """Whether any study of a batch is in this state."""
    query = select(RescoredStudy.study_id).where(RescoredStudy.rescoring_id == batch_id, RescoredStudy.state == state)
    if canary_alone:
        query = query.where(RescoredStudy.is_canary)
    return session.scalar(query.limit(1)) is not None


def batches(session: Session, *, limit: int = 20) -> list[Rescoring]:
    """The last batches, the newest first."""
    return list(session.scalars(select(Rescoring).order_by(Rescoring.id.desc()).limit(limit)))


def batch_of(session: Session, batch_id: int) -> Rescoring:
    """One batch.

    Raises
    ------
    NotFoundError
        There is none of this number.
    """
    batch = session.get(Rescoring, batch_id)
    if batch is None:
        raise NotFoundError(f"there is no re-scoring {batch_id}: echoworker rescore status lists them")
    return batch


def reasons_of(session: Session, batch_id: int, *, limit: int = 5) -> list[tuple[str, str, int]]:
    """Of studies without a new current run: their state, why, and how many; the commonest first."""
    has_reason = (RescoredStudy.rescoring_id == batch_id) & RescoredStudy.reason.is_not(None)
    count = func.count()
    query = select(RescoredStudy.state, RescoredStudy.reason, count).where(has_reason)
    rows = session.execute(
        query.group_by(RescoredStudy.state, RescoredStudy.reason).order_by(count.desc()).limit(limit)
    )
    return [(state, reason or "", number) for state, reason, number in rows]


def counts_since(session: Session, run: Run) -> datetime:
    """When a run became its study's current one: as it ended, or when it was adopted. It never changes after that."""
    of_run = select(func.max(RescoredStudy.adopted_at)).join(RunRow, RunRow.id == RescoredStudy.run_id)
    adopted_at = session.scalar(of_run.where(RunRow.run_uid == run.run_uid))
    return run.finished_at if adopted_at is None else max(run.finished_at, adopted_at)


def has_counted(run: Any, until: datetime) -> ColumnElement[bool]:
    """That a run, `RunRow` or an alias of it, was its study's current one by then, and not only beside it."""
    beside = or_(RescoredStudy.adopted_at.is_(None), RescoredStudy.adopted_at > until)
    return ~exists().where(RescoredStudy.run_id == run.id, beside)
