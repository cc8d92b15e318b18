"""REPORTED -> DELIVERED: the stored report, or a message that says the same, goes wherever it is due.

Where a destination is to commit to keeping it, its report on that comes to the spool, and the intake applies it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from config.errors import DeliveryError, EchoWorkerError, ReportError
from config.labels import ModelLabel
from config.logs import Event, emit, place_of
from config.messages import MessageSettings
from config.peers import PeerSettings
from db.commitments import await_commitment, commitment_refused, wait_for_commitments
from db.deliveries import cancel_delivery, due_deliveries, record_delivery
from db.leases import Claim, Wait
from db.reports import current_report
from db.results import current_run
from db.runs import Run
from db.schema import Study
from db.states import DeliveryState
from dicom_node.calling import called_peer
from dicom_node.commitment.files import CommitmentFiles
from dicom_node.commitment.messages import Reference, ask_commitment, new_transaction_uid
from dicom_node.send import send_files
from worker.context import WorkerContext
from worker.messages import tell_result
from worker.steps.outcome import Outcome
from worker.steps.stored_report import is_intact, no_destination


@dataclass(frozen=True, kw_only=True)
class _Due:
    delivery_id: int
    destination: str
    spool_path: str
    object: Reference
    is_sent: bool
    """The destination has it: only its commitment is asked for again."""


def deliver_report(context: WorkerContext, held: Claim) -> Outcome:
    """Send the report wherever it is due; each acceptance is written down at once, so that none is sent twice.

    A destination that was removed, or takes results of such a model no more, gets nothing; where that leaves none
    that has the report, the study stays REPORTED.

    Raises
    ------
    ReportError
        The stored report is not the one that was built: nothing was sent.
    DeliveryError
        At least one destination has not accepted it; the others have it and are not asked again.
    """
    again_after_s = context.settings.pipeline.commitment_again_after_s
    asked_before = datetime.now(UTC) - timedelta(seconds=again_after_s)
    with context.database.read() as session:
        run = current_run(session, study_id=held.study_id, study_instance_uid=held.study_instance_uid)
        report = current_report(session, study_id=held.study_id)
        if run is None or report is None:
            raise ReportError(f"study {held.study_instance_uid}: no report; requeue it with --step report")
        due = [
            _Due(
                delivery_id=d.id,
                destination=d.destination,
                spool_path=d.report.spool_path,
                object=Reference(d.report.sop_class_uid, d.report.sop_instance_uid),
                is_sent=d.state == DeliveryState.SENT,
            )
            for d in due_deliveries(session, study_id=held.study_id, asked_before=asked_before)
        ]
    if due and not is_intact(context, report):
        raise ReportError(
            f"report {report.sop_instance_uid} is lost or changed in the spool: requeue the study with --step report"
        )
    failures = [failure for delivery in due if (failure := _deliver(context, held, delivery, run))]
    if failures:
        raise DeliveryError("; ".join(failures))

    def record(session: Session, study: Study) -> None:
        """All of it is written already, delivery by delivery."""

    def waits(session: Session) -> Wait | None:
        return wait_for_commitments(session, study_id=held.study_id, again_after_s=again_after_s)

    return Outcome(record=record, waits=waits, stay_reason=_why_nobody_has_it(context, held, run.model.label))


def _why_nobody_has_it(context: WorkerContext, held: Claim, label: ModelLabel) -> str | None:
    with context.database.read() as session:
        report = current_report(session, study_id=held.study_id)
        there = (DeliveryState.DELIVERED, DeliveryState.SENT)
        somebody_has_it = report is not None and any(d.state in there for d in report.deliveries)
    return None if somebody_has_it else no_destination(label)


def _deliver(context: WorkerContext, held: Claim, due: _Due, run: Run) -> str | None:
    """Send to one destination and note its answer; what went wrong, or None."""
    destination, label = context.destination(due.destination), run.model.label
    # Asked again at this moment: since the report was built, the settings may have changed.
    if destination is None or destination.name not in context.destinations_for(label):
        gone = "no longer among the configured destinations"
        reason = gone if destination is None else f"accepts no results of {label} models any more"
        with context.database.write() as session:
            cancel_delivery(session, due.delivery_id, reason=reason)
        return None
    if due.is_sent and isinstance(destination, PeerSettings) and destination.storage_commitment:
        return _ask_commitment(context, destination, due, answer=None)
    try:
        said, accepted = _send(context, destination, due, run)
    except EchoWorkerError as error:
        said, accepted = str(error), False
    except Exception as error:  # noqa: BLE001  one destination's trouble must not keep the report from the others
        said, accepted = place_of(error), False
    committing = destination if isinstance(destination, PeerSettings) and destination.storage_commitment else None
    if not accepted or committing is None:
        with context.database.write() as session:
            record_delivery(session, due.delivery_id, answer=said, delivered_at=datetime.now(UTC) if accepted else None)
    emit(
        Event.OBJECT_SENT if accepted else Event.OBJECT_NOT_SENT,
        study_instance_uid=held.study_instance_uid,
        destination=due.destination,
        status=said,
    )
    if accepted and committing is not None:
        return _ask_commitment(context, committing, due, answer=said)
    return None if accepted else f"{due.destination}: {said}"


def _ask_commitment(context: WorkerContext, destination: PeerSettings, due: _Due, *, answer: str | None) -> str | None:
    """Ask a destination that has the report to commit to keeping it; why that could not be asked, or None."""
    transaction_uid, asked_at = new_transaction_uid(), datetime.now(UTC)
    with context.database.write() as session:  # before it is asked: its report may be faster than its answer
        awaited = await_commitment(
            session, due.delivery_id, transaction_uid=transaction_uid, asked_at=asked_at, answer=answer
        )
    if not awaited:
        return None
    keep = partial(CommitmentFiles(context.spool).keep_report, ae_title=destination.ae_title)
    try:
        ask_commitment(called_peer(context.settings, destination), [due.object], transaction_uid, keep)
    except EchoWorkerError as error:
        said = str(error)
    except Exception as error:  # noqa: BLE001  as above
        said = place_of(error)
    else:
        return None
    with context.database.write() as session:
        commitment_refused(session, due.delivery_id, transaction_uid=transaction_uid, answer=said)
    return f"{due.destination}: {said}"


def _send(context: WorkerContext, destination: PeerSettings | MessageSettings, due: _Due, run: Run) -> tuple[str, bool]:
    """What the destination answered, and whether it has the result now."""
    report = context.spool.absolute(due.spool_path)
    if isinstance(destination, MessageSettings):
        return tell_result(context, destination, run, report), True
    (answer,) = send_files([report], called_peer(context.settings, destination))
    # The UID follows from study and run: what the peer has under it is this report, sent by us before.
    return str(answer), answer.accepted or answer.already_there
