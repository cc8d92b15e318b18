"""The questions that come with the software: all that were promised, coded, and worded without favour."""

import re
from itertools import combinations

import pytest

from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask

CATALOGUE = load_catalogue()
VALVES = ("mitral", "tricuspid", "aortic", "pulmonary")
SEVERITY = ["none", "mild", "moderate", "severe"]
SIZE = ["normal", "mild", "moderate", "severe"]
GRADE_WORDS = re.compile(
    r"\b(no|none|normal|in size|of|dimensions|(mild|moderate|severe)(ly)?|enlarged|increased|dilated)\b", re.IGNORECASE
)


def of(kind: type[AnyTask]) -> list[AnyTask]:
    return [task for task in CATALOGUE.tasks if isinstance(task, kind)]


def test_every_question_is_there() -> None:
    assert {task.id for task in of(RegressionTask)} == {"lvef", "pa_pressure"}
    assert {task.id for task in of(BinaryTask)} == {
        "pacemaker", "pacemaker_lead_rv", "pacemaker_lead_ra", "impella", "tavr", "mitraclip", "lvad_cannula",
        "aortic_prosthesis", "mitral_prosthesis", "mitral_ring", "tricuspid_prosthesis", "tricuspid_ring",
    }  # fmt: skip
    classes = {task.id: [outcome.id for outcome in task.classes] for task in of(ClassTask) if task.kind == "class"}
    assert classes == {
        "ra_pressure": ["normal", "elevated", "significantly_elevated"],
        **{f"{chamber}_size": SIZE for chamber in ("lv", "rv", "la", "ra")},
        **{f"{valve}_{lesion}": SEVERITY for valve in VALVES for lesion in ("regurgitation", "stenosis")},
        "impella_position": ["correct", "mitral", "aortic", "deep"],
    }


def test_where_a_pump_lies_is_asked_where_there_is_one() -> None:
    position = CATALOGUE.task("impella_position")
    assert isinstance(position, ClassTask)
    assert (position.asked_if, position.ordered) == ("impella", False)
    assert [task.id for task in CATALOGUE.tasks if task.asked_if] == ["impella_position"]


def test_the_published_threshold_does_not_hold_for_our_own_wording() -> None:
    pacemaker = CATALOGUE.task("pacemaker")
    assert isinstance(pacemaker, BinaryTask)
    assert pacemaker.threshold_for("echo-clip", "catalogue") is None
    threshold = pacemaker.threshold_for("echo-clip", "pack")
    assert threshold is not None
    assert (threshold.value, threshold.preprocessing) == (0.298, "upstream-1")
    assert pacemaker.threshold_for("another-family", "pack") is None


def test_nothing_else_is_calibrated() -> None:
    """Nobody has published more: a threshold that we made up would be taken for one."""
    calibrated = [
        task.id for task in CATALOGUE.tasks if getattr(task, "thresholds", ()) or getattr(task, "cut_points", ())
    ]
    assert calibrated == ["pacemaker"]


@pytest.mark.parametrize("task", of(ClassTask), ids=lambda task: task.id)
def test_no_class_is_favoured_by_its_wording(task: ClassTask) -> None:
    """As many prompts for each class, of about one length; grades and sizes in the same words but for the grade."""
    assert len({len(outcome.prompts) for outcome in task.classes}) == 1
    for prompts in zip(*(outcome.prompts for outcome in task.classes), strict=True):
        lengths = [len(prompt.split()) for prompt in prompts]
        assert max(lengths) - min(lengths) <= 5, prompts
        if {outcome.id for outcome in task.classes} >= {"mild", "moderate", "severe"}:
            assert len({" ".join(GRADE_WORDS.sub("", prompt).split()) for prompt in prompts}) == 1, prompts


def test_no_two_questions_are_asked_in_the_same_words() -> None:
    shared = {
        (one.id, other.id)
        for one, other in combinations(CATALOGUE.tasks, 2)
        if set(one.filled_prompts()) & set(other.filled_prompts())
    }
    # The whole is asked of both chambers at once, each part of its own.
    assert shared == {("pacemaker", "pacemaker_lead_rv"), ("pacemaker", "pacemaker_lead_ra")}


def test_the_keys_of_the_published_prompts_are_named_where_there_are_any() -> None:
    named = {task.id: task.published_as for task in CATALOGUE.tasks if task.published_as}
    assert named == {
        "lvef": "ejection_fraction",
        "pa_pressure": "pulmonary_artery_pressure_continuous",
        "ra_pressure": "right_atrial_pressure",
        "lv_size": "left_ventricle_size",
        "rv_size": "right_ventricle_size",
        "la_size": "left_atrium_size",
        "ra_size": "right_atrium_size",
        "pacemaker": "pacemaker",
        "pacemaker_lead_rv": "pacemaker",
        "pacemaker_lead_ra": "pacemaker",
        "impella": "impella",
        "impella_position": "impella",
        "tavr": "tavr",
        "mitraclip": "mitraclip",
    }


def test_each_view_is_one_in_which_the_site_is_seen() -> None:
    """The inferior vena cava from below the ribs alone; the pulmonary valve in none of the apical views."""
    pressure, regurgitation = CATALOGUE.task("ra_pressure"), CATALOGUE.task("pulmonary_regurgitation")
    assert pressure is not None
    assert regurgitation is not None
    assert pressure.views == ("subcostal",)
    assert not [view for view in regurgitation.views if view.startswith("apical")]
    assert all(task.views for task in CATALOGUE.tasks)


def test_the_bundled_views_are_the_standard_ones_of_the_heart_and_what_else_a_machine_sends() -> None:
    views = CATALOGUE.views
    assert {view.id for view in views if view.heart} == {
        "apical_four_chamber", "apical_two_chamber", "apical_three_chamber", "apical_five_chamber",
        "parasternal_long_axis", "parasternal_short_axis", "subcostal", "suprasternal",
    }  # fmt: skip
    assert {view.id for view in views if not view.heart} == {"abdomen", "lung", "vessel", "obstetric", "page"}
    assert not [prompt for view in views for prompt in view.prompts if re.search(r"\b(no|not|without)\b", prompt)]
