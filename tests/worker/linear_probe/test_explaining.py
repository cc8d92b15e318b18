"""A head's answer is explained by the head's own weights, in the image tower of the pack that it was trained on."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask
from config.errors import ConfigurationError, ModelPackError
from config.settings import load_settings
from db.results.runs import LINEAR_PROBE_METHOD, Verdict
from tests.support.clips import SMALL
from tests.support.heads import head_pack
from tests.support.packs import pack_of_kind
from worker.echoclip.explaining import Explanation
from worker.echoclip.explaining import explain_clip as explain_by_prompts
from worker.echoclip.grad_cam import heat_maps, on_one_scale
from worker.echoclip.heat_sheet import stated
from worker.echoclip.towers import Towers
from worker.explaining import explain_clip, load_explainable_pack
from worker.linear_probe.model import load as load_probe
from worker.models import Explaining, Surroundings
from worker.packs.folder import ModelPack, load_pack
from worker.pixels.clip import Clip, read_clip


@pytest.fixture(scope="module")
def clip() -> Clip:
    whole = read_clip(SMALL)
    return replace(
        whole, frames=whole.frames[:3], frame_numbers=whole.frame_numbers[:3], frame_times_ms=whole.frame_times_ms[:3]
    )


@pytest.fixture
def surroundings(untrained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """With the base installed."""
    monkeypatch.setenv("ECHOWORKER_MODEL__DEVICE", "cpu")
    monkeypatch.setenv("ECHOWORKER_MODEL__PRECISION", "float32")
    settings = load_settings(data_dir=tmp_path / "data")
    shutil.copytree(untrained_folder, settings.packs_dir / "base")
    return Surroundings(settings=settings, catalogue=load_catalogue(), cache=tmp_path / "cache")


def task_of(task_id: str) -> AnyTask:
    task = load_catalogue().task(task_id)
    assert task is not None
    return task


@pytest.fixture
def explained(untrained_pack: ModelPack, surroundings: Surroundings, clip: Clip, tmp_path: Path) -> Any:
    """Explain a task by a head with these weights, for the head's own task or for another."""

    def explain(head_task: str, weights: Tensor, asked: str | None = None, **choice: Any) -> Explanation:
        folder = head_pack(
            tmp_path / f"head-{len(list(tmp_path.iterdir()))}", untrained_pack, task_of(head_task), weights
        )
        return explain_clip(load_pack(folder), surroundings, clip, asked or head_task, **choice)

    return explain


def test_weights_that_are_the_embedding_of_a_prompt_have_the_maps_of_that_prompt(
    explained: Any, towers: Towers, clip: Clip
) -> None:
    prompt = towers.embed_prompts(["a bright line"])
    explanation = explained("pacemaker", 7 * prompt)
    np.testing.assert_allclose(explanation.maps, heat_maps(towers, clip.frames, prompt), atol=1e-4)
    frames = towers.embed_frames(torch.from_numpy(clip.frames))
    log_odds = 7 * float(torch.nn.functional.normalize(frames.mean(dim=0), dim=0) @ prompt[0])
    assert explanation.result.method == LINEAR_PROBE_METHOD
    assert explanation.result.score == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-5)
    assert explanation.result.verdict is (Verdict.PRESENT if log_odds > 0 else Verdict.ABSENT)


