"""A word that stands for a number, against the model's number and those that reports name; with the bundled rules."""

import pytest

from config.languages import Language
from db.consistency.discordances import MODEL, Severity
from db.results.runs import Verdict
from dicom_node.report.words import words_of
from tests.worker.consistency.comparing.test_discordances import (
    CATALOGUE,
    ERRORS,
    MACHINE,
    RULES,
    compared,
    ejection_fraction,
    found,
    graded,
    measured,
    report,
    rules_of,
    seen,
)
from worker.consistency.comparing.comparable import comparable
from worker.consistency.comparing.comparison import Comparison
from worker.consistency.reading import ReportReader
from worker.consistency.statements import Certainty, Quantity, Statement, When

UNSURE = 2 * ERRORS["lvef"]
"""How far beyond what a word stands for the model's number is no discordance yet."""


def pressure(value: float) -> Statement:
    return Statement(field="pa_pressure", start=0, end=5, quantity=Quantity(low=value, high=value, unit="mm[Hg]"))


@pytest.mark.parametrize(
    ("grade", "to", "value", "is_one"),
    [
        ("normal", None, 50 - UNSURE - 1, True),
        ("normal", None, 50 - UNSURE + 1, False),
        ("normal", None, 75, False),
        ("hyperdynamic", None, 55 - UNSURE - 1, True),
        ("mild", None, 40 - UNSURE - 1, True),
        ("mild", None, 47, False),
        ("mild", None, 55 + UNSURE + 1, True),
        ("moderate", None, 45 + UNSURE + 1, True),
        ("severe", None, 35 + UNSURE - 1, False),
        ("severe", None, 35 + UNSURE + 1, True),
        ("severe", None, 8, False),
        ("mild", "severe", 55 + UNSURE - 1, False),  # "reduced"
        ("mild", "severe", 55 + UNSURE + 1, True),
        ("mild", "severe", 8, False),
        ("splendid", None, 8, False),  # of a site's own lexicon, and nobody says what it stands for
    ],
)
def test_a_word_that_the_images_do_not_bear_out(grade: str, to: str | None, value: float, is_one: bool) -> None:
    discordances = compared(found(measured(value)), report(graded("lv_function", grade, to)))
    assert rules_of(discordances) == ["lvef-unlike-word"] * is_one


def test_both_sides_are_told_and_how_far_they_are_apart_decides_how_grave_it_is() -> None:
    (one,) = compared(found(measured(15.0)), report(graded("lv_function", "normal"), name="1.9"))
    assert (one.rule, one.rules_version, one.field) == ("lvef-unlike-word", RULES.version, "lvef")
    assert one.severity is Severity.MAJOR
    word, model = one.sides
    assert (word.source, word.said, word.start, word.end) == ("1.9", "normal", 0, 5)
    assert (model.source, model.said) == (MODEL, "15.0 %")
    assert one.confidence is not None
    assert one.confidence > 0.95
    (near,) = compared(found(measured(37.0)), report(graded("lv_function", "normal")))
    assert near.severity is Severity.MINOR
    assert near.confidence is not None
    assert 0.5 <= near.confidence < one.confidence


@pytest.mark.parametrize(
    ("grade", "low", "high", "severity"),
    [
        ("normal", 25, 25, Severity.MAJOR),
        ("normal", 40, 45, Severity.MINOR),
        ("normal", 46, 46, None),
        ("normal", 45, 55, None),
        ("severe", 60, 65, Severity.MAJOR),
        ("severe", 40, 40, Severity.MINOR),
        ("severe", 30, 35, None),
        ("moderate", 55, 55, Severity.MINOR),
        ("mild", 45, 50, None),
        ("mild", 20, 25, Severity.MAJOR),
    ],
)
def test_a_report_whose_word_and_number_contradict_each_other(
    grade: str, low: float, high: float, severity: Severity | None
) -> None:
    text = report(graded("lv_function", grade), ejection_fraction(low, high))
    discordances = compared(found(), text)
    assert [(one.rule, one.severity) for one in discordances] == (
        [("lvef-word-and-number-differ", severity)] if severity else []
    )
    assert all(one.confidence is None for one in discordances)


