"""REPORTED -> DELIVERED: the stored report goes to every destination that it is due for."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from config.errors import DeliveryError, EchoWorkerError, ReportError
from config.labels import ModelLabel
from config.logs import Event, emit, place_of
from config.peers import PeerSettings
from db.leases import Claim
from db.results import cancel_delivery, current_report, current_run, record_delivery
from db.schema import Study
from db.states import DeliveryState
from dicom_node.calling import called_peer
from dicom_node.send import Answer, send_files
from worker.context import WorkerContext
from worker.steps.outcome import Outcome
from worker.steps.stored_report import is_intact, no_destination


@dataclass(frozen=True, kw_only=True)
class _Due:
    delivery_id: int
    destination: str
    spool_path: str


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
    with context.database.read() as session:
        run = current_run(session, study_id=held.study_id, study_instance_uid=held.study_instance_uid)
        report = current_report(session, study_id=held.study_id)
        if run is None or report is None:
            raise ReportError(f"study {held.study_instance_uid}: no report; requeue it with --step report")
        due = [
            _Due(delivery_id=d.id, destination=d.destination, spool_path=report.spool_path)
            for d in report.deliveries
            if d.state == DeliveryState.DUE
        ]
    if due and not is_intact(context, report):
        raise ReportError(
            f"report {report.sop_instance_uid} is lost or changed in the spool: requeue the study with --step report"
        )
    failures = [failure for delivery in due if (failure := _deliver(context, held, delivery, run.model.label))]
    if failures:
        raise DeliveryError("; ".join(failures))

    def record(session: Session, study: Study) -> None:
        """All of it is written already, delivery by delivery."""

    return Outcome(record=record, stay_reason=_why_nobody_has_it(context, held, run.model.label))


def _why_nobody_has_it(context: WorkerContext, held: Claim, label: ModelLabel) -> str | None:
    with context.database.read() as session:
        report = current_report(session, study_id=held.study_id)
        delivered = report is not None and any(d.state == DeliveryState.DELIVERED for d in report.deliveries)
    return None if delivered else no_destination(label)


def _deliver(context: WorkerContext, held: Claim, due: _Due, label: ModelLabel) -> str | None:
    """Send to one destination and note its answer; what went wrong, or None."""
    destination = context.destination(due.destination)
    # Asked again at this moment: since the report was built, the settings may have changed.
    if destination is None or destination.name not in context.destinations_for(label):
        gone = "no longer among the configured destinations"
        reason = gone if destination is None else f"accepts no results of {label} models any more"
        with context.database.write() as session:
            cancel_delivery(session, due.delivery_id, reason=reason)
        return None
    try:
        answer = _send(context, destination, due)
        # The UID follows from study and run: what the peer has under it is this report, sent by us before.
        said, accepted = str(answer), answer.accepted or answer.already_there
    except EchoWorkerError as error:
        said, accepted = str(error), False
    except Exception as error:  # noqa: BLE001  one destination's trouble must not keep the report from the others
        said, accepted = place_of(error), False
    with context.database.write() as session:
        record_delivery(session, due.delivery_id, answer=said, delivered_at=datetime.now(UTC) if accepted else None)
    emit(
        Event.OBJECT_SENT if accepted else Event.OBJECT_NOT_SENT,
        study_instance_uid=held.study_instance_uid,
        destination=due.destination,
        status=said,
    )
    return None if accepted else f"{due.destination}: {said}"


def _send(context: WorkerContext, destination: PeerSettings, due: _Due) -> Answer:
    peer = called_peer(context.settings, destination)
    (answer,) = send_files([context.spool.absolute(due.spool_path)], peer)
    return answer
