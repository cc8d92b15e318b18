"""The documented views as files: CSV and Parquet, streamed, whatever their size."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from http import HTTPStatus
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import StreamingResponse

from config.sections.dashboard import AccountRole
from dashboard.access import trail
from dashboard.access.people import Person, Viewer
from dashboard.access.refusals import NotAllowedError
from dashboard.api.answers import Answer, refusals
from dashboard.api.tables import Row, csv_of, parquet_of
from dashboard.installation import Here, Installation
from db.views.definitions import View
from db.views.rows import RANGES, OpenDays, documented_view, kind_of, view_rows

router = APIRouter(prefix="/exports", tags=["exports"])
OF_REPORTS = frozenset(("v_discordances", "v_worklist"))
"""What reports say is in these: they are for readers, and in the audit trail."""
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
Writer = Callable[[View, Iterable[Row]], Iterator[bytes]]

Named = Annotated[str, Path(pattern=r"^[a-z_]{1,64}$", description="A view, as v_current_results.")]
Since = Annotated[date | None, Query(description="From this day on (UTC), by the view's range_of; open.")]
Until = Annotated[date | None, Query(description="To the end of this day (UTC); open.")]


class Column(Answer):
    """One column of a view."""

    name: str
    kind: str
    """text, whole number, number, yes or no, time or date; times and dates are UTC, and each may be null."""
    meaning: str


class ExportedView(Answer):
    """A view that can be taken away whole."""

    name: str
    meaning: str
    range_of: str | None
    """The column that since and until are of; null: it is of this moment."""
    columns: list[Column]
    """In the order of the files; a later version may add some at the end, and takes none away."""


@router.get("", responses=refusals())
def views(person: Viewer) -> list[ExportedView]:
    """What can be exported by this account, and what its columns say."""
    return [_described(documented_view(name)) for name in RANGES if name not in OF_REPORTS or person.sees_patients]


@router.get(
    "/{view}.csv",
    response_class=StreamingResponse,
    responses={**refusals(404, 503), 200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def as_csv(here: Here, person: Viewer, view: Named, since: Since = None, until: Until = None) -> StreamingResponse:
    """A view as CSV in UTF-8. Texts that a spreadsheet would take for a formula have an apostrophe ahead of them."""
    return _export(
        here, person, view, OpenDays(first=since, last=until), csv_of, f"{CSV}; charset=utf-8; header=present"
    )


@router.get(
    "/{view}.parquet",
    response_class=StreamingResponse,
    responses={**refusals(404, 503), 200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}},
)
def as_parquet(here: Here, person: Viewer, view: Named, since: Since = None, until: Until = None) -> StreamingResponse:
    """A view as Parquet: UTC timestamps, dates, numbers, booleans and nulls."""
    return _export(here, person, view, OpenDays(first=since, last=until), parquet_of, PARQUET)


def _export(
    here: Installation, person: Person, name: str, days: OpenDays, write: Writer, media_type: str
) -> StreamingResponse:
    view = documented_view(name)
    if name in OF_REPORTS:
        if not person.sees_patients:
            raise NotAllowedError(AccountRole.READER)
        trail.searched(here, person, what=f"export of {name}")
    content = _written(here, view, days, write)
    first = next(content)  # what fails fails before anything is promised
    ending = "csv" if write is csv_of else "parquet"
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{ending}"'}
    return StreamingResponse(chain((first,), content), media_type=media_type, headers=disposition)


def _written(here: Installation, view: View, days: OpenDays, write: Writer) -> Iterator[bytes]:
    if not here.exports.acquire(blocking=False):
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "as many exports as there may be at once are under way: ask again once one has ended",
            {"Retry-After": "60"},
        )
    try:
        with here.database.read() as session:
            yield from write(view, view_rows(session, view.name, days))
    finally:  # whoever goes away leaves a place, too
        here.exports.release()


def _described(view: View) -> ExportedView:
    return ExportedView(
        name=view.name,
        meaning=view.meaning,
        range_of=RANGES[view.name],
        columns=[Column(name=name, kind=kind_of(name), meaning=said) for name, said in view.columns.items()],
    )
