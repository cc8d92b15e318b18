"""What is said of a synthetic clip: true where the picture shows it, false where it shows the opposite, else silent."""

from dataclasses import replace

import numpy as np
import pytest

from config.catalogue import load_catalogue
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from tests.support.phantoms import is_true
from worker.phantom.acquisition import PhantomView
from worker.phantom.captions import (
    DRAWN_IN,
    FUNCTION,
    LEAD_TASKS,
    LV_FUNCTION,
    NEVER_THERE,
    PAGE,
    SEEN_IN,
    VIEW,
    Sentence,
    answers,
    sentences,
)
from worker.phantom.heart import Device, Heart, sample_heart
from worker.phantom.slices import slice_at

CATALOGUE = load_catalogue()
SAID = sentences(CATALOGUE)
FOUR, FIVE = PhantomView.APICAL_FOUR_CHAMBER, PhantomView.APICAL_FIVE_CHAMBER


def heart_with(*devices: Device, **fixed: float) -> Heart:
    return sample_heart(np.random.default_rng(5), devices=frozenset(devices), **fixed)


def about(task_id: str) -> list[Sentence]:
    return [sentence for sentence in SAID if sentence.about == task_id]


def true_of(task_id: str, view: str, heart: Heart | None) -> list[Sentence]:
    known = answers(view, heart)
    return [sentence for sentence in about(task_id) if is_true(sentence, known)]


def test_every_prompt_of_a_question_that_a_phantom_answers_is_among_the_sentences_in_the_catalogues_order() -> None:
    asked = (*SEEN_IN.keys() - {LV_FUNCTION}, *Device, *LEAD_TASKS, *NEVER_THERE)
    for task_id in asked:
        task = CATALOGUE.task(task_id)
        assert task is not None, f"the catalogue has no {task_id}"
        prompts = [sentence.text for sentence in about(task_id) if sentence.text in task.filled_prompts()]
        assert sorted(prompts) == sorted(task.filled_prompts())
        if not isinstance(task, ClassTask):
            assert prompts == task.filled_prompts()
    assert {sentence.text for sentence in about(VIEW)} > {prompt for view in CATALOGUE.views for prompt in view.prompts}


def test_nothing_is_said_twice_with_another_meaning() -> None:
    meanings: dict[tuple[str, str], object] = {}
    for sentence in SAID:
        assert meanings.setdefault((sentence.about, sentence.text), sentence.answer) == sentence.answer


def test_questions_without_an_answer_in_a_phantom_have_no_sentences() -> None:
    told = {sentence.about for sentence in SAID}
    assert {"mitral_regurgitation", "ra_pressure", "impella_position"} & told == set()


def test_the_true_sentence_of_a_measurement_has_the_nearest_number() -> None:
    true = true_of("lvef", FOUR, heart_with(ejection_fraction=41.6))
    task = CATALOGUE.task("lvef")
    assert isinstance(task, RegressionTask)
    assert {sentence.answer for sentence in true} == {42}
    assert {text.replace("42", "{value}") for text in (s.text for s in true)} >= set(task.prompts)


def test_of_the_sizes_one_is_true_in_each_style() -> None:
    heart = heart_with(end_diastolic_volume_ml=190.0)
    true = true_of("lv_size", FOUR, heart)
    assert {sentence.answer for sentence in true} == {"moderate"}
    assert len(true) == len(about("lv_size")) / 4
    false = [s for s in about("lv_size") if is_true(s, answers(FOUR, heart)) is False]
    assert len(true) + len(false) == len(about("lv_size"))


@pytest.mark.parametrize(
    ("ejection_fraction", "grade"),
    [(29.9, "severely reduced"), (30.0, "moderately reduced"), (41.0, "mildly reduced"), (52.0, "normal")],
)
def test_function_in_words_follows_the_published_steps(ejection_fraction: float, grade: str) -> None:
    true = true_of(LV_FUNCTION, FOUR, heart_with(ejection_fraction=ejection_fraction))
    assert {sentence.answer for sentence in true} == {grade}
    assert {sentence.answer for sentence in about(LV_FUNCTION)} == set(FUNCTION)


@pytest.mark.parametrize("device", Device)
def test_a_device_is_affirmed_where_it_is_and_denied_where_it_is_not(device: Device) -> None:
    view = FIVE if device is Device.TAVR else FOUR
    task = CATALOGUE.task(device)
    assert isinstance(task, BinaryTask)
    there, not_there = true_of(device, view, heart_with(device)), true_of(device, view, heart_with())
    assert set(task.prompts) <= {sentence.text for sentence in there}
    assert not_there
    assert all(sentence.text.startswith(("No ", "The ")) for sentence in not_there)
    assert {s.text for s in there} & {s.text for s in not_there} == set()
    assert {s.text for s in there} | {s.text for s in not_there} == {s.text for s in about(device)}


def test_a_lead_lies_in_both_right_chambers() -> None:
    for task_id in LEAD_TASKS:
        assert true_of(task_id, FOUR, heart_with(Device.PACEMAKER))
        task = CATALOGUE.task(task_id)
        assert isinstance(task, BinaryTask)
        assert not {s.text for s in true_of(task_id, FOUR, heart_with())} & set(task.prompts)


def test_prostheses_that_no_phantom_has_are_denied() -> None:
    known = answers(FOUR, heart_with(*Device))
    assert {is_true(s, known) for task_id in NEVER_THERE for s in about(task_id)} == {False}


@pytest.mark.parametrize("view", [view for view in PhantomView if view is not PhantomView.ABDOMEN])
@pytest.mark.parametrize("device", Device)
def test_what_is_said_of_a_device_is_what_the_picture_shows(device: Device, view: PhantomView) -> None:
    from worker.phantom.acquisition import sample_acquisition  # noqa: PLC0415

    heart = heart_with(device)
    acquisition = sample_acquisition(np.random.default_rng(3), view, heart)
    x, z = np.meshgrid(np.linspace(-9, 9, 180, dtype=np.float32), np.linspace(0.5, 17, 165, dtype=np.float32))
    is_drawn = bool(slice_at(heart, acquisition, 0.3, x, z).device.any())
    assert (view in DRAWN_IN[device]) == is_drawn
    assert answers(view, heart)[device] == is_drawn


def test_a_view_says_only_what_it_shows() -> None:
    heart = heart_with(Device.PACEMAKER)
    assert "lvef" not in answers(PhantomView.SUBCOSTAL, heart)
    assert "ra_size" not in answers(PhantomView.APICAL_TWO_CHAMBER, heart)
    assert answers(PhantomView.APICAL_TWO_CHAMBER, heart)["pacemaker"] is False
    short = replace(heart, devices=frozenset())
    assert answers(PhantomView.PARASTERNAL_SHORT_AXIS, short)["lv_size"] == str(heart.lv_size)


@pytest.mark.parametrize("view", [PhantomView.ABDOMEN, PAGE])
def test_of_a_clip_without_a_heart_the_view_alone_is_known(view: str) -> None:
    assert answers(view, heart_with(Device.PACEMAKER)) == {VIEW: str(view)}
    assert answers(view, None) == {VIEW: str(view)}
    assert {s.answer for s in true_of(VIEW, view, None)} == {str(view)}
    assert is_true(about("lvef")[0], answers(view, None)) is None


def test_the_views_and_devices_that_are_told_of_are_the_catalogues() -> None:
    assert {str(view) for view in PhantomView} | {PAGE} <= {view.id for view in CATALOGUE.views}
    assert {str(device) for device in Device} <= {task.id for task in CATALOGUE.tasks}
