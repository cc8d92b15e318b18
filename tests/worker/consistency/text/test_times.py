"""Which time and which state a value is of: by dates that name their month, by the stages of a test, by who reports."""

from datetime import date

import pytest

from tests.support.vocabularies import VOCABULARIES
from tests.worker.consistency.text.test_extraction import brief
from worker.consistency.statements import When
from worker.consistency.text.extraction import extract

NOW, EARLIER = "current", "history"


def times(text: str, language: str = "en") -> list[tuple[object, str]]:
    return [(value, when) for _, value, when in brief(text, language)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Echo on March 3, 2020: LVEF 30 %. Today LVEF 55 %.", "en"),
        ("TTE of 3rd of March 2020: LVEF 30 %. LVEF is 55 %.", "en"),
        ("TTE from 03-Mar-2020 showed LVEF 30 %. LVEF is 55 %.", "en"),
        ("TTE from 03-Mar-20 showed LVEF 30 %. LVEF is 55 %.", "en"),
        ("LVEF on Sept. 3rd, 2020: 30 %. LVEF is 55 %.", "en"),
        ("In March 2020 the LVEF was 30 %. Now LVEF 55 %.", "en"),
        ("LVEF am 3. M\u00e4rz 2020: 30 %. Aktuell LVEF 55 %.", "de"),
        ("Echo vom 3. Dez. 2020: EF 30 %. EF heute 55 %.", "de"),
        ("Eco del 3 de marzo de 2020: FEVI 30 %. FEVI actual 55 %.", "es"),
        ("FEVI el d\u00eda 3 de marzo de 2020: 30 %. FEVI actual 55 %.", "es"),
    ],
)
def test_a_date_may_name_its_month(text: str, language: str) -> None:
    assert times(text, language) == [((30, 30), EARLIER), ((55, 55), NOW)]


def test_of_the_day_of_the_study_a_date_sets_nothing_apart() -> None:
    for written in ("March 3, 2020", "3 March 2020", "03-Mar-2020", "03/03/2020"):
        text = f"Echo on {written}: LVEF 30 %."
        (on_that_day,) = extract(text, VOCABULARIES["en"], study_day=date(2020, 3, 3))
        (on_another,) = extract(text, VOCABULARIES["en"], study_day=date(2020, 3, 4))
        assert (on_that_day.when, on_another.when) == (When.CURRENT, When.HISTORY)


def test_a_month_without_a_year_is_no_date() -> None:
    assert times("LVEF may be 55 % in 2 of 3 beats.") == [((55, 55), NOW)]
    assert times("March 3. LVEF 55 %. 20 beats.") == [((55, 55), NOW)]


@pytest.mark.parametrize(
    "text",
    [
        "REST: LVEF 45 %.\nPEAK: LVEF 65 %.",
        "REST\nLVEF 45 %\nPEAK STRESS\nLVEF 65 %",
        "Resting images: LVEF 45 %.\nStress images: LVEF 65 %.",
        "LVEF 45 %. Peak-dose dobutamine EF 65 %.",
        "LVEF 45 % at rest, rising to 65 % with exercise.",
    ],
)
def test_a_heart_at_work_is_not_the_one_of_the_images_at_rest(text: str) -> None:
    assert times(text) == [((45, 45), NOW), ((65, 65), EARLIER)]


def test_so_in_other_languages() -> None:
    assert times("Ruhe: EF 45 %.\nBelastung: EF 65 %.", "de") == [((45, 45), NOW), ((65, 65), EARLIER)]
    assert times("REPOSO\nFEVI 45 %\nESFUERZO\nFEVI 65 %", "es") == [((45, 45), NOW), ((65, 65), EARLIER)]


@pytest.mark.parametrize("text", ["LVEF reported as 55 %.", "The reported LVEF is 55 %.", "LVEF is 55 %."])
def test_what_is_reported_here_is_of_this_study(text: str) -> None:
    assert times(text) == [((55, 55), NOW)]


def test_what_was_reported_before_is_not() -> None:
    assert times("The LVEF was incorrectly reported as 55 %; it is 35 %.") == [((55, 55), EARLIER), ((35, 35), NOW)]


def test_an_arrow_says_that_it_changed() -> None:
    assert times("LVEF 45 % \u2193 from 60 %.") == [((45, 45), NOW), ((60, 60), EARLIER)]


@pytest.mark.parametrize(
    "text", ["LVEF decreased from prior (60 %) to 45 %.", "LVEF is lower than previously (60 %), 45 % now."]
)
def test_a_value_in_brackets_behind_before_is_of_before(text: str) -> None:
    assert times(text) == [((60, 60), EARLIER), ((45, 45), NOW)]
