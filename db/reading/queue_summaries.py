"""How the queues are doing, for people: what waits, what runs, since when, and who has paused what."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, or_, select
from sqlalchemy.orm import Session

from config.steps import PEER_QUEUES, RESCORE_QUEUE, Lane, Purpose, Step
from db.delivery.deliveries import of_current_runs
from db.delivery.queues import is_worked_on, queues_of
from db.rescoring.batches import WORKED_ON
from db.states import LEASED_STEPS, TRANSITIONS, DeliveryState
from db.tables.deliveries import Delivery, Report
from db.tables.peers import Forward
from db.tables.pipeline import QueuePause
from db.tables.rescoring import Rescoring
from db.tables.studies import Instance, Study
from db.working.pauses import open_pauses


@dataclass(frozen=True, kw_only=True)
class QueueSummary:
    """How one queue is doing.

    Of steps, studies are counted; of deliver and forward, objects, and peers sent to; of rescore, batches. The last is
    left out while there is nothing to say of it.
    """

    queue: str
    waiting: int
    """Due now, with nobody at work on them."""
    stat: int
    """Of those, in the lane ahead of the others."""
    later: int
    """To be tried again once a pause is over."""
    running: int
    oldest: datetime | None
    """Since when the one that has waited longest waits."""
    pauses: tuple[QueuePause, ...]


def queue_summaries(session: Session, *, now: datetime) -> list[QueueSummary]:
    """Every queue that work goes through, in the order of the pipeline."""
    pauses: dict[str, list[QueuePause]] = {}
    for pause in open_pauses(session):
        pauses.setdefault(pause.queue, []).append(pause)
    steps = [_of_step(session, step, pauses.get(step, []), now) for step in LEASED_STEPS]
    peers = [_of_peers(session, purpose, pauses.get(PEER_QUEUES[purpose], []), now) for purpose in _DUE]
    rescoring = _of_rescoring(session, pauses.get(RESCORE_QUEUE, []), now)
    return [*steps, *peers, *([rescoring] if rescoring.pauses or rescoring.waiting or rescoring.running else [])]


def _of_rescoring(session: Session, pauses: list[QueuePause], now: datetime) -> QueueSummary:
    rows = session.execute(
        select(Rescoring.state_since, Rescoring.lease_expires_at).where(
            Rescoring.state.in_(WORKED_ON), Rescoring.paused.is_(False)
        )
    ).all()
    waiting = [row.state_since for row in rows if row.lease_expires_at is None or row.lease_expires_at < now]
    return QueueSummary(
        queue=RESCORE_QUEUE,
        waiting=len(waiting),
        stat=0,
        later=0,
        running=len(rows) - len(waiting),
        oldest=min(waiting, default=None),
        pauses=tuple(pauses),
    )


def _of_step(session: Session, step: Step, pauses: list[QueuePause], now: datetime) -> QueueSummary:
    here, stat = Study.state == TRANSITIONS[step].before, Study.lane == Lane.STAT
    running, later = Study.lease_expires_at >= now, Study.next_attempt_at > now
    not_running = or_(Study.lease_expires_at.is_(None), Study.lease_expires_at < now)
    waiting = not_running & or_(Study.next_attempt_at.is_(None), Study.next_attempt_at <= now)
    # All, less those that do not wait: an index counts each, however many wait. In one statement, of one moment.
    asked: tuple[ScalarSelect[Any], ...] = (
        *(_how_many(here, *lane) for lane in ((), (stat,))),
        *(_how_many(here, or_(running, later), *lane) for lane in ((), (stat,))),
        _how_many(here, running),
        _how_many(here, later, not_running),
        *oldest_by_lane(step, waiting),
    )
    count, of_stat, busy, busy_of_stat, at_work, tried_later, *oldest = session.execute(select(*asked)).one()
    return QueueSummary(
        queue=step,
        waiting=count - busy,
        stat=of_stat - busy_of_stat,
        later=tried_later,
        running=at_work,
        oldest=min((at for at in oldest if at is not None), default=None),
        pauses=tuple(pauses),
    )


def _how_many(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(Study).where(*conditions).scalar_subquery()


def oldest_by_lane(step: Step, *conditions: ColumnElement[bool]) -> list[ScalarSelect[datetime]]:
    """Since when the oldest study is before this step, lane by lane: each is the first of an index, where one question
    of all lanes would read all that waits."""
    here = (Study.state == TRANSITIONS[step].before, *conditions)
    first = select(Study.state_since).order_by(Study.state_since).limit(1)
    return [first.where(*here, Study.lane == lane).scalar_subquery() for lane in Lane]


_DELIVERIES = of_current_runs().join(Study, Study.id == Report.study_id).where(Delivery.state == DeliveryState.DUE)
_FORWARDS = select().select_from(Forward).join(Instance).join(Instance.study).where(Forward.state == DeliveryState.DUE)
_DUE = {
    Purpose.DELIVER: (_DELIVERIES, Delivery.next_attempt_at, Report.created_at),
    Purpose.FORWARD: (_FORWARDS, Forward.next_attempt_at, Instance.received_at),
}
"""For each purpose: what is due, when it is tried again, and since when it waits."""


def _of_peers(session: Session, purpose: Purpose, pauses: list[QueuePause], now: datetime) -> QueueSummary:
    due, again_at, since = _DUE[purpose]
    waiting = or_(again_at.is_(None), again_at <= now)
    counts = due.with_only_columns(
        func.count(case((waiting, 1))),
        func.count(case((and_(waiting, Study.lane == Lane.STAT), 1))),
        func.count(case((~waiting, 1))),
        func.min(case((waiting, since))),
        maintain_column_froms=True,
    )
    count, stat, tried_later, oldest = session.execute(counts).one()
    return QueueSummary(
        queue=PEER_QUEUES[purpose],
        waiting=count,
        stat=stat,
        later=tried_later,
        running=sum(is_worked_on(row, now) for row in queues_of(session, purpose).values()),
        oldest=oldest,
        pauses=tuple(pauses),
    )
