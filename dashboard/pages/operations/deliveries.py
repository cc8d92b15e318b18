"""What goes to the destinations: how each is doing, what it refused for good, and sending that once more."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from dashboard.access.forms import AdminForm
from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.paging import PageNumber, paged
from dashboard.parameters import Number
from dashboard.rendering import page
from db.delivery.dead_letters import dead_of, deliveries_in, delivery_detail, destination_summaries, resend_deliveries
from db.states import DeliveryState

router = APIRouter(prefix="/operations")
ADDRESS = "/operations/deliveries"
MOST_AT_ONCE = 1000
"""To be sent again in one transaction, as by the API; what is left stays in the list."""


@router.get("/deliveries")
def deliveries(request: Request, here: Here, person: Viewer, number: PageNumber = 1) -> Response:
    """Every destination, and the dead letters, the latest first."""
    now = here.now()
    with here.database.read() as session:
        summaries = destination_summaries(session, now=now)
        dead = paged(
            lambda offset, limit: deliveries_in(session, DeliveryState.DEAD, limit=limit, offset=offset), number
        )
    context: dict[str, Any] = {"destinations": summaries, "dead": dead, "states": DeliveryState}
    return page(request, "operations_deliveries.html", person, now=now, **context)


@router.get("/deliveries/{delivery_id}")
def delivery(request: Request, here: Here, person: Viewer, delivery_id: Number) -> Response:
    """One delivery: its object, its study, and all that was answered."""
    with here.database.read() as session:
        found = delivery_detail(session, delivery_id)
    return page(request, "operations_delivery.html", person, found=found)


@router.post("/deliveries/{delivery_id}/resend")
def resend(here: Here, person: AdminForm, delivery_id: Number) -> Response:
    """Send one once more."""
    with here.database.write() as session:
        resend_deliveries(session, [delivery_id], now=here.now(), by=person.name)
    return RedirectResponse(f"{ADDRESS}/{delivery_id}", HTTPStatus.SEE_OTHER)


@router.post("/deliveries/resend")
def resend_all(here: Here, person: AdminForm, destination: Annotated[str, Form(max_length=32)]) -> Response:
    """Send the dead letters of a destination once more, the first `MOST_AT_ONCE`."""
    with here.database.write() as session:
        resend_deliveries(session, dead_of(session, destination, limit=MOST_AT_ONCE), now=here.now(), by=person.name)
    return RedirectResponse(ADDRESS, HTTPStatus.SEE_OTHER)
