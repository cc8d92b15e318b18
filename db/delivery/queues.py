"""Queues of peers: one at a time sends to each for one purpose, and one that is away is asked once for all that waits.

A queue is a circuit breaker. It is closed while its peer answers. Trouble opens it for a pause, in which nothing is
sent and nothing that waits uses up an attempt; the pauses grow. Then one thing is tried first: with more trouble it
opens again, with an answer the rest goes.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from config.errors import LeaseLostError
from config.sections.pipeline import PipelineSettings
from config.steps import Purpose
from db.inserting import insert_if_new
from db.tables.peers import PeerQueue
from db.working.pauses import peer_is_paused


@dataclass(frozen=True, kw_only=True)
class QueueClaim:
    """The right to send to one peer, for one purpose."""

    peer: str
    purpose: Purpose
    token: str


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why no more could be sent to a peer."""

    reason: str
    """Free of PHI."""
    is_ours: bool = False
    """It is with us, as a spool that is not mounted: tried again soon, until somebody has mended it."""
    is_answer: bool = False
    """The peer says so itself: it is there, and may be asked for something else."""


def claim_queue(
    session: Session, peer: str, purpose: Purpose, *, owner: str, now: datetime, lease_s: float
) -> QueueClaim | None:
    """Take a queue that nobody works on and whose peer may be asked now; None otherwise."""
    row = session.scalar(
        select(PeerQueue)
        .where(PeerQueue.peer == peer, PeerQueue.purpose == purpose, _may_be_asked(now))
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    row.lease_token = str(uuid.uuid4())
    row.lease_owner = owner
    row.lease_expires_at = now + timedelta(seconds=lease_s)
    return QueueClaim(peer=peer, purpose=purpose, token=row.lease_token)


def renew_queue(session: Session, held: QueueClaim, *, now: datetime, lease_s: float) -> bool:
    """Hold a queue for another `lease_s`; False when it has passed to somebody else."""
    row = _held(session, held)
    if row is None:
        return False
    row.lease_expires_at = now + timedelta(seconds=lease_s)
    return True


def hold_queue(session: Session, held: QueueClaim) -> PeerQueue:
    """The row of a claim, locked until the end of the transaction.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else: write nothing.
    """
    row = _held(session, held)
    if row is None:
        raise LeaseLostError(f"peer {held.peer}: the lease on sending to it ({held.purpose}) has passed on")
    return row


def release_queue(
    session: Session, held: QueueClaim, *, trouble: Trouble | None, now: datetime, pipeline: PipelineSettings
) -> None:
    """Let go of a queue; with trouble it opens: its peer is asked again after a pause.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    row = hold_queue(session, held)
    row.lease_token = row.lease_owner = None
    row.lease_expires_at = row.announced_at = row.next_attempt_at = None
    row.last_answer = trouble.reason if trouble else None
    if trouble is None:
        row.attempts = 0
    elif trouble.is_ours:
        row.next_attempt_at = now + timedelta(seconds=pipeline.surroundings_again_after_s)
    else:
        row.attempts += 1
        row.next_attempt_at = now + timedelta(seconds=pipeline.circuit_pause_s(row.attempts))


def ask_at_once(session: Session, purpose: Purpose, peers: Iterable[str]) -> None:
    """End the pause of these queues: somebody says that it is worth a try.

    Whoever sends locks queues before anything else; so does who calls this.
    """
    for peer in sorted(set(peers)):
        session.execute(
            update(PeerQueue)
            .where(PeerQueue.peer == peer, PeerQueue.purpose == purpose)
            .values(next_attempt_at=None, announced_at=None)
        )


def take_queue_announcements(
    session: Session, purpose: Purpose, peers: Iterable[str], *, now: datetime, wake_again_after_s: float
) -> list[str]:
    """Of these peers, which something waits for: those unannounced, or whose announcement or lease ran out; marked."""
    stale = now - timedelta(seconds=wake_again_after_s)
    unannounced = or_(
        PeerQueue.announced_at.is_(None), PeerQueue.announced_at < stale, PeerQueue.lease_expires_at < now
    )
    announced = []
    for peer in sorted(peers):  # as everybody locks queues: none waits for another in a circle
        insert_if_new(session, PeerQueue, {"peer": peer, "purpose": purpose, "attempts": 0})
        of_peer = and_(PeerQueue.peer == peer, PeerQueue.purpose == purpose)
        waiting = select(PeerQueue).where(of_peer, _may_be_asked(now), unannounced)
        row = session.scalar(waiting.with_for_update(skip_locked=True))
        if row is not None:
            row.announced_at = now
            row.lease_token = row.lease_owner = row.lease_expires_at = None
            announced.append(peer)
    return announced


def forget_queue_announcements(session: Session, purpose: Purpose, peers: Collection[str]) -> None:
    """These announcements could not be sent: the peers are announced again at the next occasion."""
    chosen = and_(PeerQueue.purpose == purpose, PeerQueue.peer.in_(peers))
    session.execute(update(PeerQueue).where(chosen).values(announced_at=None))


def queues_of(session: Session, purpose: Purpose) -> dict[str, PeerQueue]:
    """The queues of a purpose, by peer."""
    return {row.peer: row for row in session.scalars(select(PeerQueue).where(PeerQueue.purpose == purpose))}


def is_worked_on(queue: PeerQueue, now: datetime) -> bool:
    """Whether a worker sends from it now."""
    return queue.lease_expires_at is not None and queue.lease_expires_at >= now


def queues_held_by(session: Session, owner: str) -> list[QueueClaim]:
    """The queues that a worker works on; locked until the end of the transaction."""
    mine = select(PeerQueue).where(PeerQueue.lease_owner == owner).order_by(PeerQueue.peer).with_for_update()
    return [
        QueueClaim(peer=row.peer, purpose=Purpose(row.purpose), token=row.lease_token)
        for row in session.scalars(mine)
        if row.lease_token is not None
    ]


def _may_be_asked(now: datetime) -> ColumnElement[bool]:
    return and_(
        ~peer_is_paused(),
        or_(PeerQueue.lease_expires_at.is_(None), PeerQueue.lease_expires_at < now),
        or_(PeerQueue.next_attempt_at.is_(None), PeerQueue.next_attempt_at <= now),
    )


def _held(session: Session, held: QueueClaim) -> PeerQueue | None:
    return session.scalar(
        select(PeerQueue)
        .where(PeerQueue.peer == held.peer, PeerQueue.purpose == held.purpose, PeerQueue.lease_token == held.token)
        .with_for_update()
    )