def test_one_text_says_normal_and_25_percent() -> None:
    read = ReportReader().text("1.9", "Left ventricular systolic function is normal. The ejection fraction is 25 %.")
    (one,) = compared(found(measured(26.0)), read.reported)
    assert one.rule == "lvef-word-and-number-differ"
    assert [side.said for side in one.sides] == ["normal", "25 %"]
    words = [read.words_of(side.start or 0, side.end or 0) for side in one.sides]
    assert words == ["Left ventricular systolic function is normal", "ejection fraction is 25 %"]


def test_a_report_that_names_a_number_is_compared_with_images_and_others_by_that() -> None:
    both = report(graded("lv_function", "severe"), ejection_fraction(25))
    machine = report(ejection_fraction(62), kind=MACHINE, name="machine")
    assert rules_of(compared(found(measured(62.0)), both, machine)) == ["lvef-differs", "lvef-reported-differently"]
    word = report(graded("lv_function", "severe"))
    assert rules_of(compared(found(measured(62.0)), word, machine)) == [
        "lvef-unlike-word",
        "lvef-word-and-number-differ",
    ]


def test_words_for_pressure() -> None:
    normal, hypertension = graded("pa_pressure", "normal"), graded("pa_pressure", "mild", "severe")
    (one,) = compared(found(measured(80.0, "pa_pressure")), report(normal))
    assert (one.rule, one.field, one.severity) == ("pa-pressure-unlike-word", "pa_pressure", Severity.MAJOR)
    assert rules_of(compared(found(measured(15.0, "pa_pressure")), report(hypertension))) == ["pa-pressure-unlike-word"]
    assert not compared(found(measured(52.0, "pa_pressure")), report(normal)), "12 from 40, and two errors are 16"
    (within,) = compared(found(), report(normal, pressure(62)))
    assert (within.rule, within.severity) == ("pa-pressure-word-and-number-differ", Severity.MAJOR)
    assert not compared(found(), report(normal, pressure(45)))


def test_nothing_is_compared_where_the_model_is_silent_or_the_word_is_not_of_now() -> None:
    normal = graded("lv_function", "normal")
    assert not compared(found(seen("lvef", Verdict.ABSTAINED)), report(normal))
    assert not compared(found(measured(15.0), family="new"), report(normal)), "nobody knows how far it is off"
    before = Statement(field="lv_function", start=0, end=5, grade="normal", when=When.HISTORY)
    unsure = Statement(field="lv_function", start=0, end=5, grade="normal", certainty=Certainty.POSSIBLE)
    assert not compared(found(measured(15.0)), report(before, unsure))
    assert not compared(found(), report(before, unsure, ejection_fraction(25)))


def test_a_word_answers_the_question_of_its_number() -> None:
    def asked(*reports: object, value: float | None = 60.0) -> tuple[str, ...]:
        model = found() if value is None else found(measured(value))
        return comparable(
            Comparison(found=model, catalogue=CATALOGUE, rules=RULES, reports=reports)  # type: ignore[arg-type]
        )

    word = report(graded("lv_function", "normal"))
    assert asked(word) == ("lvef",)
    assert asked(word, value=None) == ()
    assert asked(report(graded("lv_function", "normal"), ejection_fraction(60)), value=None) == ("lvef",)
    assert asked(report(graded("lv_function", "splendid"))) == ()


def test_words_are_told_in_the_language_of_the_report() -> None:
    german = words_of(Language.GERMAN, CATALOGUE)
    (one,) = compared(found(measured(65.0)), report(graded("lv_function", "moderate", "severe")), words=german)
    assert one.sides[0].said == "mittelgradig reduziert bis hochgradig reduziert"
