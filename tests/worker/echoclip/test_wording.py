"""A task is asked in the published words where there are any, and says whose words they are."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from config.catalogue import load_catalogue
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from config.errors import ModelPackError
from tests.support.packs import PROMPTS
from worker.echoclip.wording import worded
from worker.packs.published import PublishedTask

PUBLISHED = TypeAdapter(dict[str, PublishedTask]).validate_python(PROMPTS)
CODE = {"value": "1", "scheme": "SCT", "meaning": "something"}
COMMON: dict[str, Any] = {"id": "asked", "name": "Asked", "concept": CODE, "finding_site": CODE}


def regression(published_as: str | None) -> RegressionTask:
    return RegressionTask.model_validate(
        COMMON
        | {"kind": "regression", "prompts": ["Ours: {value}."], "values": {"first": 0, "last": 50}, "unit": CODE}
        | {"reportable": {"first": 3, "last": 8}, "published_as": published_as}
    )


def binary(published_as: str | None, *indices: int) -> BinaryTask:
    fields = {"prompts": ["Ours."], "published_as": published_as, "published_indices": indices}
    return BinaryTask.model_validate(COMMON | {"kind": "binary", **fields})


def classes(published_as: str | None, *which: dict[str, object]) -> ClassTask:
    outcomes = [
        {"id": f"class_{number}", "name": "A class", "concept": CODE | {"value": f"{number}"}}
        | {"prompts": [f"Ours, class {number}."], **fields}
        for number, fields in enumerate(which)
    ]
    return ClassTask.model_validate(COMMON | {"kind": "class", "classes": outcomes, "published_as": published_as})


def test_a_regression_takes_prompts_and_values() -> None:
    task, wording = worded(regression("pump_speed"), PUBLISHED)
    assert wording == "pack"
    assert isinstance(task, RegressionTask)
    assert task.filled_prompts()[:2] == ["SPEED OF THE PUMP: 2. ", "SPEED OF THE PUMP: 3. "]
    assert task.filled_prompts()[8:9] == ["PUMP AT 2. "]
    assert task.filled_values() == [*range(2, 10)] * 2
    assert task.reportable == regression(None).reportable
    assert task.id == "asked"


def test_a_finding_takes_concrete_prompts() -> None:
    task, wording = worded(binary("pump"), PUBLISHED)
    assert (task.filled_prompts(), wording) == (["PUMP 4CM DEEP. ", "PUMP. "], "pack")


def test_a_finding_may_be_some_of_the_published_ones() -> None:
    task, wording = worded(binary("pump", 1), PUBLISHED)
    assert (task.filled_prompts(), wording) == (["PUMP. "], "pack")


def test_classes_take_the_prompts_of_their_values() -> None:
    task, wording = worded(classes("size", {"published_values": [1]}, {"published_values": [2]}), PUBLISHED)
    assert isinstance(task, ClassTask)
    assert [outcome.prompts for outcome in task.classes] == [("SOMEWHAT LARGE. ", "LARGISH. "), ("VERY LARGE. ",)]
    assert wording == "pack"


def test_classes_take_the_prompts_at_their_places() -> None:
    task, wording = worded(classes("pump", {"published_indices": [1]}, {"published_indices": [0]}), PUBLISHED)
    assert (task.filled_prompts(), wording) == (["PUMP. ", "PUMP 4CM DEEP. "], "pack")


@pytest.mark.parametrize("lacking", [{}, {"published_values": [0]}])
def test_a_class_that_was_not_published_keeps_ours_and_the_wording_says_so(lacking: dict[str, object]) -> None:
    task, wording = worded(classes("size", lacking, {"published_values": [2]}), PUBLISHED)
    assert task.filled_prompts() == ["Ours, class 0.", "VERY LARGE. "]
    assert wording == "catalogue+pack"


@pytest.mark.parametrize("task", [binary("unheard_of"), regression(None), classes("size", {}, {})])
def test_what_was_not_published_is_asked_in_our_words(task: BinaryTask | RegressionTask | ClassTask) -> None:
    assert worded(task, PUBLISHED) == (task, "catalogue")


def test_without_published_prompts_all_is_asked_in_our_words() -> None:
    assert worded(binary("pump"), None) == (binary("pump"), "catalogue")


@pytest.mark.parametrize(
    ("task", "fault"),
    [
        (binary("pump_speed"), "pump_speed is of mode regression there, and a binary here"),
        (regression("pump"), "pump is of mode binary there, and a regression here"),
        (classes("pump", {"published_values": [1]}, {}), "pump has no values there"),
        (
            classes("pump", {"published_indices": [2]}, {}),
            "pump has 2 prompts there, and published_indices name number 2",
        ),
        (binary("pump", 7), "pump has 2 prompts there, and published_indices name number 7"),
    ],
)
def test_a_task_that_means_another_is_a_mistake(task: BinaryTask | RegressionTask | ClassTask, fault: str) -> None:
    with pytest.raises(ModelPackError, match=f"'asked'.*{fault}"):
        worded(task, PUBLISHED)


def outline(mode: str, prompts: int, **fields: object) -> dict[str, object]:
    """A task with as many prompts as the published one has, in words of ours."""
    number = " <#>" if mode == "regression" else ""
    return {"mode": mode, "label_sources": [f"PROMPT {index}{number}. " for index in range(prompts)], **fields}


OUTLINE = TypeAdapter(dict[str, PublishedTask]).validate_python(
    {
        "ejection_fraction": outline("regression", 2, range=[0, 100]),
        "pulmonary_artery_pressure_continuous": outline("regression", 3, range=[0, 100]),
        "pacemaker": outline("binary", 2),
        "impella": outline("binary", 4),
        "tavr": outline("binary", 1),
        "mitraclip": outline("binary", 3),
        "right_atrial_pressure": outline("categorical", 3, values=[2, 1, 0]),
        "left_ventricle_size": outline("categorical", 9, values=[1, 2, 3] * 3),
        "right_ventricle_size": outline("categorical", 3, values=[1, 2, 3]),
        "left_atrium_size": outline("categorical", 3, values=[1, 2, 3]),
        "right_atrium_size": outline("categorical", 3, values=[1, 2, 3]),
    }
)
"""What EchoCLIP's prompts file has, as far as our catalogue asks for it: keys, modes, numbers of prompts, values."""


def test_the_bundled_catalogue_finds_all_that_it_names_in_echoclips_file() -> None:
    tasks = [task for task in load_catalogue().tasks if task.published_as is not None]
    assert {task.published_as for task in tasks} == OUTLINE.keys()
    wordings = {task.id: worded(task, OUTLINE)[1] for task in tasks}
    sizes = {"lv_size", "rv_size", "la_size", "ra_size"}
    assert {task_id for task_id, wording in wordings.items() if wording != "pack"} == sizes
    assert {wordings[task_id] for task_id in sizes} == {"catalogue+pack"}
    pressure, _ = worded(next(task for task in tasks if task.id == "ra_pressure"), OUTLINE)
    assert isinstance(pressure, ClassTask)
    assert [outcome.prompts for outcome in pressure.classes] == [("PROMPT 2. ",), ("PROMPT 1. ",), ("PROMPT 0. ",)]
