"""The sheet of heat maps, by what can be found on it and by what it says."""

from dataclasses import replace

import numpy as np
import pytest

from config.catalogue import load_catalogue
from config.errors import ConfigurationError
from config.labels import ModelLabel
from db.results.runs import ClipAnswer, ModelIdentity, TaskResult, Verdict
from worker.echoclip.explaining import Explanation
from worker.echoclip.heat_sheet import NO_SUPPORT, frames_shown, heat_sheet, stated
from worker.echoclip.overlay import overlay
from worker.pixels.clip import Clip
from worker.pixels.drawing import RED
from worker.pixels.profiles import FAST, SIDE, UPSTREAM
from worker.pixels.regions import Content, Region

PROMPT = "Words that may not be passed on."


def explanation_of(
    *, label: ModelLabel = ModelLabel.UNTRAINED, support: float = 0.25, profile: str = FAST.name
) -> Explanation:
    """Three frames, each of one colour of its own, with heat in a corner of each but the last."""
    frames = np.zeros((3, SIDE, SIDE, 3), np.uint8)
    frames[..., 0], frames[..., 1] = 200, 50 * np.arange(3)[:, None, None]
    maps = np.zeros((3, SIDE, SIDE), np.float32)
    if support:
        maps[0, :20, :20], maps[1, :20, :20] = 1, 0.5
    task = load_catalogue().task("pacemaker")
    assert task is not None
    result = TaskResult(task_id="pacemaker", verdict=Verdict.UNCALIBRATED, score=0.1234, reason="no threshold")
    return Explanation(
        model=ModelIdentity(name="Model", version="3", family="f", label=label, digest="0" * 64),
        task=task,
        wording="pack",
        result=result,
        explained=result,
        prompts=(PROMPT,),
        clip=Clip(
            sop_instance_uid="1.2.3",
            frames=frames if profile == FAST.name else frames[..., ::-1],
            frame_numbers=(1, 4, 7),
            frame_times_ms=(0.0, 100.0, 200.0),
            time_origin="Frame Time",
            heart_rate=None,
            region=Region(left=0, top=0, right=300, bottom=300),
            region_origin="machine",
            pixel_spacing_mm=None,
            contents=frozenset({Content.TISSUE}),
            notes=(),
            profile=profile,
            rows=300,
            columns=300,
            transfer_syntax="1.2.840.10008.1.2.1",
            number_of_frames=10,
        ),
        support=support,
        maps=maps,
    )


def facts_of(explanation: Explanation) -> dict[str, str]:
    return dict(stated(explanation))


def holds(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether the picture is on the sheet, pixel by pixel."""
    starts = np.argwhere((sheet == picture[0, 0]).all(axis=-1))
    rows, columns = picture.shape[:2]
    return any(
        (sheet[top : top + rows, left : left + columns] == picture).all()
        for top, left in starts
        if top + rows <= len(sheet) and left + columns <= sheet.shape[1]
    )


@pytest.mark.parametrize("profile", [FAST.name, UPSTREAM.name])
def test_every_frame_is_on_it_with_its_map_over_it_in_its_own_colours(profile: str) -> None:
    explanation = explanation_of(profile=profile)
    sheet = np.asarray(heat_sheet(explanation, range(3)))
    for picture in overlay(explanation_of().clip.frames, explanation.maps):
        assert holds(sheet, picture)


def test_a_single_frame_is_shown_with_and_without_its_map() -> None:
    explanation = explanation_of()
    sheet = np.asarray(heat_sheet(explanation, [1]))
    frames = explanation.clip.frames
    assert holds(sheet, frames[1])
    assert holds(sheet, overlay(frames, explanation.maps)[1])
    assert not holds(sheet, frames[2])


def test_it_says_whose_numbers_these_are() -> None:
    facts = facts_of(explanation_of())
    assert facts["Model"] == "Model, 3: UNTRAINED"
    assert "the numbers mean nothing" in facts["Use"]
    assert "same holds for the maps" in facts["Use"]
    assert (
        facts["Task"] == "Pacemaker or defibrillator lead (pacemaker), in the words that the model was published with"
    )
    assert facts["This clip"].startswith("UNCALIBRATED")
    assert "0.1234" in facts["This clip"]
    assert facts["Map of"] == "Pacemaker or defibrillator lead: present (1 prompt)"
    assert "no outline" in facts["Note"]


@pytest.mark.parametrize("label", list(ModelLabel))
def test_what_means_nothing_is_red(label: ModelLabel) -> None:
    facts = facts_of(explanation_of(label=label))
    sheet = np.asarray(heat_sheet(explanation_of(label=label), [2]))
    means_nothing = label in (ModelLabel.UNTRAINED, ModelLabel.DEMO)
    assert facts["Model"].endswith(f": {label}")
    assert ("same holds for the maps" in facts["Use"]) == means_nothing
    assert (sheet == RED).all(axis=-1).any() == means_nothing


def test_it_quotes_no_prompt() -> None:
    assert not any(PROMPT in text for text in facts_of(explanation_of()).values())


def test_maps_without_anything_are_said_to_be_so() -> None:
    assert (
        facts_of(explanation_of(support=0))["Scale"]
        == "nothing in the clip speaks for it: the maps are zero everywhere"
    )
    assert "zero everywhere" in NO_SUPPORT
    assert facts_of(explanation_of())["Scale"] == (
        "1 is the largest value of all sampled frames, 0.25 before it was scaled; "
        "nothing speaks for it in 1 of 3 frames"
    )


def test_an_estimate_is_said_as_it_is_and_explained_as_its_prompts_have_it() -> None:
    task = load_catalogue().task("lvef")
    assert task is not None
    answer = ClipAnswer(sop_instance_uid="1.2.3", value=43.75)
    result = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=43.75, clips=(answer,))
    facts = facts_of(replace(explanation_of(), task=task, result=result, explained=replace(result, value=20.0)))
    assert "43.8" in facts["This clip"]
    assert facts["Map of"] == "Left ventricular ejection fraction of 20 percent (1 prompt)"
    assert facts_of(replace(explanation_of(), task=task, result=result, explained=result))["Map of"].startswith(
        "Left ventricular ejection fraction of 44 percent"
    )


def test_a_class_is_named() -> None:
    task = load_catalogue().task("lv_size")
    assert task is not None
    result = TaskResult(task_id="lv_size", verdict=Verdict.UNCALIBRATED, outcome="mild", reason="no cut points")
    facts = facts_of(replace(explanation_of(), task=task, result=result, explained=replace(result, outcome="severe")))
    assert "most like mildly enlarged" in facts["This clip"]
    assert facts["Map of"].startswith("Left ventricular size: severely enlarged")


def test_a_frame_is_named_by_its_number_in_the_instance() -> None:
    explanation = explanation_of()
    assert list(frames_shown(explanation, None)) == [0, 1, 2]
    assert list(frames_shown(explanation, 4)) == [1]
    with pytest.raises(ConfigurationError, match="frame 2 is none of those that the model was shown: 1, 4, 7"):
        frames_shown(explanation, 2)
