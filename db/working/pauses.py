"""Queues that somebody has paused: nothing is claimed from them, and nothing announced, until somebody resumes them.

What is running goes to its end. A pause is a row of the registry, so that it holds for every host and every worker,
outlives a restart, and says who ordered it.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.orm import Session

from config.errors import RegistryError
from config.steps import PEER_QUEUES, RESCORE_QUEUE, Purpose, Step
from db.inserting import insert_if_new
from db.states import LEASED_STEPS, TRANSITIONS
from db.tables.peers import PeerQueue
from db.tables.pipeline import QueuePause
from db.tables.studies import Study

PAUSABLE = (*LEASED_STEPS, *PEER_QUEUES.values(), RESCORE_QUEUE)
"""The queues that can be paused: not that of maintenance, whose reaper gives lost work back."""


def is_paused(step: Step) -> ColumnElement[bool]:
    """That the queue of this leased step is paused."""
    return exists().where(QueuePause.queue == step.value, QueuePause.resumed_at.is_(None))


def rescoring_is_paused(session: Session) -> bool:
    """Whether nobody is to work on any batch of re-scoring."""
    paused = exists().where(QueuePause.queue == RESCORE_QUEUE, QueuePause.resumed_at.is_(None))
    return bool(session.scalar(select(paused)))


def peer_is_paused() -> ColumnElement[bool]:
    """Of a row of `PeerQueue`: that its queue is paused, for all peers or for its own."""
    of_peer = or_(QueuePause.peer == "", QueuePause.peer == PeerQueue.peer)
    return exists().where(QueuePause.queue == PeerQueue.purpose, of_peer, QueuePause.resumed_at.is_(None))


def sending_is_paused(session: Session, purpose: Purpose, peer: str) -> bool:
    """Whether nothing more is to be sent to this peer for now."""
    of_peer = QueuePause.peer.in_(["", peer])
    paused = exists().where(QueuePause.queue == PEER_QUEUES[purpose], of_peer, QueuePause.resumed_at.is_(None))
    return bool(session.scalar(select(paused)))


def pause_queue(session: Session, queue: str, *, peer: str = "", by: str, reason: str, now: datetime) -> None:
    """Pause a queue; of those that send, that of one peer where it is named.

    Raises
    ------
    RegistryError
        There is no such queue, or none of a peer; or it is paused already, by whom, since when and why.
    """
    _require(queue, peer)
    row = {"queue": queue, "peer": peer, "paused_at": now, "paused_by": by, "reason": reason}
    if not insert_if_new(session, QueuePause, row):
        (before,) = [pause for pause in open_pauses(session) if (pause.queue, pause.peer) == (queue, peer)]
        raise RegistryError(f"{_named(queue, peer)} is paused already: {said_of(before)}")


def resume_queue(session: Session, queue: str, *, peer: str = "", by: str, now: datetime) -> None:
    """End a pause; what waits is announced by the reaper, at once.

    Raises
    ------
    RegistryError
        There is no such queue, or none of a peer; or it is not paused.
    """
    _require(queue, peer)
    going_on = (QueuePause.queue == queue) & (QueuePause.peer == peer) & QueuePause.resumed_at.is_(None)
    pause = session.scalar(select(QueuePause).where(going_on).with_for_update())
    if pause is None:
        raise RegistryError(f"{_named(queue, peer)} is not paused: echoworker queues shows what is")
    pause.resumed_at, pause.resumed_by = now, by
    # Messages that came meanwhile were taken, and led to nothing.
    if queue in LEASED_STEPS:
        waiting = (Study.state == TRANSITIONS[Step(queue)].before) & Study.announced_at.is_not(None)
        in_order = select(Study).where(waiting).order_by(Study.study_instance_uid)
        for study in session.scalars(in_order.with_for_update(skip_locked=True)):
            study.announced_at = None
        return
    if queue == RESCORE_QUEUE:  # beat wakes it
        return
    chosen = PeerQueue.purpose == queue
    session.execute(
        update(PeerQueue).where(chosen & (PeerQueue.peer == peer) if peer else chosen).values(announced_at=None)
    )


def open_pauses(session: Session) -> Sequence[QueuePause]:
    """The pauses that go on, by queue and peer."""
    going_on = select(QueuePause).where(QueuePause.resumed_at.is_(None))
    return session.scalars(going_on.order_by(QueuePause.queue, QueuePause.peer)).all()


def former_pauses(session: Session, *, limit: int) -> Sequence[QueuePause]:
    """All pauses, those that ended as well, the latest first."""
    return session.scalars(select(QueuePause).order_by(QueuePause.id.desc()).limit(limit)).all()


def said_of(pause: QueuePause) -> str:
    """Who paused it, when and why."""
    return f"by {pause.paused_by} since {pause.paused_at:%Y-%m-%d %H:%M} UTC: {pause.reason}"


def _require(queue: str, peer: str) -> None:
    if queue not in PAUSABLE:
        raise RegistryError(f"no queue {queue} can be paused: there are {', '.join(PAUSABLE)}")
    if peer and queue not in PEER_QUEUES.values():
        raise RegistryError(f"{queue} has no queue for each peer: those of {', '.join(PEER_QUEUES.values())} have")


def _named(queue: str, peer: str) -> str:
    return f"{queue} to {peer}" if peer else queue
