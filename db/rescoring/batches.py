"""The life of a batch of re-scoring: it is made, worked on under a lease, stops, and is adopted or discarded.

SAMPLING ──canary answered──> CANARY ──continue──> RUNNING ──all answered──> SCORED ──adopt──> ADOPTING ──> ADOPTED
every state but the last ──discard──> DISCARDED

What is written of a study, and that it is written, are one transaction under the lease of the batch: whoever is killed
leaves studies that are DUE and studies that are done, and nothing between.
"""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from config.errors import LeaseLostError, NotFoundError, RegistryError
from config.sections.pipeline import PipelineSettings
from db.rescoring.outdated import Target, Wanted, is_any_outdated, studies_to_answer
from db.states import BatchKind, BatchState, RescoredState
from db.tables.rescoring import RescoredStudy, Rescoring

WORKED_ON = (BatchState.SAMPLING, BatchState.RUNNING, BatchState.ADOPTING)
"""Somebody, or the next window, goes on with these; the others wait for a person, or are over."""
OVER = (BatchState.ADOPTED, BatchState.DISCARDED)

_PAUSED, _RESUMED, _CONTINUED, _ADOPTED = "paused by", "resumed by", "continued by", "adopted by"
"""How it is said of a batch that somebody has done this; who, comes behind."""

NOT_COME_BACK = "whoever read its pixels did not come back: it may be what that worker ended of"


@dataclass(frozen=True, kw_only=True)
class BatchClaim:
    """The right to work on one batch."""

    batch_id: int
    token: str


def create_batch(session: Session, target: Target, wanted: Wanted, *, started_by: str, now: datetime) -> int | None:
    """Make a batch of all studies that are to be answered anew; None where there are none.

    `wanted.canary` of them, chosen at random, come first.
    """
    if not is_any_outdated(session, target, wanted):
        return None
    batch = Rescoring(
        kind=wanted.kind,
        state=BatchState.RUNNING,
        paused=False,
        started_by=started_by,
        created_at=now,
        state_since=now,
        task_ids=list(wanted.task_ids) or None,
        since=wanted.since,
        **vars(target),
    )
    session.add(batch)
    session.flush()
    chosen = studies_to_answer(target, wanted).subquery()
    columns = ["rescoring_id", "study_id", "before_run_id", "state", "is_canary"]
    rows = select(literal(batch.id), chosen.c.id, chosen.c.run_id, literal(str(RescoredState.DUE)), literal(False))
    session.execute(insert(RescoredStudy).from_select(columns, rows))
    if wanted.canary:
        of_batch = RescoredStudy.rescoring_id == batch.id
        every = session.scalars(select(RescoredStudy.study_id).where(of_batch)).all()
        if len(every) > wanted.canary:
            sample = random.sample(every, wanted.canary)
            mark = update(RescoredStudy).where(
                RescoredStudy.rescoring_id == batch.id, RescoredStudy.study_id == bindparam("of_study")
            )
            session.connection().execute(mark.values(is_canary=True), [{"of_study": number} for number in sample])
            batch.state = BatchState.SAMPLING
    return batch.id


def claim_batch(
    session: Session, *, now: datetime, pipeline: PipelineSettings, batch_id: int | None = None
) -> BatchClaim | None:
    """Take a batch that is to be worked on and that nobody has: this one, or the oldest; None where there is none.

    A study whose reader did not come back is read again, as a step is tried again; after `pipeline.maximum_attempts` of
    them it is FAILED.
    """
    free = or_(Rescoring.lease_expires_at.is_(None), Rescoring.lease_expires_at < now)
    query = select(Rescoring).where(Rescoring.state.in_(WORKED_ON), Rescoring.paused.is_(False), free)
    if batch_id is not None:
        query = query.where(Rescoring.id == batch_id)
    batch = session.scalar(query.order_by(Rescoring.id).limit(1).with_for_update(skip_locked=True))
    if batch is None:
        return None
    _take_back(session, batch.id, maximum_attempts=pipeline.maximum_attempts)
    batch.lease_token = str(uuid.uuid4())
    batch.lease_expires_at = now + timedelta(seconds=pipeline.lease_s)
    return BatchClaim(batch_id=batch.id, token=batch.lease_token)


def _take_back(session: Session, batch_id: int, *, maximum_attempts: int) -> None:
    lost = (RescoredStudy.rescoring_id == batch_id) & (RescoredStudy.state == RescoredState.READING)
    times = RescoredStudy.readings_lost + 1
    state = case((times >= maximum_attempts, RescoredState.FAILED), else_=RescoredState.DUE)
    session.execute(update(RescoredStudy).where(lost).values(state=state, readings_lost=times, reason=NOT_COME_BACK))


def renew_batch(session: Session, held: BatchClaim, *, now: datetime, lease_s: float) -> bool:
    """Hold a claim for another `lease_s`; False when it has passed to somebody else."""
    batch = _held(session, held)
    if batch is None:
        return False
    batch.lease_expires_at = now + timedelta(seconds=lease_s)
    return True


def release_batch(session: Session, held: BatchClaim) -> None:
    """Somebody else may go on with it."""
    batch = _held(session, held)
    if batch is not None:
        batch.lease_token = batch.lease_expires_at = None


