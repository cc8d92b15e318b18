"""How changes are counted, and how far two models agree."""

from dataclasses import replace

import pytest

from config.catalogue import load_catalogue
from config.sections.rescore import ReportAgainSettings
from db.rescoring.rescored import Answer
from worker.rescoring.agreement import agreement_of
from worker.rescoring.changes import changes_of, count_changes, is_worth_a_report

FRACTION = Answer(task_id="lvef", verdict="MEASURED", value=55.0, score=None, outcome=None, method="zero-shot")
VALVE = Answer(task_id="tavr", verdict="ABSENT", value=None, score=0.1, outcome=None, method="zero-shot")
GRADE = Answer(
    task_id="aortic_stenosis", verdict="CLASSIFIED", value=None, score=0.4, outcome="none", method="zero-shot"
)
PRESENT = replace(VALVE, verdict="PRESENT", score=0.3)


def by_task(*answers: Answer) -> dict[str, Answer]:
    return {answer.task_id: answer for answer in answers}


def test_half_precision_is_no_change_and_kept_embeddings_are_no_other_method() -> None:
    after = by_task(replace(VALVE, score=0.1004, method="zero-shot, kept embeddings"), FRACTION)
    assert count_changes(by_task(VALVE, FRACTION), after, None).values == 0


@pytest.mark.parametrize(
    ("after", "values", "answers"),
    [
        (replace(VALVE, score=0.12), 1, 0),
        (PRESENT, 1, 1),
        (replace(VALVE, verdict="ABSTAINED", score=None), 1, 1),
        (replace(VALVE, method="linear probe"), 1, 0),  # its score is on a scale of its own
    ],
)
def test_what_counts_as_a_change(after: Answer, values: int, answers: int) -> None:
    found = count_changes(by_task(VALVE), by_task(after), None)
    assert (found.values, found.answers) == (values, answers)


def test_only_the_tasks_that_were_named_are_compared() -> None:
    after = by_task(PRESENT, replace(FRACTION, value=30.0))
    assert count_changes(by_task(VALVE, FRACTION), after, ["lvef"]).answers == 0
    assert set(changes_of([(by_task(VALVE, FRACTION), after)], ["lvef"])["tasks"]) == {"lvef"}


def test_how_far_values_moved_is_told_as_a_distribution() -> None:
    pairs = [(by_task(FRACTION), by_task(replace(FRACTION, value=55.0 + step))) for step in range(-2, 9)]
    moved = changes_of(pairs, None)["tasks"]["lvef"]["moved"]
    assert (moved["smallest"], moved["median"], moved["largest"]) == (-2, 3, 8)


@pytest.mark.parametrize(
    ("configured", "after", "is_worth_one"),
    [
        ({"answers": True}, PRESENT, True),
        ({"answers": True}, replace(VALVE, score=0.2), False),
        ({"answers": False}, PRESENT, False),
        ({"answers": False, "values": {"lvef": 10.0}}, replace(FRACTION, value=45.0), False),
        ({"answers": False, "values": {"lvef": 10.0}}, replace(FRACTION, value=44.0), True),
    ],
)
def test_which_change_is_worth_a_report(configured: dict[str, object], after: Answer, is_worth_one: bool) -> None:
    settings = ReportAgainSettings.model_validate({"answers": False, **configured})
    assert is_worth_a_report(
        by_task(VALVE, FRACTION), {**by_task(VALVE, FRACTION), **by_task(after)}, settings, None
    ) is (is_worth_one)


def test_agreement_is_told_by_kappa_and_by_limits() -> None:
    pairs = [(by_task(VALVE), by_task(VALVE))] * 6 + [(by_task(PRESENT), by_task(PRESENT))] * 3
    pairs.append((by_task(VALVE), by_task(PRESENT)))
    valve = agreement_of(pairs, load_catalogue(), None)["tasks"]["tavr"]
    assert (valve["pairs"], valve["both_answer"], valve["agreement"]) == (10, 10, 0.9)
    # By hand: 0.9 agree, 0.7 * 0.6 + 0.3 * 0.4 = 0.54 by chance.
    assert valve["kappa"] == pytest.approx((0.9 - 0.54) / (1 - 0.54))
    moved = [(by_task(FRACTION), by_task(replace(FRACTION, value=55.0 + step))) for step in (1.0, 3.0)]
    fraction = agreement_of(moved, load_catalogue(), None)["tasks"]["lvef"]
    assert fraction["mean_difference"] == pytest.approx(2.0)
    assert fraction["limits_of_agreement"] == pytest.approx([2 - 1.96 * 2**0.5, 2 + 1.96 * 2**0.5])


def test_of_ordered_classes_a_near_miss_costs_less() -> None:
    names = ["none", "mild", "severe"]
    grades = load_catalogue().task("aortic_stenosis")
    classes = [outcome.id for outcome in grades.classes]  # type: ignore[union-attr]
    assert len(classes) >= len(names)
    said = [by_task(replace(GRADE, outcome=outcome)) for outcome in classes]
    near = [(said[0], said[0]), (said[-1], said[-1]), (said[0], said[1])]
    far = [(said[0], said[0]), (said[-1], said[-1]), (said[0], said[-1])]
    kappas = [agreement_of(pairs, load_catalogue(), None)["tasks"]["aortic_stenosis"] for pairs in (near, far)]
    assert kappas[0]["kappa_weights"] == "quadratic"
    assert kappas[0]["kappa"] > kappas[1]["kappa"]
