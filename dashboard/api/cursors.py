"""Where a page of a list ended, as text that programs give back and need not understand."""

import base64
import binascii
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import HTTPException

from dashboard.parameters import LARGEST_NUMBER
from db.study_pages import StudyPlace


def written(place: StudyPlace | None) -> str | None:
    """A place as a cursor; None where there are no more."""
    if place is None:
        return None
    said = f"{place.last_instance_at.isoformat()} {place.study_id}"
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def read(cursor: str | None) -> StudyPlace | None:
    """The place of a cursor.

    Raises
    ------
    HTTPException
        422: it is none of ours.
    """
    if cursor is None:
        return None
    try:
        said = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, number = said.partition(" ")
        place = StudyPlace(last_instance_at=datetime.fromisoformat(at).astimezone(UTC), study_id=int(number))
    except (ValueError, OverflowError, binascii.Error) as error:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, "cursor: give what next_cursor of the page before said"
        ) from error
    if not 0 < place.study_id <= LARGEST_NUMBER:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor: give what next_cursor of the page before said")
    return place
