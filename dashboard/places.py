"""Where in the list of studies a page begins or ends, out of an address or a cursor: read without trusting it."""

from datetime import UTC, datetime

from dashboard.parameters import LARGEST_NUMBER
from db.reading.worklist import Place


def place_of(at: str, study_id: str) -> Place | None:
    """The place of this time (ISO 8601) and number of a study; None where there can be no such place."""
    try:
        place = Place(at=datetime.fromisoformat(at).astimezone(UTC), study_id=int(study_id))
    except (ValueError, OverflowError):
        return None
    return place if 0 < place.study_id <= LARGEST_NUMBER else None
