"""How fast and how well it works, by the API: rows of the documented views (docs/reading-the-database.md)."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from dashboard.access.people import Viewer
from dashboard.api.answers import Answer, Name, refusals
from dashboard.installation import Here, Installation
from db.views.rows import OpenDays, documented_view, view_rows

router = APIRouter(prefix="/quality", tags=["quality"])
DAYS = 30
"""That are shown where none are asked for."""
Rows = Annotated[int, Query(ge=1, le=5000, description="At most so many, the latest first.")]
Row = TypeVar("Row", bound=Answer)


class Turnaround(Answer):
    """How long one study took, in its present revision; null: it has not come so far."""

    study_instance_uid: str
    state: str
    revision: int
    received_at: datetime
    """When its first instance came; UTC."""
    last_instance_at: datetime
    """UTC."""
    calling_ae_title: str | None
    """Who sent the first instance."""
    ready_at: datetime | None
    """When it fell quiet and was closed; UTC."""
    prepared_at: datetime | None
    """UTC."""
    scored_at: datetime | None
    """UTC."""
    reported_at: datetime | None
    """UTC."""
    delivered_at: datetime | None
    """When every destination had what it gets; UTC."""
    quiet_s: float | None
    """From the last instance to ready_at; seconds."""
    processing_s: float | None
    """From ready_at to reported_at; seconds."""
    delivery_s: float | None
    """From reported_at to delivered_at; seconds."""
    total_s: float | None
    """From the last instance to delivered_at; seconds."""
    failed_attempts: int
    """Of all steps."""


class Drift(Answer):
    """The distribution of one task's numbers on one day, of one sender and one model."""

    day: date
    """On which the first instance came; UTC."""
    calling_ae_title: str | None
    """Who sent that instance."""
    model_name: str
    model_version: str
    model_label: str
    """CLINICAL, RESEARCH, DEMO or UNTRAINED."""
    model_digest: str
    """Only numbers of one pack can be compared."""
    task_id: str
    unit: str | None
    """UCUM code; null of scores."""
    studies: int
    """That the task was asked of."""
    answered: int
    uncalibrated: int
    abstained: int
    numbers: int
    """How many of them have a number: the value, or the score."""
    mean: float | None
    """In `unit`, as the others."""
    minimum: float | None
    p10: float | None
    """A tenth of the numbers are not greater."""
    median: float | None
    p90: float | None
    maximum: float | None


class Prevalence(Answer):
    """How often a yes-or-no question was answered with yes in one month, by one model."""

    month: date
    """Its first day; UTC."""
    task_id: str
    model_name: str
    model_version: str
    model_label: str
    """CLINICAL, RESEARCH, DEMO or UNTRAINED."""
    studies: int
    """That were asked."""
    present: int
    absent: int
    uncalibrated: int
    abstained: int
    prevalence: float | None = Field(ge=0, le=1)
    """Present of present and absent, as the model sees it; null where nothing was answered."""


def _days(
    here: Here,
    since: Annotated[date | None, Query(description=f"From this day on (UTC); {DAYS} days ago.")] = None,
    until: Annotated[date | None, Query(description="To the end of this day (UTC); open.")] = None,
) -> OpenDays:
    return OpenDays(first=since or (here.now() - timedelta(days=DAYS)).date(), last=until)


Range = Annotated[OpenDays, Depends(_days)]


@router.get("/turnaround", responses=refusals())
def turnaround(here: Here, person: Viewer, days: Range, limit: Rows = 500) -> list[Turnaround]:
    """How long each study took whose last instance came in this time."""
    return _rows(here, Turnaround, "v_turnaround", days, limit)


@router.get("/drift", responses=refusals())
def drift(
    here: Here,
    person: Viewer,
    days: Range,
    task: Annotated[Name | None, Query(description="Of this task alone, by its id.")] = None,
    limit: Rows = 500,
) -> list[Drift]:
    """The distribution of each task's numbers, day by day and sender by sender."""
    return _rows(here, Drift, "v_drift_daily", days, limit, task_id=task)


@router.get("/prevalence", responses=refusals())
def prevalence(
    here: Here,
    person: Viewer,
    days: Range,
    task: Annotated[Name | None, Query(description="Of this question alone, by its id.")] = None,
    limit: Rows = 500,
) -> list[Prevalence]:
    """How often devices and prostheses were seen, of the months that begin in this time."""
    return _rows(here, Prevalence, "v_device_prevalence", days, limit, task_id=task)


def _rows(here: Installation, of: type[Row], view: str, days: OpenDays, limit: int, **equal: str | None) -> list[Row]:
    wanted: dict[str, str] = {name: value for name, value in equal.items() if value is not None}
    names = documented_view(view).columns
    with here.database.read() as session:
        rows: list[dict[str, Any]] = [
            dict(zip(names, row, strict=True)) for row in view_rows(session, view, days, equal=wanted, limit=limit)
        ]
    return [of.model_validate(row) for row in rows]
