"""Objects to a PACS by C-STORE, and whether it commits to keeping them (PS3.4 annexes B and J); or by STOW-RS."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydicom.uid import UID
from sqlalchemy.exc import SQLAlchemyError

from config.dicomweb import DicomWebSettings
from config.errors import ConfigurationError, EchoWorkerError, LeaseLostError, NoPresentationContextError, RefusedError
from config.logs import place_of
from config.peers import PeerSettings
from db.commitments import await_commitment, commitment_not_asked, commitment_refused
from db.delivering import Answered, DueDelivery
from db.queues import Trouble
from dicom_node.calling import called_peer
from dicom_node.commitment.files import CommitmentFiles
from dicom_node.commitment.messages import Reference, ask_commitment, new_transaction_uid
from dicom_node.report.comprehensive import OTHER_CLASSES
from dicom_node.send import Answer, send_files
from dicom_node.stow import stow_files
from worker.answers import Answers
from worker.context import WorkerContext

Send = Callable[[Sequence[Path]], Generator[Answer, None, None]]


def store_objects(
    context: WorkerContext, answers: Answers, peer: PeerSettings, due: Sequence[DueDelivery]
) -> Trouble | None:
    """Send what is to be sent in one association, then ask for the commitment of all that the peer has and is asked of.

    Raises
    ------
    ConfigurationError
        The peer is to be called by TLS, and our certificate cannot be used.
    LeaseLostError
        The queue has passed to somebody else.
    """
    commits = peer.storage_commitment
    there = _still_asked_of(answers, due, commits=commits)
    accepted: list[DueDelivery] = []
    called = called_peer(context.settings, peer)
    send = partial(send_files, peer=called, other_classes=OTHER_CLASSES)
    trouble = _send(context, answers, send, str(called), _unsent(due), accepted if commits else None)
    if commits and (there or accepted) and (trouble is None or accepted):
        return _ask_commitment(context, peer, [*there, *accepted]) or trouble
    return trouble


def stow_objects(
    context: WorkerContext, answers: Answers, server: DicomWebSettings, due: Sequence[DueDelivery]
) -> Trouble | None:
    """Send what is to be sent by STOW-RS.

    Raises
    ------
    ConfigurationError
        A certificate, key or token cannot be used.
    LeaseLostError
        The queue has passed to somebody else.
    """
    _still_asked_of(answers, due, commits=False)
    send = partial(stow_files, server=server, tls=context.settings.tls)
    return _send(context, answers, send, server.name, _unsent(due), None)


def _unsent(due: Sequence[DueDelivery]) -> list[DueDelivery]:
    return [item for item in due if not item.is_sent]


def _still_asked_of(answers: Answers, due: Sequence[DueDelivery], *, commits: bool) -> list[DueDelivery]:
    """What the destination has and is to commit to; where it is not asked to any more, it is delivered so."""
    there = [item for item in due if item.is_sent]
    if commits:
        return there
    for item in there:
        said = "accepted before; it is not asked to commit to it any more"
        answers.note(item, Answered.ACCEPTED, said, sent_as=item.sent_as)
    return []


def _send(
    context: WorkerContext,
    answers: Answers,
    send: Send,
    called: str,
    due: Sequence[DueDelivery],
    accepted: list[DueDelivery] | None,
) -> Trouble | None:
    """One association; the first trouble ends it: nothing more is sent.

    What is taken is added to `accepted`, to be committed to; None: it counts as delivered.
    """
    if not due:
        return None
    answered = 0
    try:
        with closing(send([context.spool.absolute(item.spool_path) for item in due])) as sent:
            for item, answer in zip(due, sent, strict=True):
                said = _said_by(answer, commits=accepted is not None)
                answers.note(item, said, str(answer), sent_as=answer.sent_as)
                answered += 1
                if accepted is not None and said is Answered.TO_BE_COMMITTED:
                    accepted.append(replace(item, sent_as=answer.sent_as))
                if said is Answered.NOT_NOW or answer.is_missing:
                    return Trouble(reason=f"{called}: {answer}")
    except (LeaseLostError, SQLAlchemyError, ConfigurationError):
        raise
    except NoPresentationContextError as error:  # an answer to each of them; the peer itself is there
        for item in due:
            answers.note(item, Answered.REFUSED, str(error))
    except EchoWorkerError as error:
        return Trouble(reason=str(error))
    except Exception as error:  # noqa: BLE001  its text may hold PHI; the object that it came with waits longest
        answers.note(due[min(answered, len(due) - 1)], Answered.REFUSED, place_of(error))
        return Trouble(reason=place_of(error))
    return None


def _said_by(answer: Answer, *, commits: bool) -> Answered:
    # The UID follows from study and run: what the peer has under it is this object, sent by us before.
    if answer.accepted or answer.already_there:
        return Answered.TO_BE_COMMITTED if commits else Answered.ACCEPTED
    return Answered.NOT_NOW if answer.is_out_of_resources else Answered.REFUSED


def _reference(item: DueDelivery) -> Reference:
    """The object as the peer has it."""
    if not item.sent_as:
        return Reference(item.sop_class_uid, item.sop_instance_uid)
    return Reference(OTHER_CLASSES[UID(item.sop_class_uid)][0], item.sent_as)


def _ask_commitment(context: WorkerContext, peer: PeerSettings, there: Sequence[DueDelivery]) -> Trouble | None:
    """Ask the peer to commit to keeping what it has, in one transaction; its report comes to the intake."""
    pipeline, transaction_uid = context.settings.pipeline, new_transaction_uid()
    with context.database.write() as session:  # before it is asked: its report may be faster than its answer
        awaited = await_commitment(
            session,
            [item.delivery_id for item in there],
            transaction_uid=transaction_uid,
            asked_at=datetime.now(UTC),
            again_after_s=pipeline.commitment_again_after_s,
        )
    asked = [_reference(item) for item in there if item.delivery_id in awaited]
    if not asked:
        return None
    keep = partial(CommitmentFiles(context.spool).keep_report, ae_title=peer.ae_title)
    try:
        ask_commitment(called_peer(context.settings, peer), asked, transaction_uid, keep)
    except RefusedError as error:
        with context.database.write() as session:
            commitment_refused(
                session, transaction_uid=transaction_uid, answer=str(error), now=datetime.now(UTC), pipeline=pipeline
            )
        return None
    except EchoWorkerError as error:
        said = str(error)
    except Exception as error:  # noqa: BLE001  its text may hold PHI
        said = place_of(error)
    else:
        return None
    with context.database.write() as session:
        commitment_not_asked(session, transaction_uid=transaction_uid)
    return Trouble(reason=said)
