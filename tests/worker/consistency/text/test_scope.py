"""What "no", "suspected" and "planned" are said of: the device, what is at it, or another one of the sentence."""

import pytest

from tests.support.vocabularies import VOCABULARIES
from worker.consistency.statements import Certainty, When
from worker.consistency.text.extraction import extract


@pytest.mark.parametrize("words", ["liegt nicht vor", "besteht nicht", "findet sich nicht", "ist nicht nachweisbar"])
def test_german_denies_behind_the_verb(words: str) -> None:
    found = extract(f"Ein Perikarderguss {words}.", VOCABULARIES["de"])
    assert [(each.field, each.is_present) for each in found] == [("pericardial_effusion", False)]


@pytest.mark.parametrize(
    ("language", "text", "field"),
    [
        ("de", "Die Schrittmachersonde zeigt keine Vegetationen.", "pacemaker"),
        ("en", "The mitral annuloplasty ring shows suspected dehiscence.", "mitral_ring"),
        ("en", "The old RV lead was removed; a new ICD lead is in the right ventricle.", "pacemaker_lead_rv"),
    ],
)
def test_what_is_missing_at_a_device_leaves_the_device(language: str, text: str, field: str) -> None:
    said = {(each.is_present, each.certainty) for each in extract(text, VOCABULARIES[language]) if each.field == field}
    assert said == {(True, Certainty.CERTAIN)}


@pytest.mark.parametrize(
    ("language", "text", "field"),
    [
        ("en", "Tricuspid valve replacement with a bioprosthesis is planned.", "tricuspid_prosthesis"),
        ("es", "Se programa recambio valvular aórtico quirúrgico con prótesis mecánica.", "aortic_prosthesis"),
        ("en", "The patient is on the waiting list for LVAD implantation.", "lvad_cannula"),
    ],
)
def test_a_plan_is_of_all_that_is_put_in_at_once(language: str, text: str, field: str) -> None:
    found = extract(text, VOCABULARIES[language])
    assert {(each.field, each.when) for each in found} == {(field, When.PLANNED)}


def test_how_much_something_changed_is_no_grade() -> None:
    found = extract("The EF has decreased by 10% and is now 35%.", VOCABULARIES["en"])
    assert [(each.field, each.quantity and each.quantity.low, each.grade) for each in found] == [("lvef", 35, None)]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Severe MR is not present."),
        ("en", "Severe MR was excluded."),
        ("en", "Severe mitral regurgitation ruled out."),
        ("en", "Severe MR not seen, moderate TR."),
        ("de", "Eine hochgradige Mitralinsuffizienz liegt nicht vor, die LV-Funktion ist normal."),
    ],
)
def test_a_grade_that_is_denied_behind_is_less(language: str, text: str) -> None:
    """It was read as severe, two grades from none."""
    (one,) = [each for each in extract(text, VOCABULARIES[language]) if each.field == "mitral_regurgitation"]
    assert (one.grade, one.grade_to) == ("none", "moderate")


@pytest.mark.parametrize("text", ["Severe MR, surgery declined.", "Severe MR. TAVR not performed.", "Severe MR noted."])
def test_what_is_denied_of_something_else_leaves_the_grade(text: str) -> None:
    (one,) = [each for each in extract(text, VOCABULARIES["en"]) if each.field == "mitral_regurgitation"]
    assert (one.grade, one.grade_to) == ("severe", None)
