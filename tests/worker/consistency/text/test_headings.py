"""Which time a heading says that its lines are of, and where that ends: by whole reports, not by sentences."""

import pytest

from tests.worker.consistency.hl7.test_reports import message, obx, only
from tests.worker.consistency.text.test_extraction import brief

NOW, EARLIER = "current", "history"


@pytest.mark.parametrize(
    "heading",
    [
        "LEFT VENTRICLE:", "Left ventricle:", "LEFT VENTRICLE", "2D MEASUREMENTS", "Doppler", "ECHO RESULTS",
        "ECHOCARDIOGRAPHIC FINDINGS:", "INTERPRETATION SUMMARY", "Chamber quantification", "STUDY DETAILS:",
        "LV Function",
    ],
)  # fmt: skip
def test_a_history_ends_at_the_next_heading_whether_it_is_known_or_not(heading: str) -> None:
    text = f"INDICATION:\nHeart failure, EF 20 %.\n\n{heading}\nEF 60 %\n\nOther:\nNo pacemaker."
    assert brief(text) == [("lvef", (20, 20), EARLIER), ("lvef", (60, 60), NOW), ("pacemaker", False, NOW)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Vorgeschichte:\nKHK, EF 20 %.\n\nLinker Ventrikel:\nEF 60 %.", "de"),
        ("Fragestellung:\nEF 20 %?\n\nKammern und Klappen\nEF 60 %.", "de"),
        ("Antecedentes:\nFEVI 20 %.\n\nVentrículo izquierdo:\nFEVI 60 %.", "es"),
        ("COMPARISON\nEF 20 %.\n\nLEFT VENTRICLE\nEF 60 %.", "en"),
        ("Comparison:\nEF 20 %.\n\nLeft ventricle: EF 60 %.", "en"),
        ("Indication:\nEF 20 %.\nDOPPLER STUDY\nEF 60 %.", "en"),
        ("INDICATION:\nKnown EF 20 %.\nLEFT VENTRICLE: EF 60 %.", "en"),
        ("Prior study: EF 20 %. Current: EF 60 %.", "en"),
        ("COMPARISON STUDY: 1/2/2020\nEF was 20 %.\n\nEF was 60 %.", "en"),
        ("Comparison: TTE of 1/2/2020.\nEF was 20 %.\n\nEF was 60 %.", "en"),
        ("History of Present Illness: EF 20 %.\nLVEF: 60 %", "en"),
        ("Indications for Study: EF 20 %.\nLVEF: 60 %", "en"),
    ],
)
def test_what_was_earlier_and_what_is_now(text: str, language: str) -> None:
    times = [(value, when) for _, value, when in brief(text, language)]
    assert [value for value, when in times if when == EARLIER][:1] == [(20, 20)]
    assert (times[-1], len(times)) == (((60, 60), NOW), 2)


@pytest.mark.parametrize(
    "text",
    [
        "HISTORY:\n\nCHF\nICD\nEF 20 %",
        "HISTORY\nCHF\nICD\n\nMild AS\nEF 20 %",
        "PRIOR STUDY:\nLeft ventricle: EF 20 %.\n\nMitral valve: severe regurgitation.",
        "HISTORY:\nCardiac:\nEF 20 %",
        "HISTORY\nHEART FAILURE\nHYPERTENSION\nEF 20 %",
        "PRIOR STUDY:\nTTE elsewhere.\nLeft ventricle: EF 20 %.",
        "FAMILY HISTORY: father with pacemaker, EF 20 %",
    ],
)
def test_entries_and_labels_within_a_history_do_not_end_it(text: str) -> None:
    found = brief(text)
    assert found
    assert {when for *_, when in found} == {EARLIER}


def test_below_the_date_of_a_comparison_only_what_was_is_of_it() -> None:
    assert brief("Comparison: 1/2/2020\nThe LVEF is 60 %.") == [("lvef", (60, 60), NOW)]


def test_a_word_of_time_with_a_colon_is_of_what_follows() -> None:
    text = "LV ejection fraction 35 %  Prior: 50 %"
    assert brief(text) == [("lvef", (35, 35), NOW), ("lvef", (50, 50), EARLIER)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ejection Fraction:\n60%", ("lvef", (60, 60), NOW)),
        ("Pacemaker:\nNo", ("pacemaker", False, NOW)),
        ("Pacemaker:\n- none", ("pacemaker", False, NOW)),
        ("Mitral regurgitation:\nModerate", ("mitral_regurgitation", ("moderate", "moderate"), NOW)),
    ],
)
def test_a_value_may_stand_below_the_name_of_its_field(text: str, found: tuple[str, object, str]) -> None:
    assert brief(f"{text}\nGood study.") == [found]


@pytest.mark.parametrize("kind", ["ST", "TX", "FT", "CE"])
@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("Pacemaker", "No", ("pacemaker", False, NOW)),
        ("TAVR", "None", ("tavr", False, NOW)),
        ("Mitral Regurgitation", "Moderate", ("mitral_regurgitation", ("moderate", "moderate"), NOW)),
        ("LV Ejection Fraction", "55 %", ("lvef", (55, 55), NOW)),
        ("LV Ejection Fraction", "55-60 %", ("lvef", (55, 60), NOW)),
    ],
)
def test_an_answer_of_hl7_is_read_with_its_question(
    kind: str, name: str, value: str, found: tuple[str, object, str]
) -> None:
    content = f"C^{value}" if kind == "CE" else value
    assert brief(only(message(obx(kind, content, name=f"X^{name}"))).text) == [found]


@pytest.mark.parametrize("reason", ["Pre-TAVR", "Severe aortic stenosis, evaluated for TAVR by the heart team."])
def test_each_observation_of_hl7_is_of_its_own_section(reason: str) -> None:
    content = message(
        obx("FT", reason, name="R^Reason for exam"), obx("NM", "35", name="E^LVEF", unit="%"),
        obx("CE", "3^Severe", name="M^MR"),
        obx("FT", "The left ventricle is dilated, LVEF is 36 %.", name="L^Left Ventricle"),
    )  # fmt: skip
    found = brief(only(content).text)
    assert [each[:2] for each in found if each[2] == NOW] == [
        ("lvef", (35, 35)), ("mitral_regurgitation", ("severe", "severe")), ("lv_size", ("mild", "severe")),
        ("lvef", (36, 36)),
    ]  # fmt: skip
    assert ("tavr", True, EARLIER) in found


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Comparison: None. EF 60 %.", "en"),
        ("Comparison: No prior study available. EF 60 %.", "en"),
        ("Prior echo: not available. EF 60 %.", "en"),
        ("Vorbefund: keiner. EF 60 %.", "de"),
        ("Estudio previo: no disponible. FEVI 60 %.", "es"),
    ],
)
def test_behind_a_heading_that_has_nothing_the_report_goes_on(text: str, language: str) -> None:
    """Of one line, as many a message has it: the whole report was read as earlier."""
    assert brief(text, language) == [("lvef", (60, 60), NOW)]


def test_behind_a_heading_with_an_entry_it_does_not() -> None:
    assert {when for _, _, when in brief("History: no ICD. EF 20 %.")} == {EARLIER}