def hold_batch(session: Session, held: BatchClaim) -> Rescoring:
    """The batch of a claim, locked until the end of the transaction.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    batch = _held(session, held)
    if batch is None:
        raise LeaseLostError(f"re-scoring {held.batch_id}: the lease has passed on")
    return batch


def mark_reading(session: Session, held: BatchClaim, study_id: int, state: RescoredState) -> None:
    """Write that a study's pixels are being read, or, by DUE, that this is over and nobody died of it.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    hold_batch(session, held)
    of_study = (RescoredStudy.rescoring_id == held.batch_id) & (RescoredStudy.study_id == study_id)
    session.execute(update(RescoredStudy).where(of_study).values(state=state))


def record_outcomes(session: Session, held: BatchClaim, outcomes: Sequence[dict[str, Any]]) -> None:
    """Write what became of studies: columns of `RescoredStudy` by name, with `study_id`; all with the same columns."""
    if not outcomes:
        return
    of_study = update(RescoredStudy).where(
        RescoredStudy.rescoring_id == held.batch_id, RescoredStudy.study_id == bindparam("of_study")
    )
    # The names in the rows say which columns are set.
    rows = [{"of_study": outcome["study_id"], **outcome} for outcome in outcomes]
    for row in rows:
        del row["study_id"]
    session.connection().execute(of_study, rows)


def move_batch(batch: Rescoring, state: BatchState, *, now: datetime, reason: str | None = None) -> None:
    """Set a (locked) batch to a state."""
    batch.state = state
    batch.state_since = now
    batch.reason = reason


def set_paused(session: Session, batch_id: int, *, paused: bool, by: str) -> None:
    """Whoever works on it stops at the end of the portion that it is in; or it may be gone on with.

    `by`: who says so, which is kept with why it came to its state or stood still, until it comes to another state.

    Raises
    ------
    RegistryError
        There is no such batch, or it is over.
    """
    batch = batch_to_change(session, batch_id)
    batch.paused = paused
    said = f"{_PAUSED if paused else _RESUMED} {by}"
    batch.reason = f"{batch.reason}; {said}" if batch.reason else said


def stands_still(batch: Rescoring) -> bool:
    """Whether its reason says why nobody goes on with it, and not that somebody has had it gone on with."""
    last = (batch.reason or "").rpartition("; ")[2]
    return bool(last) and (batch.paused or not last.startswith((_RESUMED, _CONTINUED, _ADOPTED)))


def forget_trouble(batch: Rescoring) -> None:
    """A (locked) batch is gone on with: what it stood still for has passed."""
    if not batch.paused and stands_still(batch):
        batch.reason = None


def go_on_after_canary(session: Session, batch_id: int, *, now: datetime, by: str = "") -> None:
    """Have all other studies answered, too; `by`: who says so.

    Raises
    ------
    RegistryError
        There is no such batch, or it does not wait for this.
    """
    batch = batch_to_change(session, batch_id)
    if batch.state != BatchState.CANARY:
        raise RegistryError(f"re-scoring {batch_id} is {batch.state}: only one that is CANARY waits to be continued")
    move_batch(batch, BatchState.RUNNING, now=now, reason=f"{_CONTINUED} {by}" if by else None)


def decide_to_adopt(session: Session, batch_id: int, *, now: datetime, by: str = "") -> None:
    """Have the new answers become the current ones; of a batch that was adopted, those that were left then.

    `by`: who says so.

    Raises
    ------
    RegistryError
        There is no such batch, it is a shadow, or its studies are not all answered yet.
    """
    batch = _required(session, batch_id)
    if batch.kind == BatchKind.SHADOW:
        raise RegistryError(f"re-scoring {batch_id} is a shadow: what it says never becomes current")
    if batch.state not in (BatchState.SCORED, BatchState.ADOPTING, BatchState.ADOPTED):
        raise RegistryError(f"re-scoring {batch_id} is {batch.state}: it can be adopted once it is SCORED")
    left = (RescoredStudy.rescoring_id == batch_id) & (RescoredStudy.state == RescoredState.LEFT)
    session.execute(update(RescoredStudy).where(left).values(state=RescoredState.SCORED, reason=None))
    move_batch(batch, BatchState.ADOPTING, now=now, reason=f"{_ADOPTED} {by}" if by else None)


def discard(session: Session, batch_id: int, *, now: datetime, reason: str) -> None:
    """Leave it be: its runs stay, and never become current; its studies may be in another batch.

    Raises
    ------
    RegistryError
        There is no such batch, or it is over.
    """
    move_batch(batch_to_change(session, batch_id), BatchState.DISCARDED, now=now, reason=reason)


def batch_to_change(session: Session, batch_id: int) -> Rescoring:
    """A batch that is not over, locked.

    Raises
    ------
    RegistryError
        There is no such batch, or it is over.
    """
    batch = _required(session, batch_id)
    if batch.state in OVER:
        raise RegistryError(f"re-scoring {batch_id} is {batch.state}: nothing about it changes any more")
    return batch


def _required(session: Session, batch_id: int) -> Rescoring:
    batch = session.get(Rescoring, batch_id, with_for_update=True)
    if batch is None:
        raise NotFoundError(f"there is no re-scoring {batch_id}: echoworker rescore status lists them")
    return batch


def _held(session: Session, held: BatchClaim) -> Rescoring | None:
    mine = select(Rescoring).where(Rescoring.id == held.batch_id, Rescoring.lease_token == held.token)
    return session.scalar(mine.with_for_update())
