"""How the installation is doing, in a few numbers, by the API; probes ask another page (docs/monitoring.md)."""

from datetime import datetime

from fastapi import APIRouter

from dashboard.access.people import Viewer
from dashboard.api.answers import Answer, refusals
from dashboard.installation import Here
from dashboard.rendering import VERSION
from db.monitoring.figures import read_figures

router = APIRouter(prefix="/health", tags=["health"])


class LastModel(Answer):
    """The model whose result became current last."""

    name: str
    version: str
    label: str
    """CLINICAL, RESEARCH, DEMO or UNTRAINED."""
    digest: str
    """SHA-256 of its pack."""


class Health(Answer):
    """What the registry says at this moment."""

    version: str
    """Of EchoWorker."""
    at: datetime
    """When it was asked; UTC."""
    studies: dict[str, int]
    """How many are in each state."""
    waiting_since: dict[str, datetime]
    """Of each step that something waits for: since when the oldest does; UTC."""
    last_instance_at: datetime | None
    """When the last instance came; UTC."""
    heartbeats: dict[str, datetime]
    """When what runs by the clock last gave a sign of life; UTC."""
    model: LastModel | None
    """Null before anything was scored."""


@router.get("", responses=refusals())
def health(here: Here, person: Viewer) -> Health:
    """Whether studies come, are worked on, and wait."""
    now = here.now()
    with here.database.read() as session:
        figures = read_figures(session, now=now)
    return Health(
        version=VERSION,
        at=now,
        studies=dict(figures.studies),
        waiting_since=dict(figures.waiting_since),
        last_instance_at=figures.last_instance_at,
        heartbeats=dict(figures.heartbeats),
        model=None if figures.model is None else LastModel.model_validate(figures.model),
    )
