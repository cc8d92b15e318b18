"""Models by the API: installed packs, and batches of re-scoring."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from dashboard.access.people import Viewer
from dashboard.api.answers import Answer, AtMost, refusals
from dashboard.installation import Here
from dashboard.parameters import Number
from db.rescoring.rescored import batch_of, batches, outcomes_of, outcomes_of_all
from db.tables.rescoring import Rescoring as Batch
from worker.packs.facts import pack_facts

router = APIRouter(tags=["models"])


class Pack(Answer):
    """An installed model pack; what cannot be used has a `fault`, and nothing else is known of it."""

    pack: str
    """Its folder."""
    name: str | None
    version: str | None
    kind: str | None
    """Who loads it: open-clip or linear-probe."""
    family: str | None
    """Runs of one family can be compared."""
    label: str | None
    """CLINICAL, RESEARCH, DEMO or UNTRAINED."""
    digest: str | None
    """SHA-256 of its files."""
    licence: str | None
    size_bytes: int = Field(ge=0)
    licence_accepted: bool
    used_for: list[str]
    """scoring, retrieval."""
    brings: list[str]
    """prompts, vocabulary, calibration, as far as it has them."""
    fault: str | None


class Rescoring(Answer):
    """A batch of studies that are answered anew."""

    id: int = Field(ge=1)
    kind: str
    """rescore, or shadow: its answers never become current."""
    state: str
    """SAMPLING, CANARY, RUNNING, SCORED, ADOPTING, ADOPTED or DISCARDED."""
    paused: bool
    reason: str | None
    """Why it stands still."""
    started_by: str
    """beat or command."""
    created_at: datetime
    """UTC."""
    state_since: datetime
    """UTC."""
    model_name: str
    model_version: str
    model_label: str
    model_digest: str
    """SHA-256 of the pack that answers."""
    catalogue_digest: str
    calibration_digest: str | None
    task_ids: list[str] | None
    """Whose answers are compared; null: all."""
    studies: dict[str, int]
    """How many are in each state."""


class RescoringDetail(Rescoring):
    """One batch with what changes by it."""

    report: dict[str, Any] | None
    """What changes, or how far the two models agree, task by task; null before it is made (docs/rescoring.md)."""


@router.get("/packs", responses=refusals())
def packs(here: Here, person: Viewer) -> list[Pack]:
    """The installed packs; empty: the bundled DEMO model scores."""
    return [Pack.model_validate(facts) for facts in pack_facts(here.settings)]


@router.get("/rescorings", responses=refusals())
def rescorings(here: Here, person: Viewer, limit: AtMost = 20) -> list[Rescoring]:
    """The batches of re-scoring, the newest first."""
    with here.database.read() as session:
        found = batches(session, limit=limit)
        counts = outcomes_of_all(session, [batch.id for batch in found])
        return [Rescoring.model_validate(_facts(batch, counts[batch.id])) for batch in found]


@router.get("/rescorings/{number}", responses=refusals(404))
def one_rescoring(here: Here, person: Viewer, number: Number) -> RescoringDetail:
    """One batch, with what changes by it."""
    with here.database.read() as session:
        batch = batch_of(session, number)
        return RescoringDetail.model_validate(_facts(batch, outcomes_of(session, batch.id)))


def _facts(batch: Batch, studies: Mapping[str, int]) -> dict[str, Any]:
    names = RescoringDetail.model_fields.keys() - {"studies"}
    return {name: getattr(batch, name) for name in names} | {"studies": studies}
