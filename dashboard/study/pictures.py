"""The pixels of a study's objects for browsers: where they lie, or why they cannot be shown."""

from collections.abc import Callable
from html import escape
from itertools import chain
from pathlib import Path
from textwrap import wrap
from typing import TypeVar

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from config.errors import BucketAwayError, ClipError
from config.logs import told_of
from dashboard.installation import Installation
from db.results.stored_objects import StoredObject
from dicom_node.spool import Spool
from worker.pixels.screen import packed_frames

KEPT = {"Cache-Control": "private, max-age=3600", "Vary": "Cookie, Authorization"}
"""An instance never changes: the browser of whoever saw it may keep it for an hour, and nobody on the way may. It is
asked for anew by whoever signs in next at the same browser (RFC 9110 section 12.5.5): their role may be another, and
the audit trail has to name them."""
_GONE, _UNREADABLE, _AWAY = 410, 422, 503
_LETTERS = 'font-family="sans-serif" font-size="15"'
_Made = TypeVar("_Made")


class NoPictureError(Exception):
    """It cannot be shown; the text says why, free of PHI."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


def file_of(here: Installation, stored: StoredObject) -> Path:
    """The file of an object.

    Raises
    ------
    NoPictureError
        It was removed, or is lost, or the bucket does not answer.
    """
    if stored.removed_at is not None:
        day = f"{stored.removed_at.astimezone():%Y-%m-%d}"
        raise NoPictureError(f"its pixels were removed on {day}, when their time was over", _GONE)
    try:
        path = Spool.of(here.settings).file(stored.spool_path)
    except BucketAwayError as error:
        raise NoPictureError(str(error), _AWAY) from error
    if not path.is_file():
        raise NoPictureError("its file is not in the spool: is the disk mounted?", _GONE)
    return path


def read(make: Callable[[], _Made]) -> _Made:
    """What `make` gives.

    Raises
    ------
    NoPictureError
        It could not read the pixels.
    """
    try:
        return make()
    except ClipError as error:
        raise NoPictureError(str(error.reason), _UNREADABLE) from error
    except OSError as error:
        raise NoPictureError(f"its file cannot be read: {told_of(error)}", _UNREADABLE) from error


def jpeg(content: bytes) -> Response:
    """A picture."""
    return Response(content, media_type="image/jpeg", headers=KEPT)


def all_frames(path: Path) -> Response:
    """Every frame of an instance, as `worker.pixels.screen.packed_frames` packs them.

    Raises
    ------
    NoPictureError
        It could not read the pixels.
    """
    parts = packed_frames(path)
    first = read(lambda: next(parts))
    return StreamingResponse(chain([first], parts), media_type="application/octet-stream", headers=KEPT)


def in_place_of_picture(error: NoPictureError) -> Response:
    """A picture of the reason: whoever has no script sees it where the frame would be."""
    lines = wrap(str(error), 44)[:6]
    written = "".join(
        f'<text x="12" y="{40 + 22 * number}" fill="#b9c4c9" {_LETTERS}>{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 180" width="360" height="180">'
        f'<rect width="360" height="180" fill="#10161a"/>{written}</svg>'
    )
    return Response(drawn, error.status, media_type="image/svg+xml")


def in_place_of_frames(error: NoPictureError) -> Response:
    """The reason as text, for the player to show."""
    return PlainTextResponse(str(error), error.status)
