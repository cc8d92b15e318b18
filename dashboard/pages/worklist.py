"""The worklist: where is study X?"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from dashboard.access.people import Viewer
from dashboard.installation import Here
from dashboard.rendering import page
from db.queries import list_studies

router = APIRouter()


@router.get("/")
def worklist(request: Request, here: Here, person: Viewer) -> Response:
    """The studies that changed last."""
    with here.database.read() as session:
        studies = list_studies(session)
    return page(request, "worklist.html", person, studies=studies, now=here.now())
