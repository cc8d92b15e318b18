"""How every queue of a peer is worked on: claim, send with the lease held, release; with trouble, for a pause."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime

from config.errors import LeaseLostError
from config.logs import Event, emit
from config.steps import Purpose
from db.queues import QueueClaim, Trouble, claim_queue, release_queue, renew_queue
from worker.context import WorkerContext
from worker.keeping import lease_kept


def work_on_queue(
    context: WorkerContext, peer: str, purpose: Purpose, send: Callable[[QueueClaim], Trouble | None]
) -> None:
    """Let `send` work on a peer's queue, if nobody else does and no pause is kept."""
    pipeline = context.settings.pipeline
    owner = f"{socket.gethostname()}:{os.getpid()}"
    with context.database.write() as session:
        held = claim_queue(session, peer, purpose, owner=owner, now=datetime.now(UTC), lease_s=pipeline.lease_s)
    if held is None:
        return
    try:
        with lease_kept(context, lambda session, now: renew_queue(session, held, now=now, lease_s=pipeline.lease_s)):
            trouble = send(held)
        with context.database.write() as session:
            release_queue(session, held, trouble=trouble, now=datetime.now(UTC), pipeline=pipeline)
    except LeaseLostError:
        emit(Event.LEASE_LOST, destination=peer)
        return
    if trouble is not None:
        emit(Event.PEER_OUT_OF_REACH, destination=peer, reason=trouble.reason)
