"""The inbox of discordances: where reports and images do not agree, and what readers say of it."""

from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from config.errors import RegistryError
from dashboard.access import trail
from dashboard.access.forms import ReaderForm
from dashboard.access.people import Person, Reader
from dashboard.installation import Here, Installation
from dashboard.paging import PageNumber, paged
from dashboard.parameters import Number
from dashboard.rendering import page
from db.consistency.discordance_inbox import InboxFilter, Shown, fields_found, inbox
from db.consistency.discordance_review import precision_by_rule, review_discordance, reviews_of
from db.consistency.discordances import ReviewState, Severity

router = APIRouter()


def _filter(
    shown: Annotated[Shown, Query(alias="state")] = Shown.OPEN,
    rule: Annotated[str, Query(max_length=48)] = "",
    severity: Annotated[Severity | Literal[""], Query()] = "",
    field: Annotated[str, Query(max_length=32)] = "",
) -> InboxFilter:
    return InboxFilter(shown=shown, rule=rule, severity=severity or None, field=field)


Wanted = Annotated[InboxFilter, Depends(_filter)]


@router.get("/discordances")
def discordances(request: Request, here: Here, person: Reader, wanted: Wanted, number: PageNumber = 1) -> Response:
    """What nobody has looked at yet, the worst first; or what is asked for."""
    return _page(request, here, person, wanted, number)


@router.post("/discordances/{discordance_id}")
def review(
    request: Request,
    here: Here,
    person: ReaderForm,
    wanted: Wanted,
    discordance_id: Number,
    state: Annotated[Literal[ReviewState.CONFIRMED, ReviewState.DISMISSED], Form()],
    seen: Annotated[ReviewState | Literal[""], Form()] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
    number: PageNumber = 1,
) -> Response:
    """Confirm or dismiss one, and come back to where one was."""
    try:
        with here.database.write() as session:
            review_discordance(
                session,
                discordance_id,
                state=state,
                by=person.name,
                reason=reason,
                at=here.now(),
                seen=seen or None,
            )
    except RegistryError as error:
        return _page(request, here, person, wanted, number, said=str(error), of=discordance_id)
    return RedirectResponse(f"/discordances?{urlencode(_query(wanted, number))}", HTTPStatus.SEE_OTHER)


def _page(
    request: Request,
    here: Installation,
    person: Person,
    wanted: InboxFilter,
    number: int,
    *,
    said: str = "",
    of: int | None = None,
) -> Response:
    """`said`: why what was said of discordance `of` was not taken."""
    with here.database.read() as session:
        found = paged(lambda offset, limit: inbox(session, wanted, offset=offset, limit=limit), number)
        rules, fields = precision_by_rule(session), fields_found(session)
        reviews = reviews_of(session, [one.id for one in found.rows])
    trail.searched(here, person, what="discordances")
    return page(
        request,
        "discordances.html",
        person,
        status=HTTPStatus.BAD_REQUEST if said else HTTPStatus.OK,
        found=found,
        reviews=reviews,
        wanted=wanted,
        asked=urlencode(_query(wanted, number)),
        rules=rules,
        fields=fields,
        names={task.id: task.name for task in here.catalogue.tasks},
        severities=list(Severity),
        states=list(Shown),
        said=said,
        of=of,
        now=here.now(),
    )


def _query(wanted: InboxFilter, number: int) -> dict[str, str]:
    """What the address of a page of the inbox has in it."""
    given = {"rule": wanted.rule, "severity": wanted.severity or "", "field": wanted.field}
    return {"state": wanted.shown.value, **{name: value for name, value in given.items() if value}, "page": f"{number}"}
