"""A study's answers, by towers whose embeddings are known in advance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from config.catalogue import BinaryTask, Catalogue, RegressionTask, load_catalogue
from config.labels import ModelLabel
from db.runs import ModelIdentity, TaskResult, Verdict
from tests.support.clips import LARGE, SMALL
from worker.echoclip.pack import ModelPack
from worker.echoclip.towers import Towers
from worker.pixels.clip import read_clip
from worker.study_scoring import ScorableClip, Scorer, filled_prompts

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
{CODES}
"""


class Compass:
    """Prompts name an angle; frames show one in their first pixel; both embed to the unit vector of that angle."""

    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        return _directions([int(prompt.removeprefix("angle ")) for prompt in prompts])

    def embed_frames(self, frames: Tensor) -> Tensor:
        return _directions(frames[:, 0, 0, 0].tolist())


def _directions(degrees: Sequence[float]) -> Tensor:
    radians = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def showing(sop_instance_uid: str, degrees: int) -> ScorableClip:
    return ScorableClip(sop_instance_uid=sop_instance_uid, frames=np.full((5, 224, 224, 3), degrees, np.uint8))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "tasks.toml").write_text(CATALOGUE)
    return load_catalogue(tmp_path / "tasks.toml")


def scorer(catalogue: Catalogue, family: str = "compass") -> Scorer:
    identity = ModelIdentity(name="Compass", version="1", family=family, label=ModelLabel.RESEARCH, digest="0" * 64)
    return Scorer(Compass(), identity, catalogue)  # type: ignore[arg-type]


def by_task(results: Sequence[TaskResult]) -> dict[str, TaskResult]:
    return {result.task_id: result for result in results}


def test_a_study_measures_the_median_of_its_clips_so_that_one_off_its_view_does_not_move_it(
    catalogue: Catalogue,
) -> None:
    clips = [showing("1.1", 50), showing("1.2", 52), showing("1.3", 5)]
    angle = by_task(scorer(catalogue).score(clips))["angle"]
    assert angle.verdict is Verdict.MEASURED
    assert angle.value == pytest.approx(50, abs=1)
    assert [clip.sop_instance_uid for clip in angle.clips] == ["1.1", "1.2", "1.3"]
    assert [clip.value for clip in angle.clips] == pytest.approx([50, 52, 8], abs=1)


@pytest.mark.parametrize(("degrees", "verdict"), [(31, Verdict.PRESENT), (29, Verdict.ABSENT)])
def test_a_finding_is_present_above_its_threshold(catalogue: Catalogue, degrees: int, verdict: Verdict) -> None:
    upright = by_task(scorer(catalogue).score([showing("1.1", degrees)]))["upright"]
    assert upright.verdict is verdict
    assert upright.threshold == 0.5
    assert upright.score == pytest.approx(np.sin(np.deg2rad(degrees)), abs=1e-6)


def test_a_study_scores_the_mean_of_its_clips(catalogue: Catalogue) -> None:
    upright = by_task(scorer(catalogue).score([showing("1.1", 90), showing("1.2", 0)]))["upright"]
    assert upright.score == pytest.approx(0.5)
    assert upright.verdict is Verdict.ABSENT  # at the threshold is not above it


def test_without_a_threshold_of_its_own_family_a_model_calls_nothing(catalogue: Catalogue) -> None:
    upright = by_task(scorer(catalogue, family="sextant").score([showing("1.1", 90)]))["upright"]
    assert upright.verdict is Verdict.UNCALIBRATED
    assert upright.threshold is None
    assert upright.score == pytest.approx(1)
    assert "no threshold" in str(upright.reason)


def test_without_a_clip_every_task_abstains(catalogue: Catalogue) -> None:
    for result in scorer(catalogue).score([]):
        assert (result.verdict, result.value, result.score) == (Verdict.ABSTAINED, None, None)
        assert result.reason


def test_prompts_are_filled_template_by_template_in_the_order_of_their_values() -> None:
    catalogue = load_catalogue()
    lvef, tavr = catalogue.task("lvef"), catalogue.task("tavr")
    assert isinstance(lvef, RegressionTask)
    assert isinstance(tavr, BinaryTask)
    filled = filled_prompts(lvef)
    assert len(filled) == 2 * 101
    assert "0 %" in filled[0]
    assert "100 %" in filled[100]
    assert filled[101] == lvef.prompts[1].replace("{value}", "0")
    assert filled_prompts(tavr) == list(tavr.prompts)


def test_real_clips_answer_the_whole_catalogue_the_same_each_time(towers: Towers, untrained_pack: ModelPack) -> None:
    catalogue = load_catalogue()
    clips = [
        ScorableClip(sop_instance_uid=str(n), frames=read_clip(file).frames) for n, file in enumerate([SMALL, LARGE])
    ]
    results = Scorer(towers, untrained_pack.identity, catalogue).score(clips)
    assert [result.task_id for result in results] == [task.id for task in catalogue.tasks]
    assert {result.verdict for result in results} == {Verdict.MEASURED, Verdict.UNCALIBRATED}
    assert Scorer(towers, untrained_pack.identity, catalogue).score(clips) == results
