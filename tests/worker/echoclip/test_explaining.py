"""Which prompts stand for an answer, and what an explanation of one clip holds."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from config.errors import ConfigurationError
from config.settings import Settings, load_settings
from db.results.runs import ClipAnswer, TaskResult, Verdict
from tests.support.clips import SMALL
from worker.echoclip.explaining import Explanation, explain_clip, prompts_to_explain
from worker.echoclip.grad_cam import heat_maps
from worker.echoclip.towers import Towers
from worker.models import Surroundings
from worker.packs.folder import ModelPack, load_pack
from worker.packs.manifest import MANIFEST, PROMPTS, write_manifest
from worker.pixels.clip import Clip, read_clip

CODE = {"value": "1", "scheme": "SCT", "meaning": "something"}
COMMON: dict[str, Any] = {"id": "asked", "name": "Asked", "concept": CODE, "finding_site": CODE}
NUMBER = RegressionTask.model_validate(
    COMMON
    | {"kind": "regression", "prompts": ["Filled to {value}.", "{value} full."]}
    | {"values": {"first": 10, "last": 20}, "unit": CODE}
)
FINDING = BinaryTask.model_validate(COMMON | {"kind": "binary", "prompts": ["It is there.", "One sees it."]})
GRADES = ClassTask.model_validate(
    COMMON
    | {"kind": "class"}
    | {
        "classes": [
            {"id": "low", "name": "Low", "concept": CODE, "prompts": ["It is low.", "Low."]},
            {"id": "high", "name": "High", "concept": CODE | {"value": "2"}, "prompts": ["It is high."]},
        ]
    }
)


def result(verdict: Verdict, **fields: Any) -> TaskResult:
    return TaskResult(task_id="asked", verdict=verdict, **fields)


@pytest.mark.parametrize(
    ("estimate", "value"), [(13.2, 13), (13.5, 13), (13.6, 14), (10.0, 10), (20.0, 20), (4.0, 10), (99.0, 20)]
)
def test_an_estimate_is_explained_by_the_prompts_of_the_value_nearest_to_it(estimate: float, value: int) -> None:
    prompts = prompts_to_explain(NUMBER, result(Verdict.MEASURED, value=estimate))
    assert prompts == [f"Filled to {value}.", f"{value} full."]


def test_an_estimate_that_is_not_reported_is_explained_as_well() -> None:
    clips = tuple(ClipAnswer(sop_instance_uid=f"1.{number}", value=number) for number in (18.0, 11.0, 12.0, 19.0))
    abstained = result(Verdict.ABSTAINED, reason="not reportable", clips=clips)
    assert prompts_to_explain(NUMBER, abstained) == ["Filled to 12.", "12 full."]


@pytest.mark.parametrize("verdict", [Verdict.PRESENT, Verdict.ABSENT, Verdict.UNCALIBRATED])
def test_a_finding_is_explained_by_all_its_prompts(verdict: Verdict) -> None:
    assert prompts_to_explain(FINDING, result(verdict, score=0.1)) == ["It is there.", "One sees it."]


@pytest.mark.parametrize("verdict", [Verdict.CLASSIFIED, Verdict.UNCALIBRATED])
def test_a_class_is_explained_by_its_own_prompts(verdict: Verdict) -> None:
    assert prompts_to_explain(GRADES, result(verdict, outcome="low")) == ["It is low.", "Low."]
    assert prompts_to_explain(GRADES, result(verdict, outcome="high")) == ["It is high."]


@pytest.mark.parametrize("task", [NUMBER, FINDING, GRADES], ids=lambda task: task.kind)
def test_where_there_is_no_answer_there_is_nothing_to_explain(task: RegressionTask | BinaryTask | ClassTask) -> None:
    assert prompts_to_explain(task, result(Verdict.ABSTAINED, reason="no usable clip")) == []


@pytest.fixture(scope="module")
def clip() -> Clip:
    whole = read_clip(SMALL)
    first = slice(3)
    return replace(
        whole,
        frames=whole.frames[first],
        frame_numbers=whole.frame_numbers[first],
        frame_times_ms=whole.frame_times_ms[first],
    )


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_MODEL__DEVICE", "cpu")
    monkeypatch.setenv("ECHOWORKER_MODEL__PRECISION", "float32")
    return load_settings()


def explained(pack: ModelPack, settings: Settings, clip: Clip, task_id: str, **choice: Any) -> Explanation:
    surroundings = Surroundings(settings=settings, catalogue=load_catalogue(), cache=settings.data_dir / "cache")
    return explain_clip(pack, surroundings, clip, task_id, **choice)


@pytest.mark.parametrize(
    ("task_id", "choice"),
    [
        ("pacemaker", {}),
        ("lvef", {}),
        ("lvef", {"value": 20}),
        ("lv_size", {}),
        ("lv_size", {"outcome": "severe", "is_blurred": True}),
    ],
)
def test_the_maps_are_those_of_the_prompts_of_the_answer(
    untrained_pack: ModelPack, towers: Towers, settings: Settings, clip: Clip, task_id: str, choice: dict[str, Any]
) -> None:
    explanation = explained(untrained_pack, settings, clip, task_id, **choice)
    task = catalogue_task(load_catalogue(), task_id)
    answer = explanation.result
    if "value" in choice:
        answer = replace(answer, value=float(choice["value"]))
    if "outcome" in choice:
        answer = replace(answer, outcome=choice["outcome"])
    prompts = prompts_to_explain(task, answer)
    assert list(explanation.prompts) == prompts
    maps = heat_maps(towers, clip.frames, towers.embed_prompts(prompts), is_blurred=choice.get("is_blurred", False))
    np.testing.assert_allclose(explanation.maps, maps, atol=1e-4)
    assert explanation.wording == "catalogue"
    assert explanation.model == untrained_pack.identity


def test_the_answer_is_that_of_the_clip_by_itself(
    untrained_pack: ModelPack, towers: Towers, settings: Settings, clip: Clip
) -> None:
    explanation = explained(untrained_pack, settings, clip, "pacemaker")
    prompts = catalogue_task(load_catalogue(), "pacemaker").filled_prompts()
    cosines = towers.embed_frames(torch.from_numpy(clip.frames)).double() @ towers.embed_prompts(prompts).double().T
    assert explanation.result.verdict is Verdict.UNCALIBRATED
    assert explanation.result.score == pytest.approx(float(cosines.mean()), abs=1e-6)


def test_a_question_is_asked_whatever_was_found_before(
    untrained_pack: ModelPack, settings: Settings, clip: Clip
) -> None:
    """The position of an Impella is not asked of a study without one; here somebody wants to see it."""
    explanation = explained(untrained_pack, settings, clip, "impella_position", outcome="deep")
    assert explanation.result.verdict is Verdict.UNCALIBRATED
    assert explanation.result.outcome is not None
    assert explanation.explained.outcome == "deep"


def test_a_pack_with_prompts_of_its_own_is_explained_by_those(
    untrained_folder: Path, settings: Settings, clip: Clip, tmp_path: Path
) -> None:
    key = catalogue_task(load_catalogue(), "mitraclip").published_as
    assert key is not None
    folder = Path(shutil.copytree(untrained_folder, tmp_path / "pack"))
    (folder / PROMPTS).write_text(f'{{"{key}": {{"mode": "binary", "label_sources": ["INVENTED CLIP. ", "CLIP. "]}}}}')
    (folder / MANIFEST).unlink()
    label = load_pack(untrained_folder).identity.label
    write_manifest(folder, name="Worded", version="1", family="untrained", label=label, licence="none")
    explanation = explained(load_pack(folder), settings, clip, "mitraclip")
    assert explanation.prompts == ("INVENTED CLIP. ", "CLIP. ")
    assert explanation.wording == "pack"


@pytest.mark.parametrize(
    ("task_id", "choice", "fault"),
    [
        ("lung", {}, "no task 'lung'"),
        ("lvef", {"value": 101}, "prompts for 0 to 100, not for 101"),
        ("lvef", {"outcome": "mild"}, "has no classes"),
        ("pacemaker", {"value": 1}, "has no values"),
        ("lv_size", {"value": 1}, "has no values"),
        ("lv_size", {"outcome": "huge"}, "has no class 'huge', but normal, mild, moderate, severe"),
    ],
)
def test_what_a_task_does_not_have_is_a_clear_error(
    untrained_pack: ModelPack, settings: Settings, clip: Clip, task_id: str, choice: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        explained(untrained_pack, settings, clip, task_id, **choice)


def catalogue_task(catalogue: Catalogue, task_id: str) -> RegressionTask | BinaryTask | ClassTask:
    task = catalogue.task(task_id)
    assert task is not None
    return task
