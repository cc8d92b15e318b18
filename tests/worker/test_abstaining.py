"""Both kinds of pack leave the same questions unanswered, and say why in the same words."""

from dataclasses import replace

import pytest
import torch

from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask, RegressionTask
from db.results.runs import TaskResult, Verdict, ViewCall
from worker.abstaining import why_not_asked, why_not_reported, why_unanswered
from worker.models import EmbeddedClip

CATALOGUE = load_catalogue()
CLIP = EmbeddedClip(sop_instance_uid="1.2", embeddings=torch.ones(1, 4))
SUBCOSTAL = replace(CLIP, view=ViewCall(view="subcostal", name="subcostal view", is_heart=True, score=0.3, margin=0.1))


def task(task_id: str) -> AnyTask:
    found = CATALOGUE.task(task_id)
    assert found is not None
    return found


def pump(verdict: Verdict) -> dict[str, TaskResult]:
    return {"impella": TaskResult(task_id="impella", verdict=verdict)}


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.PRESENT}))
def test_a_question_below_a_finding_is_asked_where_that_is_present(verdict: Verdict) -> None:
    asked = task("impella_position")
    assert why_not_asked(asked, pump(Verdict.PRESENT), CATALOGUE) is None
    assert (
        why_not_asked(asked, pump(verdict), CATALOGUE) == f"asked only where Impella pump is PRESENT; it is {verdict}"
    )
    assert why_not_asked(task("lvef"), {}, CATALOGUE) is None


def test_a_question_needs_a_clip_of_its_views() -> None:
    lvef = task("lvef")
    assert why_unanswered(lvef, [], {}, CATALOGUE) == "no usable clip"
    assert (
        why_unanswered(lvef, [SUBCOSTAL, CLIP], {}, CATALOGUE) is None
    )  # a clip that was not judged may be of any view
    why = str(why_unanswered(lvef, [SUBCOSTAL, SUBCOSTAL], {}, CATALOGUE))
    assert why.startswith("no clip shows a view that may answer this: apical four-chamber view, ")
    assert why.endswith("; seen: 2 × subcostal view")  # noqa: RUF001


@pytest.mark.parametrize(("estimate", "is_reported"), [(4.99, False), (5.0, True), (85.0, True), (85.01, False)])
def test_an_estimate_is_reported_within_its_range(estimate: float, is_reported: bool) -> None:
    lvef = task("lvef")
    assert isinstance(lvef, RegressionTask)
    assert (why_not_reported(lvef, estimate) is None) is is_reported
    assert why_not_reported(lvef.model_copy(update={"reportable": None}), estimate) is None
