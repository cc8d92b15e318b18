"""Which chamber or valve words are of: beside them, behind them, shared by two, or named by the heading."""

import pytest

from tests.support.vocabularies import VOCABULARIES
from worker.consistency.statements import Certainty
from worker.consistency.text.extraction import extract

BOTH_LEADS = {("pacemaker_lead_ra", True), ("pacemaker_lead_rv", True)}


def devices(language: str, text: str) -> set[tuple[str, bool | None]]:
    found = extract(text, VOCABULARIES[language])
    return {(each.field, each.is_present) for each in found if each.is_present is not None}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Pacemaker leads in the right atrium and ventricle."),
        ("en", "Right atrial and ventricular leads noted."),
        ("de", "Schrittmachersonden in rechtem Vorhof und Ventrikel."),
        ("de", "Sonde im CS, RV und RA."),
        ("es", "Electrodos de marcapasos en aurícula y ventrículo derechos."),
    ],
)
def test_two_chambers_that_share_an_adjective_both_have_the_lead(language: str, text: str) -> None:
    assert devices(language, text) == {("pacemaker", True), *BOTH_LEADS}


@pytest.mark.parametrize("text", ["Pacemaker leads in right-sided chambers.", "Device lead in the right heart."])
def test_a_lead_on_the_right_side_is_in_neither_chamber_for_certain(text: str) -> None:
    assert devices("en", text) == {("pacemaker", True)}


def test_two_chambers_that_share_an_adjective_are_both_denied() -> None:
    assert devices("es", "No se visualizan electrodos en aurícula ni ventrículo derechos.") == {
        ("pacemaker_lead_ra", False),
        ("pacemaker_lead_rv", False),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RIGHT VENTRICLE\nModerately enlarged. ICD lead present.", "pacemaker_lead_rv"),
        ("Right atrium: mildly dilated. Pacer wire seen.", "pacemaker_lead_ra"),
    ],
)
def test_a_lead_below_the_heading_of_a_chamber_is_in_it(text: str, expected: str) -> None:
    assert devices("en", text) == {("pacemaker", True), (expected, True)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Perimount bioprosthesis, aortic.", ("aortic_prosthesis", True)),
        ("Carpentier-Edwards ring, mitral.", ("mitral_ring", True)),
    ],
)
def test_the_valve_may_stand_alone_behind_what_is_put_into_it(text: str, expected: tuple[str, bool]) -> None:
    assert devices("en", text) == {expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No AS. No effusion.", {("pericardial_effusion", False)}),
        ("Small effusion.", {("pericardial_effusion", True)}),
        ("Left pleural effusion.", set()),
    ],
)
def test_an_effusion_of_which_nothing_else_is_said_is_the_pericardiums(
    text: str, expected: set[tuple[str, bool]]
) -> None:
    assert devices("en", text) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "LA mildly and RA severely enlarged."), ("de", "LA leichtgradig, RA hochgradig vergrößert.")],
)
def test_two_chambers_share_a_word_and_each_has_its_own_grade(language: str, text: str) -> None:
    sizes = {each.field: each.grade for each in extract(text, VOCABULARIES[language])}
    assert sizes == {"la_size": "mild", "ra_size": "severe"}


@pytest.mark.parametrize("word", ["reduced", "decreased", "impaired", "diminished"])
def test_a_function_is_less_by_whatever_word(word: str) -> None:
    for text in (f"Left ventricular function is mildly {word}.", f"Left ventricle has mildly {word} function."):
        said = {(each.field, each.grade, each.grade_to) for each in extract(text, VOCABULARIES["en"])}
        assert said == {("lv_function", "mild", None)}, text


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Right ventricle  | normal size, ICD lead seen", {("pacemaker", True), ("pacemaker_lead_rv", True)}),
        ("en", "RA\tdilated, pacer lead", {("pacemaker", True), ("pacemaker_lead_ra", True)}),
        ("es", "Impella                     no", {("impella", False)}),
        (
            "en",
            "TAVR;yes, gradient 9 mmHg\nEffusion;no",
            {("tavr", True), ("pericardial_effusion", False)},
        ),
    ],
)
def test_the_first_column_of_a_row_is_its_heading(language: str, text: str, expected: set[tuple[str, bool]]) -> None:
    assert devices(language, text) == expected


def test_a_range_in_a_further_column_is_what_is_normal() -> None:
    text = "LVEF (biplane)     58 %        52-72 %\nTAPSE              19 mm       > 17 mm"
    found = extract(text, VOCABULARIES["en"])
    assert [(each.field, each.quantity and each.quantity.low) for each in found] == [("lvef", 58), ("tapse", 19)]


def test_a_lead_is_where_it_is_said_to_be_whatever_its_side() -> None:
    text = "The right-sided chambers show a pacemaker lead in the right ventricle."
    assert devices("en", text) == {("pacemaker", True), ("pacemaker_lead_rv", True)}


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Echogenic structure in RA, likely a pacemaker lead.", {"pacemaker", "pacemaker_lead_ra"}),
        ("es", "Imagen lineal en AD, probablemente un cable de marcapasos.", {"pacemaker", "pacemaker_lead_ra"}),
        ("en", "RV dilated, possible pacer wire.", {"pacemaker"}),
    ],
)
def test_what_may_be_a_lead_is_where_it_was_seen(language: str, text: str, expected: set[str]) -> None:
    found = [each for each in extract(text, VOCABULARIES[language]) if each.is_present]
    assert {each.field for each in found} == expected
    assert {each.certainty for each in found} == {Certainty.POSSIBLE}
