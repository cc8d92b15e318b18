"""Private codes are recognised by telling words, and never mistaken for something else."""

import pytest

from tests.support import echo_reports as echo
from tests.support.echo_reports import M_PER_S, ML, MMHG, PERCENT, SCT, group, num, received, section
from worker.consistency.sr.measured_fields import UNITS, Method, Recognition
from worker.consistency.sr.measurement_report import MeasurementReport, read_measurement_report
from worker.consistency.text.fields import CONCEPTS


def in_lv(name: echo.Triple, value: str, unit: echo.Triple) -> MeasurementReport:
    return read_measurement_report(received(echo.report(section(SCT, "LV", group(num(name, value, unit))))))


@pytest.mark.parametrize(
    ("meaning", "unit", "field"),
    [
        ("LV EF (Biplane)", PERCENT, "lvef"), ("EF(MOD-bp)", PERCENT, "lvef"),
        ("EDV(MOD-A4C)", ML, "lv_end_diastolic_volume"),
        ("LVESV", ML, "lv_end_systolic_volume"), ("AutoEF A4C", PERCENT, "lvef"), ("4D EF", PERCENT, "lvef"),
        ("Biplane LVEF", PERCENT, "lvef"), ("LV Diastolic Volume", ML, "lv_end_diastolic_volume"),
        ("TR maxPG", MMHG, "tr_peak_gradient"), ("TV Regurgitation Peak Velocity", M_PER_S, "tr_velocity"),
        ("IVSd (2D)", ("cm", "UCUM", "cm"), "septal_thickness"), ("sPAP", MMHG, "pa_pressure"),
        ("RVSP", MMHG, "pa_pressure"), ("TR Vmax", M_PER_S, "tr_velocity"),
        ("TR max PG", MMHG, "tr_peak_gradient"), ("TAPSE", ("mm", "UCUM", "mm"), "tapse"),
        ("Systolic Pulmonary Artery Pressure", MMHG, "pa_pressure"), ("RA Pressure", MMHG, "ra_pressure"),
    ],
)  # fmt: skip
def test_a_private_code_with_a_telling_meaning_is_recognised_and_marked(
    meaning: str, unit: echo.Triple, field: str
) -> None:
    report = in_lv(("M17", "99MAKER", meaning), "4.5", unit)
    assert [(s.field, s.quantity and s.quantity.low) for s in report.statements] == [(field, 4.5)]
    assert report.measurements[0].recognised_by is Recognition.MEANING
    assert report.notes == (f"1 x a value of {field} was recognised by the words of a private code",)


@pytest.mark.parametrize(
    "meaning", ["EF slope", "LVEDV Index", "E/e' ratio", "RV EF", "LVEF SD", "LA EDV", "EF predicted"]
)
def test_a_private_code_for_something_else_is_not(meaning: str) -> None:
    report = read_measurement_report(received(echo.report(group(num(("M17", "99MAKER", meaning), "45", PERCENT)))))
    assert report.statements == ()
    assert len(report.measurements) == 1


def test_a_standard_code_is_never_read_by_its_words() -> None:
    assert in_lv(("18051-3", "LN", "EF"), "31", PERCENT).statements == ()


@pytest.mark.parametrize(
    ("meaning", "method"),
    [
        ("EF(MOD-bp)", Method.BIPLANE), ("Biplane LVEF", Method.BIPLANE), ("EF(MOD-sp4)", Method.SINGLE_PLANE),
        ("LVEF MOD A4C", Method.SINGLE_PLANE), ("EF(Teich)", Method.TEICHHOLZ), ("EF(cubed)", Method.TEICHHOLZ),
        ("4D EF", Method.THREE_DIMENSIONAL), ("LVEF", Method.UNSAID),
    ],
)  # fmt: skip
def test_the_words_of_a_private_code_say_the_method(meaning: str, method: Method) -> None:
    report = in_lv(("M17", "99MAKER", meaning), "55", PERCENT)
    assert report.measurements[0].method is method


def test_a_field_has_one_unit_whoever_reports_it() -> None:
    of_texts = {concept.field: concept.unit for concept in CONCEPTS.values() if concept.field and concept.measures}
    both = of_texts.keys() & UNITS.keys()
    assert "tapse" in both
    assert {field: of_texts[field] for field in both} == {field: UNITS[field] for field in both}


@pytest.mark.parametrize(("value", "unit"), [("18", "mm"), ("1.8", "cm"), ("0.018", "m")])
def test_an_excursion_is_read_in_millimetres(value: str, unit: str) -> None:
    (said,) = in_lv(("77903-3", "LN", "TAPSE"), value, (unit, "UCUM", unit)).statements
    assert said.quantity is not None
    assert (said.field, said.quantity.unit, said.quantity.low) == ("tapse", "mm", pytest.approx(18))


@pytest.mark.parametrize("value", ["0", "-12", "350", "9999"])
def test_an_ejection_fraction_that_no_heart_has_is_listed_and_not_compared(value: str) -> None:
    report = read_measurement_report(
        received(echo.report(section(SCT, "LV", group(num(echo.EF, value, PERCENT), num(echo.EF, "48", PERCENT)))))
    )
    assert [(s.field, s.quantity and s.quantity.low) for s in report.statements] == [("lvef", 48)]
    assert len(report.measurements) == 2
    assert report.notes == ("1 x a value of lvef is none that a heart has: it is not compared",)
