"""How every queue of a peer is worked on: claim, send with the lease held, release; with trouble, for a pause."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from config.errors import EchoWorkerError, LeaseLostError
from config.logs import Event, emit, place_of
from config.processes import process_name
from config.steps import Purpose
from db.delivery.queues import QueueClaim, Trouble, claim_queue, forget_queue_announcements, release_queue, renew_queue
from worker.context import WorkerContext
from worker.lease_keeping import lease_kept


def work_on_queue(
    context: WorkerContext, peer: str, purpose: Purpose, send: Callable[[QueueClaim], Trouble | None]
) -> None:
    """Let `send` work on a peer's queue, if nobody else does and no pause is kept."""
    pipeline = context.settings.pipeline
    owner = process_name(os.getpid())
    with context.database.write() as session:
        if context.watch.is_ending:  # the message is used up: it is sent again
            forget_queue_announcements(session, purpose, [peer])
            return
        held = claim_queue(session, peer, purpose, owner=owner, now=datetime.now(UTC), lease_s=pipeline.lease_s)
    if held is None:
        return
    try:
        with (
            lease_kept(context, lambda session, now: renew_queue(session, held, now=now, lease_s=pipeline.lease_s)),
            context.watch.limited(purpose, hard_s=context.settings.time_limits.sending_s),
        ):
            trouble = _done(send, held)
        with context.database.write() as session:
            release_queue(session, held, trouble=trouble, now=datetime.now(UTC), pipeline=pipeline)
    except LeaseLostError:
        emit(Event.LEASE_LOST, destination=peer)
        return
    if trouble is not None:
        emit(Event.PEER_OUT_OF_REACH, destination=peer, reason=trouble.reason)


def _done(send: Callable[[QueueClaim], Trouble | None], held: QueueClaim) -> Trouble | None:
    try:
        return send(held)
    except (LeaseLostError, SQLAlchemyError):
        raise
    except EchoWorkerError as error:
        return Trouble(reason=str(error))
    except Exception as error:  # noqa: BLE001  its text may hold PHI; the queue waits, the worker goes on
        return Trouble(reason=place_of(error))
