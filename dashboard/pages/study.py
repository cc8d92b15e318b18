"""One study: where it is, what was answered, its pictures and reports; and what people do with it."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from config.errors import StudyNotFoundError
from config.steps import Step
from dashboard.access import trail
from dashboard.access.forms import AdminForm, ReaderForm
from dashboard.access.people import LIVE_HEADER, Reader, Viewer
from dashboard.installation import Here
from dashboard.parameters import Number
from dashboard.rendering import page
from dashboard.study.clips import AT_ONCE, listed_clips
from dashboard.study.content import study_content
from db.consistency.discordance_review import discordance_detail, review_discordance
from db.consistency.discordances import ReviewState
from db.lifecycle.studies import close_study, requeue
from db.reading.queries import study_detail
from db.results.stored_objects import received_object
from db.states import StudyState

router = APIRouter()
_MOST_ENTRIES = 100
"""Of the journal, the last ones; `?journal=all` shows all."""
_Reason = Annotated[str, Form(max_length=2000)]


@router.get("/studies/{uid}")
def one_study(
    request: Request,
    here: Here,
    person: Viewer,
    uid: str,
    clips_from: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    journal: Annotated[str, Query(max_length=8)] = "",
) -> Response:
    """All about one study."""
    is_refresh = LIVE_HEADER in request.headers
    content, of_patient = study_content(here, uid, for_reader=person.sees_patients, is_refresh=is_refresh)
    if of_patient is not None and trail.is_to_be_told(here, request, person, f"study {uid}"):
        identity = of_patient.identity
        trail.viewed(here, person, uid, patient_id=identity.patient_id if identity else None)
    entries = content.detail.journal[::-1]
    shown = entries if journal == "all" else entries[:_MOST_ENTRIES]
    return page(
        request,
        "study.html",
        person,
        study=content.detail.study,
        content=content,
        of_patient=of_patient,
        clips=content.clips[clips_from : clips_from + AT_ONCE],
        clips_from=clips_from,
        at_once=AT_ONCE,
        entries=shown,
        entries_left=len(entries) - len(shown),
        is_receiving=content.detail.study.state == StudyState.RECEIVING,
        steps=list(Step),
        now=here.now(),
    )


@router.get("/studies/{uid}/clips/{clip}")
def one_clip(request: Request, here: Here, person: Reader, uid: str, clip: str) -> Response:
    """One clip, large, with those before and behind it."""
    with here.database.read() as session:
        detail, stored = study_detail(session, uid), received_object(session, uid, clip)
        listed = listed_clips(detail, here.catalogue)
    if trail.is_to_be_told(here, request, person, f"page of clip {clip}"):
        trail.viewed(here, person, uid, patient_id=stored.patient_id)
    shown = [one for one in listed if not one.why_no_picture or one.sop_instance_uid == clip]
    at = next(number for number, one in enumerate(shown) if one.sop_instance_uid == clip)
    return page(
        request,
        "clip.html",
        person,
        study=detail.study,
        clip=shown[at],
        before=shown[at - 1] if at else None,
        behind=shown[at + 1] if at + 1 < len(shown) else None,
    )


@router.post("/studies/{uid}/requeue")
def requeue_study(
    here: Here, person: AdminForm, uid: str, step: Annotated[Step | Literal[""], Form()] = ""
) -> Response:
    """Give the study another chance, from the step that failed or the one that is named."""
    with here.database.write() as session:
        requeue(session, uid, now=here.now(), step=step or None, by=person.name)
    return _back(uid, "timeline")


@router.post("/studies/{uid}/close")
def score_study_now(here: Here, person: AdminForm, uid: str) -> Response:
    """Score a study that is still being received, without waiting for it to fall quiet."""
    with here.database.write() as session:
        close_study(session, uid, now=here.now(), by=person.name)
    return _back(uid, "timeline")


@router.post("/studies/{uid}/discordances/{number}")
def review(
    here: Here,
    person: ReaderForm,
    uid: str,
    number: Number,
    state: Annotated[Literal[ReviewState.CONFIRMED, ReviewState.DISMISSED], Form()],
    seen: Annotated[ReviewState | Literal[""], Form()] = "",
    reason: _Reason = "",
) -> Response:
    """Say what somebody thinks of a discordance."""
    with here.database.write() as session:
        if discordance_detail(session, number).study_instance_uid != uid:
            raise StudyNotFoundError(f"study {uid} has no discordance {number}")
        now = here.now()
        review_discordance(session, number, state=state, by=person.name, reason=reason, at=now, seen=seen or None)
    return _back(uid, f"discordance-{number}")


def _back(uid: str, part: str) -> Response:
    return RedirectResponse(f"/studies/{uid}#{part}", HTTPStatus.SEE_OTHER)
