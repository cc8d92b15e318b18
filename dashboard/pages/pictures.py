"""Pictures and files of one study: for readers alone, and each in the audit trail."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.responses import Response

from config.errors import ReportError
from dashboard.access import trail
from dashboard.access.people import Person, Reader
from dashboard.installation import Here, Installation
from dashboard.study.objects import pdf_in
from dashboard.study.pictures import (
    NoPictureError,
    all_frames,
    file_of,
    in_place_of_frames,
    in_place_of_picture,
    jpeg,
    read,
)
from db.results.stored_objects import StoredObject, made_object, received_object
from worker.pixels.screen import frame_as_jpeg, strip_as_jpeg

router = APIRouter()
_Numbers = Annotated[list[int], Query(alias="frame", max_length=64)]


@router.get("/studies/{uid}/clips/{clip}/frames")
def frames_of_clip(here: Here, person: Reader, uid: str, clip: str) -> Response:
    """All frames of an instance that came, for the player."""
    return _frames(here, person, uid, _received(here, uid, clip))


@router.get("/studies/{uid}/clips/{clip}/frames/{number}")
def frame_of_clip(here: Here, person: Reader, uid: str, clip: str, number: int) -> Response:
    """One frame of an instance that came, counted from 1."""
    return _frame(here, person, uid, _received(here, uid, clip), number)


@router.get("/studies/{uid}/clips/{clip}/strip")
def strip_of_clip(here: Here, person: Reader, uid: str, clip: str, numbers: _Numbers) -> Response:
    """Some frames of an instance that came, side by side."""
    stored = _received(here, uid, clip)
    try:
        path = _seen(here, person, uid, stored)
        return jpeg(read(lambda: strip_as_jpeg(path, sorted(set(numbers)))))
    except NoPictureError as error:
        return in_place_of_picture(error)


@router.get("/studies/{uid}/objects/{made}/frames")
def frames_of_object(here: Here, person: Reader, uid: str, made: str) -> Response:
    """All frames of a heat map, for the player."""
    return _frames(here, person, uid, _made(here, uid, made))


@router.get("/studies/{uid}/objects/{made}/frames/{number}")
def frame_of_object(here: Here, person: Reader, uid: str, made: str, number: int) -> Response:
    """One frame of a heat map, counted from 1."""
    return _frame(here, person, uid, _made(here, uid, made), number)


@router.get("/studies/{uid}/objects/{made}")
def download_object(here: Here, person: Reader, uid: str, made: str) -> Response:
    """An object that was made for the PACS, as the DICOM file that it is sent as."""
    path = _download(here, person, uid, made)
    return FileResponse(path, media_type="application/dicom", filename=f"{made}.dcm")


@router.get("/studies/{uid}/objects/{made}/pdf")
def download_page(here: Here, person: Reader, uid: str, made: str) -> Response:
    """The page that is in an Encapsulated PDF."""
    content = pdf_in(_download(here, person, uid, made))
    named = {"Content-Disposition": f'attachment; filename="{made}.pdf"'}
    return Response(content, media_type="application/pdf", headers=named)


def _received(here: Installation, uid: str, clip: str) -> StoredObject:
    with here.database.read() as session:
        return received_object(session, uid, clip)


def _made(here: Installation, uid: str, made: str) -> StoredObject:
    with here.database.read() as session:
        return made_object(session, uid, made)


def _seen(here: Installation, person: Person, uid: str, stored: StoredObject) -> Path:
    """The file of what this person sees now, who is written down for it."""
    path = file_of(here, stored)
    trail.clip_viewed(
        here, person, uid,
        patient_id=stored.patient_id, sop_class_uid=stored.sop_class_uid, clip=stored.sop_instance_uid,
    )  # fmt: skip
    return path


def _frames(here: Installation, person: Person, uid: str, stored: StoredObject) -> Response:
    try:
        return all_frames(_seen(here, person, uid, stored))
    except NoPictureError as error:
        return in_place_of_frames(error)


def _frame(here: Installation, person: Person, uid: str, stored: StoredObject, number: int) -> Response:
    try:
        path = _seen(here, person, uid, stored)
        return jpeg(read(lambda: frame_as_jpeg(path, number)))
    except NoPictureError as error:
        return in_place_of_picture(error)


def _download(here: Installation, person: Person, uid: str, made: str) -> Path:
    stored = _made(here, uid, made)
    try:
        path = file_of(here, stored)
    except NoPictureError as error:
        raise ReportError(f"object {made}: {error}") from error
    trail.viewed(here, person, uid, patient_id=stored.patient_id)
    return path
