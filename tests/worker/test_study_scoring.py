"""A study's answers, by towers whose embeddings are known in advance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import BinaryTask, RegressionTask
from config.labels import ModelLabel
from config.sections.scoring import GateSettings
from config.settings import load_settings
from db.results.runs import ModelIdentity, TaskResult, Verdict
from tests.support.clips import LARGE, SMALL
from tests.support.scoring import score_of
from tests.worker.scripted import ScriptedTowers, scripted_scorer
from worker.echoclip.model import EchoClipModel, load
from worker.models import Frames, Surroundings
from worker.packs.folder import ModelPack
from worker.pixels.clip import read_clip
from worker.study_scoring import Scorer, StudyScore
from worker.views import ViewGate

CODES = """
concept = { value = "1", scheme = "99TEST", meaning = "Concept" }
finding_site = { value = "80891009", scheme = "SCT", meaning = "Heart" }
"""
CATALOGUE = f"""
[[task]]
id = "angle"
name = "Angle"
kind = "regression"
prompts = ["angle {{value}}"]
values = {{ first = 0, last = 90 }}
unit = {{ value = "deg", scheme = "UCUM", meaning = "degree" }}
{CODES}
[[task]]
id = "upright"
name = "Upright"
kind = "binary"
prompts = ["angle 90"]
thresholds = [{{ value = 0.5, model_family = "compass", wording = "catalogue", origin = "sine of 30 degrees" }}]
{CODES.replace('"1"', '"2"')}
"""


class Compass:
    """Prompts name an angle; frames show one in their first pixel; both embed to the unit vector of that angle."""

    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        return _directions([int(prompt.removeprefix("angle ")) for prompt in prompts])

    def embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        return [_directions(frames[:, 0, 0, 0].tolist()) for frames in clips]


def _directions(degrees: Sequence[float]) -> Tensor:
    radians = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def showing(*degrees: int) -> dict[str, Frames]:
    """A clip for each, with UIDs from 1.1 on."""
    return {f"1.{number}": np.full((5, 224, 224, 3), angle, np.uint8) for number, angle in enumerate(degrees, 1)}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "tasks.toml").write_text(CATALOGUE)
    return load_catalogue(tmp_path / "tasks.toml")


NO_GATE = ViewGate(not_judged="no test of the gate")


def scorer(catalogue: Catalogue, family: str = "compass") -> Scorer:
    compass = Compass()
    model = EchoClipModel(
        compass,
        compass.embed_prompts,
        identity=ModelIdentity(name="Compass", version="1", family=family, label=ModelLabel.RESEARCH, digest="0" * 64),
        embedder="c" * 64,
        catalogue=catalogue,
        profile="fast-1",
    )
    return Scorer(model=model, gate=NO_GATE)


def by_task(score: StudyScore) -> dict[str, TaskResult]:
    return {result.task_id: result for result in score.results}


def test_a_study_measures_the_median_of_its_clips_so_that_one_off_its_view_does_not_move_it(
    catalogue: Catalogue,
) -> None:
    angle = by_task(score_of(scorer(catalogue), showing(50, 52, 5)))["angle"]
    assert angle.verdict is Verdict.MEASURED
    assert angle.value == pytest.approx(50, abs=1)
    assert [clip.sop_instance_uid for clip in angle.clips] == ["1.1", "1.2", "1.3"]
    assert [clip.value for clip in angle.clips] == pytest.approx([50, 52, 8], abs=1)


@pytest.mark.parametrize(("degrees", "verdict"), [(31, Verdict.PRESENT), (29, Verdict.ABSENT)])
def test_a_finding_is_present_above_its_threshold(catalogue: Catalogue, degrees: int, verdict: Verdict) -> None:
    upright = by_task(score_of(scorer(catalogue), showing(degrees)))["upright"]
    assert upright.verdict is verdict
    assert upright.threshold == 0.5
    assert upright.score == pytest.approx(np.sin(np.deg2rad(degrees)), abs=1e-6)


def test_a_study_scores_the_mean_of_its_clips(catalogue: Catalogue) -> None:
    upright = by_task(score_of(scorer(catalogue), showing(90, 0)))["upright"]
    assert upright.score == pytest.approx(0.5)
    assert upright.verdict is Verdict.ABSENT  # at the threshold is not above it


def test_without_a_threshold_of_its_own_family_a_model_calls_nothing(catalogue: Catalogue) -> None:
    upright = by_task(score_of(scorer(catalogue, family="sextant"), showing(90)))["upright"]
    assert upright.verdict is Verdict.UNCALIBRATED
    assert upright.threshold is None
    assert upright.score == pytest.approx(1)
    assert "no threshold" in str(upright.reason)


def test_without_a_clip_every_task_abstains(catalogue: Catalogue) -> None:
    for result in score_of(scorer(catalogue), {}).results:
        assert (result.verdict, result.value, result.score) == (Verdict.ABSTAINED, None, None)
        assert result.reason


def test_prompts_are_filled_template_by_template_in_the_order_of_their_values() -> None:
    catalogue = load_catalogue()
    lvef, tavr = catalogue.task("lvef"), catalogue.task("tavr")
    assert isinstance(lvef, RegressionTask)
    assert isinstance(tavr, BinaryTask)
    filled = lvef.filled_prompts()
    assert len(filled) == len(lvef.prompts) * 101
    assert filled[0] == lvef.prompts[0].replace("{value}", "0")
    assert filled[100] == lvef.prompts[0].replace("{value}", "100")
    assert filled[101] == lvef.prompts[1].replace("{value}", "0")
    assert tavr.filled_prompts() == list(tavr.prompts)


def test_real_clips_answer_the_whole_catalogue_the_same_each_time(untrained_pack: ModelPack, tmp_path: Path) -> None:
    catalogue = load_catalogue()
    surroundings = Surroundings(
        settings=load_settings(data_dir=tmp_path), catalogue=catalogue, cache=tmp_path / "cache"
    )
    clips = {str(number): read_clip(file).frames for number, file in enumerate([SMALL, LARGE])}
    cold, warm = (Scorer(model=load(untrained_pack, surroundings), gate=NO_GATE) for _ in range(2))
    score = score_of(cold, clips)
    assert [result.task_id for result in score.results] == [task.id for task in catalogue.tasks]
    assert {result.method for result in score.results} == {"zero-shot"}
    answered = {result.verdict for result in score.results} - {Verdict.ABSTAINED}
    assert answered <= {Verdict.MEASURED, Verdict.UNCALIBRATED}
    assert answered
    assert list((tmp_path / "cache").rglob("*.safetensors"))
    assert score_of(warm, clips) == score


def judging(catalogue: Catalogue, *shows: str, label: ModelLabel = ModelLabel.RESEARCH) -> Scorer:
    """A scorer that sees these views, clip by clip."""
    towers = ScriptedTowers(catalogue)
    towers.shows = [*shows]
    return scripted_scorer(towers, catalogue, GateSettings(views="skip", view_margin=0.05), label=label)


def test_a_clip_without_a_heart_gives_no_answer_and_says_what_it_is() -> None:
    sees = judging(load_catalogue(), "apical_four_chamber", "lung", "apical_four_chamber")
    score = score_of(sees, showing(0, 0, 0))
    assert score.why_unanswered is None
    answered = [result for result in score.results if result.clips]
    assert answered
    for result in answered:
        assert [clip.sop_instance_uid for clip in result.clips] == ["1.1", "1.3"]
    assert [(clip.sop_instance_uid, clip.skip_reason) for clip in score.clips] == [
        ("1.1", None),
        ("1.2", "the model sees no heart: most like lung or pleura"),
        ("1.3", None),
    ]


def test_where_no_clip_shows_a_heart_every_task_abstains_with_the_reasons() -> None:
    score = score_of(judging(load_catalogue(), "lung", "abdomen", "abdomen"), showing(0, 0, 0))
    said = (
        "no usable clip: 2 × the model sees no heart: most like abdomen; "  # noqa: RUF001
        "1 × the model sees no heart: most like lung or pleura"  # noqa: RUF001
    )
    assert score.why_unanswered == said
    assert {(result.verdict, result.reason, result.value, result.score) for result in score.results} == {
        (Verdict.ABSTAINED, said, None, None)
    }


def test_an_untrained_model_leaves_no_clip_out_for_its_view() -> None:
    score = score_of(judging(load_catalogue(), "abdomen", label=ModelLabel.UNTRAINED), showing(0))
    assert {len(result.clips) for result in score.results if result.verdict is not Verdict.ABSTAINED} == {1}
    (clip,) = score.clips
    assert (clip.call, clip.skip_reason, clip.note) == (None, None, "not judged: untrained model")
