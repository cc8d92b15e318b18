"""Received instances on their way to other peers: what is due for which peer, and what the peer answered.

Each peer has a queue (db.delivery.queues). An instance has attempts of its own, which only answers to it use up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from config.sections.pipeline import PipelineSettings
from config.steps import Purpose
from db.delivery.queues import QueueClaim, ask_at_once, hold_queue, queues_of, take_queue_announcements
from db.inserting import insert_if_new
from db.states import DeliveryState
from db.tables.peers import Forward
from db.tables.studies import Instance, Study


@dataclass(frozen=True, kw_only=True)
class DueForward:
    """An instance that a peer is to get."""

    forward_id: int
    study_instance_uid: str
    sop_instance_uid: str
    spool_path: str
    calling_ae_title: str | None
    """Whom it came from."""


@dataclass(frozen=True, kw_only=True)
class ForwardSummary:
    """How much is on its way to one peer."""

    peer: str
    due: int
    delivered: int
    cancelled: int
    next_attempt_at: datetime | None
    """When a peer that is out of reach is asked again."""
    last_answer: str | None
    """Why it is out of reach, or what it answered to what it has not taken."""


def add_forwards(session: Session, *, study_id: int, sop_instance_uid: str, peers: Iterable[str]) -> None:
    """Make a registered instance due for these peers, but for those that it is on its way to already."""
    of_study = select(Instance.id).where(Instance.study_id == study_id, Instance.sop_instance_uid == sop_instance_uid)
    instance_id = session.scalars(of_study).one()
    for peer in peers:
        row = {"instance_id": instance_id, "peer": peer, "state": DeliveryState.DUE, "attempts": 0}
        insert_if_new(session, Forward, row)


def due_forwards(session: Session, peer: str, *, now: datetime, limit: int) -> list[DueForward]:
    """What the peer is to get now: STAT first, then what failed least often, so that none holds up the others."""
    rows = session.execute(
        select(Forward.id, Study.study_instance_uid, Instance)
        .join(Instance, Instance.id == Forward.instance_id)
        .join(Instance.study)
        .where(Forward.peer == peer, _due(now))
        .order_by(Study.lane, Forward.attempts, Forward.id)
        .limit(limit)
    )
    return [
        DueForward(
            forward_id=number,
            study_instance_uid=study,
            sop_instance_uid=instance.sop_instance_uid,
            spool_path=instance.spool_path,
            calling_ae_title=instance.calling_ae_title,
        )
        for number, study, instance in rows
    ]


def record_forward(
    session: Session,
    held: QueueClaim,
    forward_id: int,
    *,
    answer: str,
    accepted: bool,
    now: datetime,
    pipeline: PipelineSettings,
) -> None:
    """Note what the peer answered to one instance; after as many refusals as are allowed it is given up.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    hold_queue(session, held).attempts = 0  # it answers
    forward = session.get_one(Forward, forward_id)
    forward.attempts += 1
    forward.last_answer = answer
    if accepted:
        forward.state = DeliveryState.DELIVERED
        forward.delivered_at = now
    elif forward.attempts >= pipeline.maximum_delivery_attempts:
        forward.state = DeliveryState.CANCELLED
        forward.last_answer = f"given up after {forward.attempts} attempts: {answer}"
    else:
        forward.next_attempt_at = now + timedelta(seconds=pipeline.back_off_s(forward.attempts))


def cancel_forwards(session: Session, peer: str, *, reason: str, forward_ids: Sequence[int] | None = None) -> int:
    """Give up these, or all that the peer was still to get; how many."""
    chosen = and_(Forward.peer == peer, Forward.state == DeliveryState.DUE)
    if forward_ids is not None:
        chosen = and_(chosen, Forward.id.in_(forward_ids))
    cancelled = session.execute(
        update(Forward).where(chosen).values(state=DeliveryState.CANCELLED, last_answer=reason).returning(Forward.id)
    )
    return len(cancelled.all())


def forward_again(session: Session, peer: str) -> int:
    """Make all that was given up due once more, with fresh attempts, and ask the peer at once; how many these are."""
    # The peer first, as whoever sends to it does: the two wait for each other, and not in a circle.
    ask_at_once(session, Purpose.FORWARD, [peer])
    again = session.execute(
        update(Forward)
        .where(Forward.peer == peer, Forward.state == DeliveryState.CANCELLED)
        .values(state=DeliveryState.DUE, attempts=0, next_attempt_at=None)
        .returning(Forward.id)
    ).all()
    waiting = and_(Forward.peer == peer, Forward.state == DeliveryState.DUE)
    session.execute(update(Forward).where(waiting).values(next_attempt_at=None))
    return len(again)


def take_forward_announcements(session: Session, *, now: datetime, wake_again_after_s: float) -> list[str]:
    """The peers that something waits for unannounced, or whose announcement or lease ran out; marked as announced."""
    peers = session.scalars(select(Forward.peer).where(_due(now)).distinct()).all()
    return take_queue_announcements(session, Purpose.FORWARD, peers, now=now, wake_again_after_s=wake_again_after_s)


def forward_summaries(session: Session) -> list[ForwardSummary]:
    """How much is due, delivered and given up, for each peer."""
    counts: dict[str, dict[str, int]] = {}
    for peer, state, count in session.execute(
        select(Forward.peer, Forward.state, func.count()).group_by(Forward.peer, Forward.state).order_by(Forward.peer)
    ):
        counts.setdefault(peer, {})[state] = count
    peers = queues_of(session, Purpose.FORWARD)
    return [
        ForwardSummary(
            peer=peer,
            due=by_state.get(DeliveryState.DUE, 0),
            delivered=by_state.get(DeliveryState.DELIVERED, 0),
            cancelled=by_state.get(DeliveryState.CANCELLED, 0),
            next_attempt_at=peers[peer].next_attempt_at if peer in peers else None,
            last_answer=(peers[peer].last_answer if peer in peers else None) or _last_refusal(session, peer),
        )
        for peer, by_state in counts.items()
    ]


def _last_refusal(session: Session, peer: str) -> str | None:
    refused = and_(Forward.peer == peer, Forward.state != DeliveryState.DELIVERED, Forward.last_answer.is_not(None))
    return session.scalar(select(Forward.last_answer).where(refused).order_by(Forward.id.desc()).limit(1))


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(
        Forward.state == DeliveryState.DUE, or_(Forward.next_attempt_at.is_(None), Forward.next_attempt_at <= now)
    )
