"""Objects to a PACS by C-STORE, and whether it commits to keeping them (PS3.4 annexes B and J); or by STOW-RS."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from pydicom.uid import UID
from sqlalchemy.exc import SQLAlchemyError

from config.errors import ConfigurationError, EchoWorkerError, LeaseLostError, NoPresentationContextError, RefusedError
from config.logs import place_of
from config.sections.dicomweb import DicomWebSettings
from config.sections.peers import PeerSettings
from config.sections.report_objects import ReportObject
from db.delivery.commitments import await_commitment, commitment_not_asked, commitment_refused
from db.delivery.delivering import Answered, DueDelivery
from db.delivery.queues import Trouble
from dicom_node.calling import called_peer
from dicom_node.commitment.files import CommitmentFiles
from dicom_node.commitment.judging import Committing
from dicom_node.commitment.messages import Reference, ask_commitment, new_transaction_uid
from dicom_node.report.comprehensive import OTHER_CLASSES
from dicom_node.report.heat_map import DECOMPRESSING
from dicom_node.send import Answer, send_files
from dicom_node.stow import stow_files
from worker.context import WorkerContext
from worker.delivery_answers import Answers


class Send(Protocol):
    """Of files to one destination, an answer for each; about each it asks right before it goes."""

    def __call__(self, paths: Sequence[Path], *, still_wanted: Callable[[Path], bool]) -> Generator[Answer, None, None]:
        """As `dicom_node.send.send_files` does."""


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
    as_other = {context.spool.file(item.spool_path) for item in due if item.sent_as}
    send = partial(
        send_files, peer=called, other_classes=OTHER_CLASSES, decompressing=DECOMPRESSING, went_as_other=as_other
    )
    trouble = _send(context, answers, send, str(called), _unsent(due), accepted if commits else None)
    is_there = trouble is None or trouble.is_answer or bool(accepted)
    if commits and is_there and (there or accepted):
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
    decompressing = {} if server.compressed else DECOMPRESSING
    send = partial(stow_files, server=server, tls=context.settings.tls, decompressing=decompressing)
    return _send(context, answers, send, "STOW-RS", _unsent(due), None)


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
    items = {context.spool.file(item.spool_path): item for item in due}
    under_way = due[0]

    def is_still_wanted(path: Path) -> bool:
        nonlocal under_way
        under_way = items[path]
        return answers.is_still_wanted(under_way)

    try:
        with closing(send(list(items), still_wanted=is_still_wanted)) as sent:
            for answer in sent:
                item = items[answer.path]
                said = _said_by(answer, item.kind, commits=accepted is not None)
                answers.note(item, said, str(answer), sent_as=answer.sent_as)
                if accepted is not None and said is Answered.TO_BE_COMMITTED:
                    accepted.append(replace(item, sent_as=answer.sent_as))
                if said in (Answered.NOT_NOW, Answered.IN_TROUBLE) or answer.is_missing:
                    reason = str(answer) if answer.is_trouble else f"{called}: {answer}"
                    return Trouble(reason=reason, is_answer=answer.status is not None)
    except (LeaseLostError, SQLAlchemyError, ConfigurationError):
        raise
    except NoPresentationContextError as error:  # an answer to each of them; the peer itself is there
        # One that takes nothing at all may be set up wrong for now: that says nothing of pictures alone.
        for item in due:
            answers.note(item, Answered.REFUSED, str(error))
    except EchoWorkerError as error:
        return Trouble(reason=str(error))
    except Exception as error:  # noqa: BLE001  its text may hold PHI; the object that it came with waits longest
        answers.note(under_way, Answered.NOT_SENT, place_of(error))
        return Trouble(reason=place_of(error))
    return None


def _said_by(answer: Answer, kind: ReportObject, *, commits: bool) -> Answered:
    # The UID follows from study and run: what the peer has under it is this object, sent by us before.
    if answer.accepted or answer.already_there:
        return Answered.TO_BE_COMMITTED if commits else Answered.ACCEPTED
    if answer.refuses_the_kind:
        return _refused(kind)
    if answer.may_be_there:
        return Answered.IN_TROUBLE if answer.is_trouble else Answered.NO_ANSWER
    if answer.is_missing:
        return Answered.NO_ANSWER
    return Answered.NOT_NOW if answer.is_out_of_resources or answer.is_trouble else Answered.REFUSED


def _refused(kind: ReportObject) -> Answered:
    """A PACS that takes no such objects at all: without the report the study is not done, without a picture it is."""
    return Answered.REFUSED if kind is ReportObject.SR else Answered.NOT_TAKEN_THERE


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
            pipeline=pipeline,
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
        if context.spool.bucket is not None:  # what it has reported at once lies here, and an intake may run elsewhere
            Committing(context.settings, context.spool, context.database).apply_reports()
        return None
    with context.database.write() as session:
        commitment_not_asked(session, transaction_uid=transaction_uid)
    return Trouble(reason=said)
