"""The view gate, with a model whose cosines are known in advance."""

import pytest
import torch
from torch import Tensor

from config.catalogue import Catalogue, load_catalogue
from config.labels import ModelLabel
from config.sections.scoring import GateSettings
from db.results.runs import JudgedClip, ViewCall
from tests.worker.scripted import ScriptedTowers, Shown, scripted_model
from worker.views import PromptViewClassifier, ViewGate, view_gate

CATALOGUE = load_catalogue()


def gate_of(
    towers: ScriptedTowers,
    *,
    views: str = "skip",
    label: ModelLabel = ModelLabel.RESEARCH,
    catalogue: Catalogue = CATALOGUE,
) -> ViewGate:
    settings = GateSettings.model_validate({"views": views, "view_margin": 0.05})
    return view_gate(settings, scripted_model(towers, catalogue, settings, label=label))


def judged(shown: str | Shown, *, views: str = "skip", label: ModelLabel = ModelLabel.RESEARCH) -> JudgedClip:
    towers = ScriptedTowers(CATALOGUE)
    towers.shows = [shown]
    frames = towers.embed_frames(torch.zeros(5))
    return gate_of(towers, views=views, label=label).judge("1.1", frames)


@pytest.mark.parametrize("view", CATALOGUE.views, ids=lambda view: view.id)
def test_a_clip_is_called_what_it_is_nearest_to_and_left_out_when_that_is_no_heart(view: object) -> None:
    (known,) = [candidate for candidate in CATALOGUE.views if candidate is view]
    clip = judged(known.id)
    assert clip.call is not None
    assert (clip.call.view, clip.call.name, clip.call.is_heart) == (known.id, known.name, known.heart)
    assert (clip.call.score, clip.call.margin) == pytest.approx((1, 1))
    assert clip.skip_reason == (None if known.heart else f"the model sees no heart: most like {known.name}")
    assert clip.note is None


@pytest.mark.parametrize(("heart", "left_out"), [(0.24, True), (0.26, False)])
def test_it_takes_a_margin_to_leave_a_clip_out(heart: float, left_out: bool) -> None:
    clip = judged({"abdomen": 0.30, "subcostal": heart})
    assert clip.call is not None
    assert clip.call.view == "abdomen"
    assert clip.call.margin == pytest.approx(0.30 - heart, abs=1e-6)
    assert clip.call.is_heart is (False if left_out else None)
    assert (clip.skip_reason is not None) is left_out
    assert clip.note == (None if left_out else "the model is not sure to see a heart: most like abdomen")


def test_two_views_without_a_heart_that_are_equally_near_do_not_make_one() -> None:
    clip = judged({"abdomen": 0.30, "lung": 0.2999, "subcostal": 0.1})
    assert clip.call is not None
    assert clip.call.margin == pytest.approx(0.2, abs=1e-6), "measured against the nearest heart"
    assert clip.skip_reason is not None


def test_the_score_of_a_view_is_the_mean_over_its_frames_and_prompts() -> None:
    views = [CATALOGUE.view("apical_four_chamber"), CATALOGUE.view("page")]
    prompts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, -1.0]])  # two of each
    classifier = PromptViewClassifier([v for v in views if v], lambda _: prompts, margin=0.05)
    call = classifier.call(torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
    assert call.view == "apical_four_chamber"
    assert call.score == pytest.approx((1 + 0 + 0.6 + 0.8) / 4)
    assert call.margin == pytest.approx(call.score - (0 + 0 - 0.8 - 0.8) / 4)


def test_a_clip_is_only_noted_where_the_site_wants_that() -> None:
    clip = judged("vessel", views="note")
    assert (clip.skip_reason, clip.note) == (None, "the model sees no heart: most like peripheral vessel")
    assert clip.call is not None
    assert clip.call.is_heart is False


@pytest.mark.parametrize("views", ["skip", "note"])
def test_an_untrained_model_judges_nothing(views: str) -> None:
    clip = judged("page", views=views, label=ModelLabel.UNTRAINED)
    assert clip == JudgedClip(sop_instance_uid="1.1", note="not judged: untrained model")


def test_nothing_is_judged_where_the_gate_is_off_or_the_catalogue_has_no_views() -> None:
    assert judged("page", views="off") == JudgedClip(sop_instance_uid="1.1", note="not judged: gate.views is off")
    bare = CATALOGUE.model_copy(update={"views": ()})
    clip = gate_of(ScriptedTowers(bare), catalogue=bare).judge("1.1", torch.ones(1, 2))
    assert clip == JudgedClip(sop_instance_uid="1.1", note="not judged: the model judges no views")


def test_the_gate_says_for_the_run_how_it_works() -> None:
    towers = ScriptedTowers(CATALOGUE)
    said = [gate_of(towers, views=views).provenance for views in ("skip", "note", "off")]
    assert said == ["skip: prompts, margin 0.05", "note: prompts, margin 0.05", "not judged: gate.views is off"]
    assert gate_of(towers, label=ModelLabel.UNTRAINED).provenance == "not judged: untrained model"


def test_another_classifier_decides_by_its_own_scale() -> None:
    class OfAPack:
        method = "view head 3"

        def call(self, frames: Tensor) -> ViewCall:
            return ViewCall(view="tee", name="transoesophageal view", is_heart=False, score=17, margin=12)

    clip = ViewGate(classifier=OfAPack(), leaves_out=True).judge("1.1", torch.ones(1, 2))
    assert clip.skip_reason == "the model sees no heart: most like transoesophageal view"


def test_only_a_gate_that_leaves_clips_out_restricts_what_the_others_answer_and_no_view_in_doubt_does() -> None:
    towers = ScriptedTowers(CATALOGUE)
    for shown, views, restricts in (
        ("subcostal", "skip", True),
        ("subcostal", "note", False),
        ("subcostal", "off", False),
        ({"abdomen": 0.30, "subcostal": 0.28}, "skip", False),
    ):
        towers.shows = [shown]
        gate = gate_of(towers, views=views)
        call = gate.restricting(gate.judge("1.1", towers.embed_frames(torch.zeros(5))))
        assert (call is not None and call.view == "subcostal") is restricts
