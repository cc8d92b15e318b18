"""Batches of re-scoring: how far each is, what it changes, and what becomes of it."""

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session
from starlette.responses import Response

from config.errors import ConfigurationError
from dashboard.access.forms import AdminForm
from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.parameters import Number
from dashboard.rendering import page
from db.rescoring.batches import OVER, decide_to_adopt, discard, go_on_after_canary, set_paused
from db.rescoring.rescored import batch_of, batches, outcomes_of, outcomes_of_all, progress_in, reasons_of
from db.states import BatchKind, BatchState

router = APIRouter(prefix="/operations")
ADDRESS = "/operations/rescoring"


class Order(StrEnum):
    """What can be done about a batch, as `echoworker rescore` has it."""

    PAUSE = "pause"
    RESUME = "resume"
    CONTINUE = "continue"
    ADOPT = "adopt"
    DISCARD = "discard"


@router.get("/rescoring")
def rescoring(request: Request, here: Here, person: Viewer) -> Response:
    """The last batches."""
    with here.database.read() as session:
        found = batches(session)
        counts = outcomes_of_all(session, [batch.id for batch in found])
    listed = [(batch, progress_in(counts[batch.id])) for batch in found]
    return page(request, "operations_rescoring.html", person, batches=listed, settings=here.settings.rescore)


@router.get("/rescoring/{batch_id}")
def batch_page(request: Request, here: Here, person: Viewer, batch_id: Number) -> Response:
    """One batch: what changes, task by task, and what can be done about it."""
    with here.database.read() as session:
        batch = batch_of(session, batch_id)
        counts, reasons = outcomes_of(session, batch_id), reasons_of(session, batch_id)
    return page(
        request,
        "operations_batch.html",
        person,
        batch=batch,
        progress=progress_in(counts),
        counts=counts,
        reasons=reasons,
        orders=[order for order in Order if _is_possible(order, batch.kind, batch.state, is_paused=batch.paused)],
        goes_on=here.settings.rescore.enabled,
        names={task.id: task.name for task in here.catalogue.tasks},
    )


@router.post("/rescoring/{batch_id}/{order}")
def act(
    here: Here,
    person: AdminForm,
    batch_id: Number,
    order: Order,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Pause, resume, continue, adopt or discard a batch; workers go on with it in their window."""
    if order in (Order.RESUME, Order.CONTINUE, Order.ADOPT) and not here.settings.rescore.enabled:
        raise ConfigurationError(
            "no worker would go on with it, as rescore.enabled is false: set it, or use echoworker rescore by hand"
        )
    with here.database.write() as session:
        _carry_out(session, order, batch_id, by=person.name, reason=reason.strip(), now=here.now())
    return RedirectResponse(f"{ADDRESS}/{batch_id}", HTTPStatus.SEE_OTHER)


def _carry_out(session: Session, order: Order, batch_id: int, *, by: str, reason: str, now: datetime) -> None:
    match order:
        case Order.PAUSE:
            set_paused(session, batch_id, paused=True, by=by)
        case Order.RESUME:
            set_paused(session, batch_id, paused=False, by=by)
        case Order.CONTINUE:
            go_on_after_canary(session, batch_id, now=now, by=by)
        case Order.ADOPT:
            decide_to_adopt(session, batch_id, now=now, by=by)
        case Order.DISCARD:
            discard(session, batch_id, now=now, reason=f"by {by}: {reason}" if reason else f"by {by}")


def _is_possible(order: Order, kind: str, state: str, *, is_paused: bool) -> bool:
    match order:
        case Order.PAUSE:
            return not is_paused and state not in OVER
        case Order.RESUME:
            return is_paused and state not in OVER
        case Order.CONTINUE:
            return state == BatchState.CANARY
        case Order.ADOPT:
            return kind == BatchKind.RESCORE and state == BatchState.SCORED
        case Order.DISCARD:
            return state not in OVER
