"""The node by the API: who called it, and what it refused and kept aside."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from dashboard.access.people import Viewer
from dashboard.api.answers import Answer, AtMost, refusals
from dashboard.installation import Here
from db.reading.queries import list_callers
from dicom_node.quarantine import quarantined

router = APIRouter(tags=["node"])


class Caller(Answer):
    """Somebody who asked for an association, and what became of it."""

    ae_title: str
    """The one that it called itself by."""
    address: str
    """IP address; `elsewhere` stands for the many of a flood."""
    outcome: str
    """`accepted`, or why it was refused."""
    count: int = Field(ge=1)
    """How often."""
    first_at: datetime
    """UTC."""
    last_at: datetime
    """UTC."""


class Quarantined(Answer):
    """An instance that was refused and kept."""

    path: str
    """Below the quarantine: a day, and a name of our own."""
    reason: str
    calling_ae_title: str | None
    received_at: datetime
    """The first time; UTC."""
    size_bytes: int = Field(ge=0)
    times: int = Field(ge=1)
    """How often it came."""


@router.get("/callers", responses=refusals())
def callers(
    here: Here,
    person: Viewer,
    refused: Annotated[bool, Query(description="Only those who were refused.")] = False,
    limit: AtMost = 100,
) -> list[Caller]:
    """Who called the node, from where, and what became of it; the latest first."""
    with here.database.read() as session:
        return [Caller.model_validate(each) for each in list_callers(session, refused_only=refused, limit=limit)]


@router.get("/quarantine", responses=refusals())
def quarantine(here: Here, person: Viewer, limit: AtMost = 100) -> list[Quarantined]:
    """What was refused and kept aside, the latest first."""
    return [
        Quarantined.model_validate(vars(each) | {"path": each.path.as_posix()})
        for each in quarantined(here.settings.spool_dir, at_least=limit)[:limit]
    ]
