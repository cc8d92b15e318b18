"""Putting due work on the broker: after a step, when a study falls quiet, and by the reaper, all the same way."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from celery import Celery
from sqlalchemy import ColumnElement, Select, exists, or_, select, union_all, update
from sqlalchemy.orm import Session

from config.broker import enqueue, enqueue_for_peer, queues_with_room
from config.settings import Settings
from config.steps import PEER_QUEUES, Purpose, Step
from db.delivery.delivering import take_delivery_announcements
from db.delivery.forwards import take_forward_announcements
from db.delivery.queues import forget_queue_announcements
from db.session import Database
from db.states import LEASED_STEPS, STEP_DUE_IN, StudyState
from db.tables.studies import Study
from db.working.leases import is_due, note_lost, release

ANNOUNCED_AT_ONCE = 1000
"""However many wait: nobody locks them all. The reaper announces the next ones, as long as the broker has room."""


def announce_due_steps(database: Database, broker: Celery, settings: Settings, *, study_id: int | None = None) -> int:
    """Announce every due step that no message is known for, of one study or of all; how many were announced.

    A message that cannot be sent, or that a broker loses, is announced again later: the registry is the truth. So is
    what its queue has no room for, as nobody is there to take it; of one study, whose step was just done, the broker
    is not asked: it is announced so once, and not again and again.
    """
    now, wake_again_after_s = datetime.now(UTC), settings.pipeline.wake_again_after_s
    steps: Collection[Step] = LEASED_STEPS
    if study_id is None:
        with database.read() as session:
            waiting = _steps_to_announce(session, now=now, wake_again_after_s=wake_again_after_s)
        steps = [Step(queue) for queue in queues_with_room(broker, waiting)]
    if not steps:
        return 0
    with database.write() as session:
        due = take_announcements(
            session, now=now, wake_again_after_s=wake_again_after_s, study_id=study_id, steps=steps
        )
    for sent, (number, step) in enumerate(due):
        if not enqueue(broker, step, number):
            # The broker is away, and each message would wait for it as long: the others wait in the registry.
            with database.write() as session:
                forget_announcements(session, [number for number, _ in due[sent:]])
            return sent
    return len(due)


def take_announcements(
    session: Session,
    *,
    now: datetime,
    wake_again_after_s: float,
    study_id: int | None = None,
    steps: Collection[Step] = LEASED_STEPS,
) -> list[tuple[int, Step]]:
    """Those of these steps that wait unannounced, or whose announcement or lease ran out; marked as announced now."""
    reasons = _reasons(now, wake_again_after_s)
    of_one = () if study_id is None else (Study.id == study_id,)
    # Each step and each reason has an index: a pass reads what it announces, and not all that waits.
    chosen = union_all(*(_first(is_due(step, now), why, *of_one) for step in steps for why in reasons))
    # What the chosen rows were chosen for is asked once more of them as they are when they are locked.
    still = or_(*(is_due(step, now) for step in steps)) & or_(*reasons)
    query = select(Study).where(Study.id.in_(chosen), still).order_by(Study.lane, Study.id).limit(ANNOUNCED_AT_ONCE)
    announced = []
    for study in session.scalars(query.with_for_update(skip_locked=True)):
        step = STEP_DUE_IN[StudyState(study.state)]
        note_lost(session, study, step, now=now)
        study.announced_at = now
        release(study)
        announced.append((study.id, step))
    return announced


def forget_announcements(session: Session, study_ids: Sequence[int]) -> None:
    """These announcements could not be sent: the studies are announced again at the next occasion."""
    session.execute(update(Study).where(Study.id.in_(study_ids)).values(announced_at=None))


def announce_due_forwards(database: Database, broker: Celery, settings: Settings) -> int:
    """Announce every peer that instances wait for and no message is known for; how many were announced."""
    return _announce_peers(database, broker, settings, Purpose.FORWARD, take_forward_announcements)


def announce_due_deliveries(
    database: Database, broker: Celery, settings: Settings, *, study_id: int | None = None
) -> int:
    """Announce every destination that results, of one study or of all, wait for and no message is known for; how many
    were announced.
    """
    take = partial(take_delivery_announcements, study_id=study_id)
    return _announce_peers(database, broker, settings, Purpose.DELIVER, take)


def _steps_to_announce(session: Session, *, now: datetime, wake_again_after_s: float) -> list[Step]:
    """The steps that `take_announcements` would find something for."""
    reasons = _reasons(now, wake_again_after_s)
    return [
        step
        for step in LEASED_STEPS
        # One by one, as each has an index.
        if any(session.scalar(select(exists().where(is_due(step, now), why))) for why in reasons)
    ]


def _reasons(now: datetime, wake_again_after_s: float) -> tuple[ColumnElement[bool], ...]:
    """Why a step is announced."""
    stale = now - timedelta(seconds=wake_again_after_s)
    return Study.announced_at.is_(None), Study.announced_at < stale, Study.lease_expires_at < now


def _first(*conditions: ColumnElement[bool]) -> Select[tuple[int]]:
    """The numbers of those studies that go first."""
    first = select(Study.id).where(*conditions).order_by(Study.lane, Study.id).limit(ANNOUNCED_AT_ONCE).subquery()
    return select(first.c.id)


def _announce_peers(
    database: Database, broker: Celery, settings: Settings, purpose: Purpose, take: Callable[..., list[str]]
) -> int:
    with database.write() as session:
        peers = take(session, now=datetime.now(UTC), wake_again_after_s=settings.pipeline.wake_again_after_s)
    has_room = bool(queues_with_room(broker, [PEER_QUEUES[purpose]] if peers else []))
    for sent, peer in enumerate(peers):
        if not has_room or not enqueue_for_peer(broker, purpose, peer):
            with database.write() as session:
                forget_queue_announcements(session, purpose, peers[sent:])
            return sent
    return len(peers)
