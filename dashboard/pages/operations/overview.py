"""How the installation is doing at a glance: checks, alerts, studies by state, deaths of workers, GPUs, archives."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from config.logs import Event, emit
from dashboard.access.forms import AdminForm
from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.rendering import page
from db.lifecycle.worker_ends import worker_deaths
from db.monitoring.alerts import open_alerts
from db.monitoring.figures import last_model, last_sent_to_us_at
from db.monitoring.reconciliations import reconciliations
from db.reading.queries import count_by_state
from db.states import StudyState
from db.working.devices import failing_devices, use_again
from dicom_node.findings import Level

router = APIRouter(prefix="/operations")
RECENT = timedelta(days=30)
LOOKED_AT = timedelta(days=7)
MOST_DEATHS = 20


@router.get("")
def overview(request: Request, here: Here, person: Viewer) -> Response:
    """All that somebody on call looks at first."""
    now = here.now()
    with here.database.read() as session:
        states = count_by_state(session)
        context: dict[str, Any] = {
            "states": [(state.value, states[state]) for state in StudyState if state in states],
            "last_instance_at": last_sent_to_us_at(session),
            "model": last_model(session),
            "alerts": open_alerts(session),
            "deaths": worker_deaths(session, since=now - RECENT, limit=MOST_DEATHS),
            "devices": failing_devices(session),
            "archives": reconciliations(session, since=(now - LOOKED_AT).date()),
        }
    return page(request, "operations.html", person, checks=here.checks.get(), fault=Level.FAULT, now=now, **context)


@router.post("/devices/use-again")
def use_device_again(
    here: Here,
    person: AdminForm,
    host: Annotated[str, Form(max_length=128)],
    device: Annotated[str, Form(max_length=16)],
) -> Response:
    """Say that a GPU is mended."""
    with here.database.write() as session:
        use_again(session, host, device, by=person.name, now=here.now())
    emit(Event.DEVICE_USED_AGAIN, host=host, device=device, reason=f"by {person.name}")
    return RedirectResponse("/operations", HTTPStatus.SEE_OTHER)