def test_what_all_classes_have_in_common_speaks_for_none_of_them(explained: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(4, 64, generator=generator)
    severe = explained("lv_size", weights, outcome="severe")
    mild = explained("lv_size", weights, outcome="mild")
    assert severe.explained.outcome == "severe"
    assert not np.allclose(severe.maps, mild.maps, atol=0.05)
    shifted = explained("lv_size", weights + 3 * torch.randn(64, generator=generator), outcome="severe")
    np.testing.assert_allclose(shifted.maps, severe.maps, atol=1e-3)


def test_without_a_choice_the_class_that_the_head_answers_is_explained(explained: Any) -> None:
    weights = torch.randn(4, 64, generator=torch.Generator().manual_seed(2))
    answered = explained("lv_size", weights)
    assert answered.result.verdict is Verdict.CLASSIFIED
    chosen = explained("lv_size", weights, outcome=answered.result.outcome)
    np.testing.assert_array_equal(answered.maps, chosen.maps)


def test_other_tasks_are_explained_by_the_prompts_of_the_base(
    explained: Any, untrained_pack: ModelPack, surroundings: Surroundings, clip: Clip
) -> None:
    explanation = explained("pacemaker", torch.ones(1, 64), asked="lvef")
    of_base = explain_by_prompts(untrained_pack, surroundings, clip, "lvef")
    assert explanation.prompts == of_base.prompts
    np.testing.assert_array_equal(explanation.maps, of_base.maps)
    assert explanation.model.name == "Head"


@pytest.mark.parametrize(
    ("task_id", "rows", "said"),
    [
        ("pacemaker", 1, "Pacemaker or defibrillator lead: present (the weights of the head)"),
        ("lvef", 1, "Left ventricular ejection fraction: what raises the estimate (the weights of the head)"),
    ],
)
def test_the_sheet_says_that_a_head_answered(explained: Any, task_id: str, rows: int, said: str) -> None:
    facts = dict(stated(explained(task_id, torch.ones(rows, 64))))
    assert facts["Task"].endswith(f"({task_id}), answered by a trained head, without words")
    assert facts["Map of"] == said
    assert facts["Model"] == "Head, 1: UNTRAINED"


def test_what_a_head_does_not_have_is_a_clear_error(explained: Any) -> None:
    with pytest.raises(ConfigurationError, match="'lvef' is answered by a trained head, which has no values"):
        explained("lvef", torch.ones(1, 64), value=20)
    with pytest.raises(ConfigurationError, match="'lv_size' has no class 'huge'"):
        explained("lv_size", torch.ones(4, 64), outcome="huge")


def test_a_head_on_a_model_whose_towers_are_not_known_is_a_clear_error(
    untrained_pack: ModelPack, surroundings: Surroundings, clip: Clip, tmp_path: Path
) -> None:
    other = load_pack(pack_of_kind(surroundings.settings.packs_dir / "video", "video"))
    pack = load_pack(head_pack(tmp_path / "head", other, task_of("pacemaker"), torch.ones(1, 64)))
    with pytest.raises(ModelPackError, match="a head on a model of kind 'video'"):
        explain_clip(pack, surroundings, clip, "pacemaker")


def test_the_active_pack_is_explained_where_it_can_be(
    untrained_pack: ModelPack, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs_dir, data_dir = surroundings.settings.packs_dir, surroundings.settings.data_dir
    head_pack(packs_dir / "head", untrained_pack, task_of("pacemaker"), torch.ones(1, 64))
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "head")
    assert load_explainable_pack(load_settings(data_dir=data_dir)).identity.name == "Head"
    pack_of_kind(packs_dir / "video", "video")
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "video")
    with pytest.raises(ModelPackError, match="a model of kind 'video' has no heat maps"):
        load_explainable_pack(load_settings(data_dir=data_dir))


@pytest.mark.parametrize("asked", ["pacemaker", "lvef"])
def test_the_model_that_scores_shows_what_the_command_shows(
    untrained_pack: ModelPack, surroundings: Surroundings, clip: Clip, tmp_path: Path, asked: str
) -> None:
    """Of the head's own task, and of one that it leaves to its base."""
    weights = torch.randn(1, 64, generator=torch.Generator().manual_seed(3))
    pack = load_pack(head_pack(tmp_path / "head", untrained_pack, task_of("pacemaker"), weights))
    explanation = explain_clip(pack, surroundings, clip, asked)
    model = load_probe(pack, surroundings)
    assert isinstance(model, Explaining)
    support = model.support(clip.frames, explanation.result)
    assert support is not None
    np.testing.assert_allclose(on_one_scale(support), explanation.maps, atol=1e-4)
