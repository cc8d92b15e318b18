"""Deliveries by the API: how destinations are doing, dead letters, and sending an object once more."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from dashboard.access.people import Viewer
from dashboard.api.acting import AdminActs
from dashboard.api.answers import Answer, Asked, AtMost, refusals
from dashboard.installation import Here
from dashboard.parameters import Number
from db.delivery.dead_letters import (
    DeliveryDetail,
    deliveries_in,
    delivery_detail,
    destination_summaries,
    resend_deliveries,
)
from db.states import DeliveryState

router = APIRouter(prefix="/deliveries", tags=["deliveries"])


class Destination(Answer):
    """How deliveries to one destination are doing."""

    destination: str
    """By its name in the settings."""
    counts: dict[str, int]
    """Objects of current runs by state: DUE, SENT, DELIVERED, DEAD, CANCELLED."""
    waiting_since: datetime | None
    """When the oldest of what is due was made; UTC."""
    circuit: str
    """closed; open, while nothing is sent; half-open, when the next object is a trial."""
    asked_again_at: datetime | None
    """When it is tried again; UTC."""
    trouble: str | None
    """Why the circuit is open, or what was answered last to an object that it has not taken."""
    worked_on: bool
    """Whether a worker sends to it now."""


class DeliveryAnswer(Answer):
    """What a destination said."""

    at: datetime
    """UTC."""
    state: str
    """Of the delivery, afterwards."""
    answer: str
    """In our words."""


class Delivery(Answer):
    """One object's way to one destination."""

    id: int = Field(ge=1)
    study_instance_uid: str
    kind: str
    """sr, heat-map or pdf."""
    sop_instance_uid: str
    """Of the object."""
    destination: str
    """By its name in the settings."""
    state: str
    """DUE, SENT (storage commitment awaited), DELIVERED, DEAD (refused for good) or CANCELLED."""
    attempts: int = Field(ge=0)
    """How often the destination has answered to it."""
    last_attempt_at: datetime | None
    """UTC."""
    next_attempt_at: datetime | None
    """When it is sent, or its commitment asked for, again; UTC; null: at once, or never."""
    last_answer: str | None
    """What the destination said last, in our words."""
    delivered_at: datetime | None
    """UTC."""
    answers: list[DeliveryAnswer]
    """All that was answered, the first thing first; of a list, empty."""


class ResendAsked(Asked):
    """What is to be sent once more."""

    ids: Annotated[list[Annotated[int, Field(ge=1, lt=2**31)]], Field(min_length=1, max_length=1000)]
    """Numbers of deliveries."""


@router.get("/destinations", responses=refusals())
def destinations(here: Here, person: Viewer) -> list[Destination]:
    """Every destination that something of a current run was due for, by name."""
    with here.database.read() as session:
        return [Destination.model_validate(each) for each in destination_summaries(session, now=here.now())]


@router.get("", responses=refusals())
def list_of_deliveries(
    here: Here,
    person: Viewer,
    state: Annotated[DeliveryState, Query(description="DEAD: what was refused for good.")] = DeliveryState.DEAD,
    limit: AtMost = 50,
) -> list[Delivery]:
    """Deliveries in one state, the latest first."""
    with here.database.read() as session:
        return [_delivery(each) for each in deliveries_in(session, state, limit=limit)]


@router.get("/{number}", responses=refusals(404))
def one_delivery(here: Here, person: Viewer, number: Number) -> Delivery:
    """One delivery, with all that was answered."""
    with here.database.read() as session:
        return _delivery(delivery_detail(session, number))


@router.post("/resend", responses=refusals(404, 409))
def resend(here: Here, person: AdminActs, asked: ResendAsked) -> list[Delivery]:
    """Send objects once more, the same as before, with fresh attempts."""
    with here.database.write() as session:
        resend_deliveries(session, asked.ids, now=here.now(), by=person.name)
        return [_delivery(delivery_detail(session, number)) for number in sorted(set(asked.ids))]


def _delivery(detail: DeliveryDetail) -> Delivery:
    facts = {name: getattr(detail.delivery, name) for name in Delivery.model_fields if hasattr(detail.delivery, name)}
    return Delivery.model_validate(
        facts
        | {
            "study_instance_uid": detail.study.study_instance_uid,
            "kind": detail.report.kind,
            "sop_instance_uid": detail.report.sop_instance_uid,
            "answers": detail.answers,
        }
    )
