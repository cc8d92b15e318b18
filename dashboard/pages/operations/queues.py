"""What waits and runs in each queue, and pausing one."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from config.logs import Event, emit
from config.steps import PEER_QUEUES
from dashboard.access.forms import AdminForm
from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.rendering import page
from db.reading.queue_summaries import queue_summaries
from db.working.pauses import PAUSABLE, former_pauses, pause_queue, resume_queue

router = APIRouter(prefix="/operations")
ADDRESS = "/operations/queues"
Peer = Annotated[str, Form(max_length=32)]
Reason = Annotated[str, Form(min_length=1, max_length=500, pattern=r"\S")]


@router.get("/queues")
def queues(request: Request, here: Here, person: Viewer) -> Response:
    """Every queue, and who paused which one of late."""
    now = here.now()
    with here.database.read() as session:
        found, former = queue_summaries(session, now=now), former_pauses(session, limit=20)
    context: dict[str, Any] = {
        "queues": found,
        "former": former,
        "pausable": PAUSABLE,
        "of_peers": tuple(PEER_QUEUES.values()),
    }
    return page(request, "operations_queues.html", person, now=now, **context)


@router.post("/queues/{queue}/pause")
def pause(here: Here, person: AdminForm, queue: str, reason: Reason, peer: Peer = "") -> Response:
    """Let nothing more begin in a queue, on any host, until it is resumed."""
    with here.database.write() as session:
        pause_queue(session, queue, peer=peer.strip(), by=person.name, reason=reason.strip(), now=here.now())
    emit(Event.QUEUE_PAUSED, step=queue, destination=peer.strip())
    return RedirectResponse(ADDRESS, HTTPStatus.SEE_OTHER)


@router.post("/queues/{queue}/resume")
def resume(here: Here, person: AdminForm, queue: str, peer: Peer = "") -> Response:
    """Let a queue go on."""
    with here.database.write() as session:
        resume_queue(session, queue, peer=peer, by=person.name, now=here.now())
    emit(Event.QUEUE_RESUMED, step=queue, destination=peer)
    return RedirectResponse(ADDRESS, HTTPStatus.SEE_OTHER)
