"""Where the objects made for the PACS go, and what became of that."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from config.report_objects import ReportObject
from db.reports import current_reports
from db.schema import Delivery
from db.states import DeliveryState


def set_deliveries(session: Session, *, study_id: int, wanted: Mapping[ReportObject, Collection[str]]) -> None:
    """Make each current object due for exactly these destinations; what was delivered, or sent, stays so."""
    for report in current_reports(session, study_id=study_id):
        destinations = wanted.get(ReportObject(report.kind), ())
        for delivery in report.deliveries:
            if delivery.state != DeliveryState.DELIVERED:
                due = DeliveryState.SENT if delivery.state == DeliveryState.SENT else DeliveryState.DUE
                delivery.state = due if delivery.destination in destinations else DeliveryState.CANCELLED
        known = {delivery.destination for delivery in report.deliveries}
        report.deliveries += [
            Delivery(destination=name, state=DeliveryState.DUE) for name in destinations if name not in known
        ]


def deliver_again(session: Session, *, study_id: int) -> int:
    """Make every delivery of the current objects due once more, but for cancelled ones; how many these are."""
    again = [d for d in _deliveries(session, study_id) if d.state != DeliveryState.CANCELLED]
    for delivery in again:
        delivery.state = DeliveryState.DUE
        delivery.transaction_uid = None  # a late report on the object as it was sent before does not count
    return len(again)


def cancel_delivery(session: Session, delivery_id: int, *, reason: str) -> None:
    """Give up one delivery for good."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.state = DeliveryState.CANCELLED
    delivery.last_answer = reason


def owed_deliveries(session: Session, *, study_id: int) -> list[Delivery]:
    """The deliveries of the study's current objects that are due, or whose storage commitment is awaited."""
    return [d for d in _deliveries(session, study_id) if d.state in (DeliveryState.DUE, DeliveryState.SENT)]


def due_deliveries(session: Session, *, study_id: int, asked_before: datetime) -> list[Delivery]:
    """Of these, what is to be done now: what is to be sent, and whose commitment was asked for too long ago."""
    return [
        d
        for d in owed_deliveries(session, study_id=study_id)
        if d.state == DeliveryState.DUE or d.commitment_asked_at is None or d.commitment_asked_at <= asked_before
    ]


def record_delivery(session: Session, delivery_id: int, *, answer: str, delivered_at: datetime | None) -> None:
    """Note one attempt to deliver and what the destination answered; `delivered_at` when it accepted."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.attempts += 1
    delivery.last_answer = answer
    if delivered_at is not None:
        delivery.state = DeliveryState.DELIVERED
        delivery.delivered_at = delivered_at


def _deliveries(session: Session, study_id: int) -> list[Delivery]:
    return [d for report in current_reports(session, study_id=study_id) for d in report.deliveries]
