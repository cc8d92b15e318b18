"""Received instances on their way to other peers: who sends to which peer, and what the peer answered.

The lease is the peer's: one association at a time goes to each, and one that is away is asked once for all that waits
for it, with growing pauses. An instance has attempts of its own, which only answers to it use up.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from config.errors import LeaseLostError
from config.settings import PipelineSettings
from db.inserting import insert_if_new
from db.schema import Instance
from db.schema_peers import Forward, ForwardPeer
from db.states import DeliveryState


@dataclass(frozen=True, kw_only=True)
class PeerClaim:
    """The right to forward to one peer."""

    peer: str
    token: str


@dataclass(frozen=True, kw_only=True)
class DueForward:
    """An instance that a peer is to get."""

    forward_id: int
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


def claim_peer(session: Session, peer: str, *, owner: str, now: datetime, lease_s: float) -> PeerClaim | None:
    """Take a peer that nobody sends to and that may be asked now; None otherwise."""
    row = session.scalar(
        select(ForwardPeer).where(ForwardPeer.peer == peer, _may_be_asked(now)).with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    row.lease_token = str(uuid.uuid4())
    row.lease_owner = owner
    row.lease_expires_at = now + timedelta(seconds=lease_s)
    return PeerClaim(peer=peer, token=row.lease_token)


def renew_peer(session: Session, held: PeerClaim, *, now: datetime, lease_s: float) -> bool:
    """Hold a peer for another `lease_s`; False when it has passed to somebody else."""
    row = _held(session, held)
    if row is None:
        return False
    row.lease_expires_at = now + timedelta(seconds=lease_s)
    return True


def release_peer(
    session: Session, held: PeerClaim, *, out_of_reach: str | None, now: datetime, pipeline: PipelineSettings
) -> None:
    """Let go of a peer. `out_of_reach` says why no more could be sent: then it is asked again after a pause.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    row = _must_hold(session, held)
    row.lease_token = row.lease_owner = None
    row.lease_expires_at = row.announced_at = row.next_attempt_at = None
    row.last_answer = out_of_reach
    row.attempts = row.attempts + 1 if out_of_reach else 0
    if out_of_reach:
        row.next_attempt_at = now + timedelta(seconds=pipeline.back_off_s(row.attempts))


def due_forwards(session: Session, peer: str, *, now: datetime, limit: int) -> list[DueForward]:
    """What the peer is to get now: what failed least often first, so that no instance holds up the others."""
    rows = session.execute(
        select(Forward.id, Instance.sop_instance_uid, Instance.spool_path, Instance.calling_ae_title)
        .join(Instance, Instance.id == Forward.instance_id)
        .where(Forward.peer == peer, _due(now))
        .order_by(Forward.attempts, Forward.id)
        .limit(limit)
    )
    return [
        DueForward(forward_id=number, sop_instance_uid=uid, spool_path=path, calling_ae_title=calling)
        for number, uid, path, calling in rows
    ]


def record_forward(
    session: Session,
    held: PeerClaim,
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
    _must_hold(session, held).attempts = 0  # it answers
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
    session.execute(update(ForwardPeer).where(ForwardPeer.peer == peer).values(next_attempt_at=None, announced_at=None))
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
    stale = now - timedelta(seconds=wake_again_after_s)
    unannounced = or_(
        ForwardPeer.announced_at.is_(None), ForwardPeer.announced_at < stale, ForwardPeer.lease_expires_at < now
    )
    announced = []
    # In the order of their names, as everybody locks peers: none waits for another in a circle.
    for peer in session.scalars(select(Forward.peer).where(_due(now)).distinct().order_by(Forward.peer)).all():
        insert_if_new(session, ForwardPeer, {"peer": peer, "attempts": 0})
        waiting = select(ForwardPeer).where(ForwardPeer.peer == peer, _may_be_asked(now), unannounced)
        row = session.scalar(waiting.with_for_update(skip_locked=True))
        if row is not None:
            row.announced_at = now
            row.lease_token = row.lease_owner = row.lease_expires_at = None
            announced.append(peer)
    return announced


def forget_forward_announcements(session: Session, peers: Sequence[str]) -> None:
    """These announcements could not be sent: the peers are announced again at the next occasion."""
    session.execute(update(ForwardPeer).where(ForwardPeer.peer.in_(peers)).values(announced_at=None))


def forward_summaries(session: Session) -> list[ForwardSummary]:
    """How much is due, delivered and given up, for each peer."""
    counts: dict[str, dict[str, int]] = {}
    for peer, state, count in session.execute(
        select(Forward.peer, Forward.state, func.count()).group_by(Forward.peer, Forward.state).order_by(Forward.peer)
    ):
        counts.setdefault(peer, {})[state] = count
    peers = {row.peer: row for row in session.scalars(select(ForwardPeer))}
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


def _may_be_asked(now: datetime) -> ColumnElement[bool]:
    return and_(
        or_(ForwardPeer.lease_expires_at.is_(None), ForwardPeer.lease_expires_at < now),
        or_(ForwardPeer.next_attempt_at.is_(None), ForwardPeer.next_attempt_at <= now),
    )


def _held(session: Session, held: PeerClaim) -> ForwardPeer | None:
    return session.scalar(
        select(ForwardPeer)
        .where(ForwardPeer.peer == held.peer, ForwardPeer.lease_token == held.token)
        .with_for_update()
    )


def _must_hold(session: Session, held: PeerClaim) -> ForwardPeer:
    row = _held(session, held)
    if row is None:
        raise LeaseLostError(f"peer {held.peer}: the lease on forwarding to it has passed on")
    return row
