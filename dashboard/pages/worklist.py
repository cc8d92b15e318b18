"""The worklist: where is study X?"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from config.sections.canary import is_canary
from dashboard.access import trail
from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.rendering import page
from dashboard.standing import standing
from dashboard.worklist_form import FormOfWorklist
from db.reading.queries import count_by_state
from db.reading.worklist import WorklistPage, worklist_page
from db.states import StudyState

router = APIRouter()
_NOTHING = WorklistPage(lines=(), has_newer=False, has_older=False)


@router.get("/")
def worklist(request: Request, here: Here, person: Viewer, form: FormOfWorklist) -> Response:
    """The studies that fit, those that something came for last first."""
    mode = here.settings.privacy.patient_identities
    with here.database.read() as session:
        counts = count_by_state(session)
        listed = _NOTHING
        if not form.mistakes:
            listed = worklist_page(
                session,
                form.looked_for,
                mode=mode,
                with_identity=person.sees_patients,
                older_than=form.older_than,
                newer_than=form.newer_than,
            )
    if person.sees_patients and trail.is_to_be_told(here, request, person, "worklist"):
        trail.searched(here, person, what="worklist")
    return page(
        request,
        "worklist.html",
        person,
        form=form,
        listed=listed,
        counts=[(state, counts.get(state, 0)) for state in StudyState],
        total=sum(counts.values()),
        mode=mode,
        catalogue=here.catalogue,
        standing=standing,
        is_canary=is_canary,
        now=here.now(),
    )
