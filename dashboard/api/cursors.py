"""Where a page of a list ended, as text that programs give back and need not understand."""

import base64
from contextlib import suppress
from http import HTTPStatus

from fastapi import HTTPException

from dashboard.places import place_of
from db.reading.worklist import Place


def written(place: Place | None) -> str | None:
    """A place as a cursor; None where there are no more."""
    if place is None:
        return None
    said = f"{place.at.isoformat()} {place.study_id}"
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def read(cursor: str | None) -> Place | None:
    """The place of a cursor.

    Raises
    ------
    HTTPException
        422: it is none of ours.
    """
    if cursor is None:
        return None
    place: Place | None = None
    with suppress(ValueError):  # neither base64 nor ASCII
        said = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, number = said.partition(" ")
        place = place_of(at, number)
    if place is None:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor: give what next_cursor of the page before said")
    return place
