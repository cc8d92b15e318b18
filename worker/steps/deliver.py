"""REPORTED -> DELIVERED: the stored report goes to every destination that it is due for."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from config.errors import DeliveryError, EchoWorkerError
from config.logs import Event, emit, place_of
from config.peers import PeerSettings
from db.leases import Claim
from db.results import cancel_delivery, due_deliveries, record_delivery
from db.schema import Study
from dicom_node.calling import called_peer
from dicom_node.send import Answer, send_files
from worker.context import WorkerContext
from worker.steps.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class _Due:
    delivery_id: int
    destination: str
    spool_path: str


def deliver_report(context: WorkerContext, held: Claim) -> Outcome:
    """Send the report wherever it is due; each acceptance is written down at once, so that none is sent twice.

    Raises
    ------
    DeliveryError
        At least one destination has not accepted it; the others have it and are not asked again.
    """
    with context.database.read() as session:
        due = [
            _Due(delivery_id=d.id, destination=d.destination, spool_path=d.report.spool_path)
            for d in due_deliveries(session, study_id=held.study_id)
        ]
    failures = [failure for delivery in due if (failure := _deliver(context, held, delivery))]
    if failures:
        raise DeliveryError("; ".join(failures))

    def record(session: Session, study: Study) -> None:
        """All of it is written already, delivery by delivery."""

    return Outcome(record=record)


def _deliver(context: WorkerContext, held: Claim, due: _Due) -> str | None:
    """Send to one destination and note its answer; what went wrong, or None."""
    destination = context.destination(due.destination)
    if destination is None:
        with context.database.write() as session:
            cancel_delivery(session, due.delivery_id, reason="no longer among the configured destinations")
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
