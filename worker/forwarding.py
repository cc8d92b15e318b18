"""Received instances to the peers that the rules name: byte for byte, many in one association."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from config.errors import (
    BucketAwayError,
    EchoWorkerError,
    LeaseLostError,
    NoPresentationContextError,
    UnreadableInstanceError,
)
from config.logs import Event, EventFields, emit, place_of
from config.sections.peers import PeerSettings, Role
from config.steps import Purpose
from db.away import say_away
from db.delivery.forwards import DueForward, cancel_forwards, due_forwards, record_forward
from db.delivery.queues import QueueClaim, Trouble
from db.lifecycle.announcing import announce_due_forwards
from dicom_node.calling import called_peer
from dicom_node.header import read_file_meta
from dicom_node.send import send_files
from worker.context import WorkerContext
from worker.peer_queues import work_on_queue

BATCH = 100
"""Instances an association: no more than it can have presentation contexts; then the next peer gets its turn."""


def forward_to(context: WorkerContext, name: str) -> None:
    """Send a peer what waits for it, if nobody else does; a message that is late or doubled changes nothing."""
    try:
        _forward_if_due(context, name)
        announce_due_forwards(context.database, context.broker, context.settings)
    except SQLAlchemyError as error:
        # What was not written down is sent again: the same objects, under the same UIDs.
        say_away(error, destination=name)


def _forward_if_due(context: WorkerContext, name: str) -> None:
    peer = next((peer for peer in context.settings.peers_in(Role.FORWARD) if peer.name == name), None)
    if peer is None:
        _cancel(context, name, "no longer a peer with the role forward")
        return
    work_on_queue(context, name, Purpose.FORWARD, lambda held: _send_due(context, held, peer))


def _send_due(context: WorkerContext, held: QueueClaim, peer: PeerSettings) -> Trouble | None:
    """One association with the next instances that are due."""
    with context.database.read() as session:
        due = due_forwards(session, peer.name, now=datetime.now(UTC), limit=BATCH)
    try:
        ready = [(item, path) for item in due if (path := _file_of(context, held, peer, item))]
    except BucketAwayError as error:
        return Trouble(reason=str(error), is_ours=True)
    if not ready:
        return None
    answered = 0
    try:
        # Each answer is written down at once, so that what was accepted is not sent twice.
        with closing(send_files([path for _, path in ready], called_peer(context.settings, peer))) as answers:
            for (item, _), answer in zip(ready, answers, strict=True):
                # What the peer has under this UID is taken to be this instance.
                _record(context, held, item, str(answer), accepted=answer.accepted or answer.already_there)
                answered += 1
    except (LeaseLostError, SQLAlchemyError):
        raise
    except NoPresentationContextError as error:  # an answer to each of them; the peer itself is there
        for item, _ in ready:
            _record(context, held, item, str(error), accepted=False)
    except EchoWorkerError as error:
        return Trouble(reason=str(error))
    except Exception as error:  # noqa: BLE001  its text may hold PHI; the instance that it came with waits longest
        item, _ = ready[min(answered, len(ready) - 1)]
        _record(context, held, item, place_of(error), accepted=False)
        return Trouble(reason=place_of(error))
    return None


def _file_of(context: WorkerContext, held: QueueClaim, peer: PeerSettings, item: DueForward) -> Path | None:
    """The file to send; None when it is not to be sent, which is written down."""
    if item.calling_ae_title == peer.ae_title:
        _cancel(context, peer.name, "it came from there", item)
        return None
    try:
        path = context.spool.file(item.spool_path)
        read_file_meta(path)
    except FileNotFoundError:
        _cancel(context, peer.name, "its file is no longer in the spool", item)
    except UnreadableInstanceError as error:
        _cancel(context, peer.name, str(error), item)
    except OSError as error:  # a bad sector, a share that hiccups: this one waits, the others go on
        _record(context, held, item, place_of(error), accepted=False)
    else:
        return path
    return None


def _record(context: WorkerContext, held: QueueClaim, item: DueForward, answer: str, *, accepted: bool) -> None:
    with context.database.write() as session:
        record_forward(
            session,
            held,
            item.forward_id,
            answer=answer,
            accepted=accepted,
            now=datetime.now(UTC),
            pipeline=context.settings.pipeline,
        )
    emit(
        Event.OBJECT_SENT if accepted else Event.OBJECT_NOT_SENT,
        study_instance_uid=item.study_instance_uid,
        sop_instance_uid=item.sop_instance_uid,
        destination=held.peer,
        status=answer,
    )


def _cancel(context: WorkerContext, peer: str, reason: str, item: DueForward | None = None) -> None:
    with context.database.write() as session:
        count = cancel_forwards(session, peer, reason=reason, forward_ids=[item.forward_id] if item else None)
    said = EventFields(destination=peer, reason=reason, count=count)
    if item is not None:
        said["study_instance_uid"] = item.study_instance_uid
    emit(Event.FORWARDS_CANCELLED, **said)
