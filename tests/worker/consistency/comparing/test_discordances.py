"""What is called a discordance, with the bundled rules and a model of known errors, and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import load_catalogue
from db.consistency.discordances import MODEL, Discordance, Severity
from db.results.runs import ClipAnswer, TaskResult, Verdict
from worker.consistency.comparing.comparable import comparable
from worker.consistency.comparing.comparison import Comparison, Found, Reported
from worker.consistency.comparing.discordances import discordances
from worker.consistency.comparing.rule_kinds import KnownError, KnownQuality
from worker.consistency.comparing.rules import Rules, load_rules
from worker.consistency.statements import Certainty, Quantity, SourceKind, Statement, When

ERRORS = {"lvef": 6.0, "pa_pressure": 8.0}
"""Of the model of these tests, whatever the one that is bundled has."""
CATALOGUE = load_catalogue()
RULES = load_rules().model_copy(
    update={
        "errors": tuple(
            KnownError(family="phantom-demo", field=field, mean_absolute_error=error, origin="this test")
            for field, error in ERRORS.items()
        )
    }
)
TEXT, MACHINE = SourceKind.TEXT_REPORT, SourceKind.MEASUREMENT_REPORT


def percent(low: float | None, high: float | None) -> Quantity:
    return Quantity(low=low, high=high, unit="%")


def ejection_fraction(low: float | None, high: float | None = None, **more: Any) -> Statement:
    return Statement(field="lvef", start=3, end=9, quantity=percent(low, low if high is None else high), **more)


def device(field: str, *, is_present: bool, **more: Any) -> Statement:
    return Statement(field=field, start=0, end=5, is_present=is_present, **more)


def graded(field: str, grade: str, to: str | None = None) -> Statement:
    return Statement(field=field, start=0, end=5, grade=grade, grade_to=to)


def report(*statements: Statement, kind: SourceKind = TEXT, name: str = "text") -> Reported:
    return Reported(id=name, kind=kind, statements=statements)


def measured(value: float, task_id: str = "lvef") -> TaskResult:
    clips = (ClipAnswer(sop_instance_uid="1.2.3", value=value),)
    return TaskResult(task_id=task_id, verdict=Verdict.MEASURED, value=value, clips=clips)


def seen(task_id: str, verdict: Verdict, agreement: float = 1.0) -> TaskResult:
    return TaskResult(task_id=task_id, verdict=verdict, agreement=agreement)


def classified(task_id: str, outcome: str, agreement: float = 1.0) -> TaskResult:
    return TaskResult(task_id=task_id, verdict=Verdict.CLASSIFIED, outcome=outcome, agreement=agreement)


def found(*results: TaskResult, family: str = "phantom-demo", study: str = "1.2") -> Found:
    return Found.of(results, family=family, study_instance_uid=study)


def compared(model: Found, *reports: Reported, **more: Any) -> tuple[Discordance, ...]:
    return discordances(Comparison(found=model, catalogue=CATALOGUE, rules=RULES, reports=reports, **more))


def rules_of(found: Sequence[Discordance]) -> list[str]:
    return [discordance.rule for discordance in found]


def test_a_number_far_from_the_models_is_one_with_both_sides() -> None:
    (one,) = compared(found(measured(30.0)), report(ejection_fraction(55, 60), name="1.9"))
    assert (one.rule, one.rules_version, one.field) == ("lvef-differs", RULES.version, "lvef")
    assert one.severity is Severity.MAJOR
    reported, model = one.sides
    assert (reported.source, reported.said, reported.start, reported.end) == ("1.9", "55 to 60 %", 3, 9)
    assert (model.source, model.said, model.clips) == (MODEL, "30.0 %", ("1.2.3",))


@pytest.mark.parametrize(
    ("value", "low", "high", "is_one"),
    [
        (48.0, 55, 60, False),  # 7 from the nearer end
        (44.0, 58, 63, False),  # 14, and 50 lies between: less than two and a half known errors
        (42.0, 58, 63, True),  # 16, and 50 lies between
        (52.0, 69, 69, False),  # 17, and no limit lies between
        (52.0, 71, 71, True),  # 19
        (20.0, 33, 33, False),  # 13, no limit
        (24.0, 37, 37, False),  # 13 across 35
        (20.0, 36, 36, True),  # 16 across 35
        (75.0, 70, None, False),  # "above 70"
        (40.0, 70, None, True),
        (30.0, None, 35, False),  # "below 35"
    ],
)
def test_differences_count_from_the_nearer_end_and_limits_make_smaller_ones_count(
    value: float, low: float | None, high: float | None, is_one: bool
) -> None:
    statement = Statement(field="lvef", start=0, end=1, quantity=percent(low, high))
    assert rules_of(compared(found(measured(value)), report(statement))) == (["lvef-differs"] if is_one else [])


def test_a_model_whose_error_is_larger_needs_a_larger_difference() -> None:
    less_sure = RULES.model_copy(
        update={"errors": tuple(e.model_copy(update={"mean_absolute_error": 14.0}) for e in RULES.errors)}
    )
    comparison = Comparison(
        found=found(measured(30.0)), catalogue=CATALOGUE, rules=less_sure, reports=[report(ejection_fraction(66))]
    )
    assert rules_of(discordances(comparison)) == ["lvef-differs"]  # 36, across limits
    nearer = replace(comparison, reports=[report(ejection_fraction(64))])
    assert not discordances(nearer)  # 34 across limits, and less than two and a half known errors


def test_of_a_model_of_which_no_error_is_known_no_number_is_compared() -> None:
    assert not compared(found(measured(10.0), family="new"), report(ejection_fraction(70)))


@pytest.mark.parametrize(
    "unfit",
    [
        {"when": When.HISTORY},
        {"certainty": Certainty.POSSIBLE},
    ],
)
def test_what_is_of_an_earlier_time_or_unsure_is_not_compared(unfit: dict[str, Any]) -> None:
    assert not compared(found(measured(30.0)), report(ejection_fraction(60, **unfit)))
    assert not compared(found(seen("tavr", Verdict.ABSENT)), report(device("tavr", is_present=True, **unfit)))


@pytest.mark.parametrize("verdict", [Verdict.ABSTAINED, Verdict.UNCALIBRATED])
def test_where_the_model_gives_no_answer_there_is_no_discordance(verdict: Verdict) -> None:
    silent = [seen(task.id, verdict) for task in CATALOGUE.tasks]
    said = [ejection_fraction(60), device("tavr", is_present=True), graded("mitral_regurgitation", "severe")]
    assert not compared(found(*silent), report(*said))


def test_the_farthest_of_a_texts_numbers_and_the_first_of_a_machines_are_compared() -> None:
    numbers = (ejection_fraction(33), ejection_fraction(60))
    text, machine = report(*numbers), report(*numbers, kind=MACHINE, name="machine")
    assert rules_of(compared(found(measured(30.0)), machine)) == []
    (differs, contradictory) = compared(found(measured(30.0)), text)
    assert differs.sides[0].said == "60 %"
    assert contradictory.rule == "lvef-reported-differently"
    assert [side.said for side in contradictory.sides] == ["33 %", "60 %"]


def test_two_reports_that_name_different_numbers_are_one_whatever_the_model_says() -> None:
    reports = [report(ejection_fraction(60)), report(ejection_fraction(30), kind=MACHINE, name="machine")]
    (one,) = compared(found(), *reports)
    assert (one.rule, one.severity, one.confidence) == ("lvef-reported-differently", Severity.MAJOR, None)
    assert {side.source for side in one.sides} == {"text", "machine"}
    near = [reports[0], report(ejection_fraction(52), kind=MACHINE, name="machine")]
    assert not compared(found(), *near)


def test_grades_two_steps_apart_are_one_and_ranges_count_from_the_nearer_end() -> None:
    model = found(classified("mitral_regurgitation", "severe"))
    (one,) = compared(model, report(graded("mitral_regurgitation", "mild")))
    assert (one.rule, one.severity) == ("valve-grade-differs", Severity.MAJOR)
    assert [side.said for side in one.sides] == ["mild", "severe"]
    assert not compared(model, report(graded("mitral_regurgitation", "mild", "moderate")))
    unsure = found(classified("mitral_regurgitation", "severe", agreement=0.4))
    assert not compared(unsure, report(graded("mitral_regurgitation", "mild")))


def test_a_grade_within_a_reported_range_is_none_however_strict_the_rule() -> None:
    strict = RULES.model_copy(update={"grades": tuple(r.model_copy(update={"distance": 1}) for r in RULES.grades)})
    comparison = Comparison(
        found=found(classified("mitral_regurgitation", "moderate")),
        catalogue=CATALOGUE,
        rules=strict,
        reports=[report(graded("mitral_regurgitation", "none", "severe"))],
    )
    assert not discordances(comparison)
    beside = [report(graded("mitral_regurgitation", "none", "mild"))]
    assert rules_of(discordances(replace(comparison, reports=beside))) == ["valve-grade-differs"]


def test_a_device_that_the_text_denies_or_leaves_out() -> None:
    model = found(seen("mitraclip", Verdict.PRESENT, 0.95))
    (denied,) = compared(model, report(device("mitraclip", is_present=False)))
    assert (denied.rule, denied.severity, denied.sides[0].said) == (
        "device-in-images-only",
        Severity.MAJOR,
        "absent",
    )
    (left_out,) = compared(model, report(ejection_fraction(60)))
    assert (left_out.sides[0].said, left_out.sides[0].start) == ("not mentioned", None)
    assert not compared(found(seen("mitraclip", Verdict.PRESENT, 0.8)), report(ejection_fraction(60)))
    assert not compared(model, report(device("mitraclip", is_present=True)))
    assert not compared(model, report()), "nothing was read in it: it leaves nothing out"
    assert not compared(model, report(ejection_fraction(60), kind=MACHINE)), "machines name no devices"
    unsure = device("mitraclip", is_present=True, certainty=Certainty.POSSIBLE)
    assert not compared(model, report(unsure, ejection_fraction(60))), "it does speak of it"


def test_a_device_of_the_text_that_is_not_in_the_images() -> None:
    text = report(device("tavr", is_present=True))
    (one,) = compared(found(seen("tavr", Verdict.ABSENT)), text)
    assert (one.rule, one.sides[0].said, one.sides[1].said) == ("device-in-report-only", "present", "absent")
    assert not compared(found(seen("tavr", Verdict.ABSENT, 0.6)), text)


def test_kin_of_a_device_stand_for_it() -> None:
    surgical = report(device("aortic_prosthesis", is_present=True))
    assert not compared(found(seen("tavr", Verdict.PRESENT)), surgical)
    both = found(seen("tavr", Verdict.PRESENT), seen("aortic_prosthesis", Verdict.ABSENT))
    assert not compared(both, surgical)
    lead = report(device("pacemaker_lead_rv", is_present=True))
    assert not compared(found(seen("pacemaker", Verdict.PRESENT)), lead)


def test_a_change_since_the_last_study() -> None:
    earlier = found(measured(60.0), study="1.1")
    (one,) = compared(found(measured(35.0)), earlier=earlier)
    assert (one.rule, one.severity) == ("lvef-changed", Severity.MAJOR)
    assert [(side.source, side.said) for side in one.sides] == [("1.1", "60.0 %"), (MODEL, "35.0 %")]
    assert not compared(found(measured(50.0)), earlier=earlier)
    assert not compared(found(measured(35.0)), earlier=found(measured(60.0), family="echo-clip", study="1.1"))


@pytest.mark.parametrize(("within_one", "is_one"), [(0.96, True), (0.94, False), (None, True)])
def test_grades_of_a_model_that_is_known_to_grade_badly_are_not_compared(
    within_one: float | None, *, is_one: bool
) -> None:
    rules = knowing("rv_size", within_one=within_one)
    severe = report(graded("rv_size", "severe"))
    comparison = Comparison(
        found=found(classified("rv_size", "normal")), catalogue=CATALOGUE, rules=rules, reports=[severe]
    )
    assert rules_of(discordances(comparison)) == ["chamber-size-differs"] * is_one
    assert comparable(comparison) == ("rv_size",) * is_one


@pytest.mark.parametrize(("specificity", "is_one"), [(0.96, True), (0.94, False), (None, True)])
def test_what_an_unspecific_model_sees_is_no_discordance_unless_a_text_denies_it(
    specificity: float | None, *, is_one: bool
) -> None:
    rules = knowing("impella", specificity=specificity)
    seen_in = {"found": found(seen("impella", Verdict.PRESENT)), "catalogue": CATALOGUE, "rules": rules}
    silent, denying = report(ejection_fraction(50)), report(device("impella", is_present=False))
    assert len(discordances(Comparison(reports=[silent], **seen_in))) == is_one
    assert len(discordances(Comparison(reports=[denying], **seen_in))) == 1


def knowing(field: str, **quality: float | None) -> Rules:
    """The bundled rules, with this known of how good the model is."""
    known = KnownQuality(family="phantom-demo", field=field, origin="this test", **quality)
    return RULES.model_copy(update={"qualities": (known,)})


def test_a_text_that_fits_hardly_any_images_like_these() -> None:
    text = report(ejection_fraction(30))
    (one,) = compared(found(measured(30.0)), text, fits_better_than={"text": 0.002})
    assert (one.rule, one.field) == ("report-of-another-patient", "patient")
    assert not compared(found(measured(30.0)), text, fits_better_than={"text": 0.2})


@given(st.floats(0, 100), st.floats(0, 100))
def test_the_farther_apart_the_surer(estimate: float, reported: float) -> None:
    (*_, one) = (None, *compared(found(measured(estimate)), report(ejection_fraction(reported))))
    if one is None:
        assert abs(estimate - reported) < 18.6 + 1e-9  # three known errors
    else:
        assert one.confidence is not None
        assert 0.5 <= one.confidence <= 1
        farther = reported + (10 if reported > estimate else -10)
        (beyond,) = compared(found(measured(estimate)), report(ejection_fraction(farther)))
        assert beyond.confidence is not None
        assert beyond.confidence >= one.confidence or RULES.numbers[0].crosses(reported, estimate)
