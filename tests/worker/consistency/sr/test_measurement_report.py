"""What an echo machine measured is read as it stands in its Structured Report, in either generation of codes."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from config.errors import UnreadableReportError
from tests.support import echo_reports as echo
from tests.support.echo_reports import EF, M_PER_S, ML, MMHG, PERCENT, SCT, SRT, code, group, num, received, section
from tests.support.phantoms import PATIENT
from tests.support.tools import require_tool
from worker.consistency.sr.measured_fields import Method, Recognition
from worker.consistency.sr.measurement_report import MeasurementReport, read_measurement_report
from worker.phantom.dicom_clip import StudyIdentity
from worker.phantom.heart import sample_heart
from worker.phantom.measurements import Measurements
from worker.phantom.report_documents import write_vendor_report
from worker.phantom.styles import STYLES


def numbers(report: MeasurementReport) -> list[tuple[str, float | None, str]]:
    for statement in report.statements:
        assert statement.quantity is not None
        assert statement.quantity.low == statement.quantity.high
    return [(s.field, s.quantity.low, s.quantity.unit) for s in report.statements if s.quantity]


def of(field: str, *content: Dataset) -> list[float | None]:
    return [
        number for name, number, _ in numbers(read_measurement_report(received(echo.report(*content)))) if name == field
    ]


def in_lv(*content: Dataset) -> Dataset:
    return section(SCT, "LV", group(*content))


@pytest.mark.parametrize("codes", [SCT, SRT], ids=["SCT", "SRT"])
def test_a_report_built_from_the_tables_of_the_standard_is_read_back(codes: dict[str, echo.Triple]) -> None:
    report = read_measurement_report(received(echo.adult_echo(codes)))
    assert numbers(report) == [
        ("lvef", 55, "%"),
        ("lv_end_diastolic_volume", 120.5, "ml"),
        ("lv_end_systolic_volume", 54.2, "ml"),
        ("heart_rate", 71, "/min"),
        ("pa_pressure", 36.5, "mm[Hg]"),
        ("ra_pressure", 5, "mm[Hg]"),
        ("tr_velocity", 2.81, "m/s"),
    ]
    assert report.notes == ()
    assert report.text.splitlines()[0] == (
        "Left Ventricle > 2D mode > Apical four chamber: "
        "Left Ventricular Ejection Fraction (Method of Disks, Single Plane) = 55 %"
    )
    assert len(report.measurements) == 10
    assert [report.text[m.start : m.end] for m in report.measurements][-1].startswith("Peak Systolic Velocity")
    ejection, jet = report.statements[0], report.statements[-1]
    assert report.text[jet.start : jet.end] == "Peak Systolic Velocity (Regurgitant Flow) = 2.81 m/s"
    assert report.text[ejection.start : ejection.end].endswith("= 55 %")
    assert report.measurements[0].method is Method.SINGLE_PLANE


def test_a_simplified_echo_report_is_read_back() -> None:
    report = read_measurement_report(received(echo.simplified_echo()))
    assert numbers(report) == [
        ("lvef", 70.3, "%"),
        ("tr_velocity", 2.5, "m/s"),
        ("lv_diastolic_dimension", 5.5, "cm"),
        ("lv_end_diastolic_volume", 118, "ml"),
        ("lv_end_systolic_volume", 35, "ml"),
    ]
    how = {m.field: m.recognised_by for m in report.measurements if m.field}
    assert how["lvef"] is Recognition.CODE
    assert how["lv_end_diastolic_volume"] is Recognition.MODIFIERS
    assert how["lv_end_systolic_volume"] is Recognition.MEANING
    assert "1 x a value of lv_end_systolic_volume was recognised by the words of a private code" in report.notes
    assert len(report.measurements) == 10


@pytest.mark.long
def test_the_reports_of_synthetic_machines_are_read_exactly(tmp_path: Path) -> None:
    styles = list(STYLES.values())
    for seed in range(100):
        measured = Measurements.of(sample_heart(np.random.default_rng(seed)))
        identity = StudyIdentity(patient=PATIENT, style=styles[seed % len(styles)], seed=seed)
        write_vendor_report(tmp_path / "report.dcm", identity, measured)
        report = read_measurement_report(pydicom.dcmread(tmp_path / "report.dcm"))
        assert report.notes == ()
        assert numbers(report) == [
            ("lvef", measured.ejection_fraction_percent, "%"),
            ("lv_end_diastolic_volume", measured.end_diastolic_volume_ml, "ml"),
            ("lv_end_systolic_volume", measured.end_systolic_volume_ml, "ml"),
            ("heart_rate", measured.heart_rate, "/min"),
            ("lv_diastolic_dimension", measured.diastolic_dimension_cm, "cm"),
            ("lv_systolic_dimension", measured.systolic_dimension_cm, "cm"),
            ("septal_thickness", measured.wall_cm, "cm"),
            ("posterior_wall_thickness", measured.wall_cm, "cm"),
            ("pa_pressure", measured.rv_systolic_pressure_mmhg, "mm[Hg]"),
            ("tr_velocity", measured.jet_velocity_m_per_s, "m/s"),
        ]


MADE = {
    "SCT": lambda: echo.adult_echo(SCT),
    "SRT": lambda: echo.adult_echo(SRT),
    "TID 5300": echo.simplified_echo,
}


@pytest.mark.parametrize("which", MADE)
def test_dcmtk_finds_the_same_measurements_in_the_same_order(which: str, tmp_path: Path) -> None:
    file, document = tmp_path / "report.dcm", received(MADE[which]())
    document.save_as(file)
    dump = subprocess.run([require_tool("dsrdump"), file], capture_output=True, text=True, check=True)
    found = re.findall(r'NUM:\(,,"([^"]*)"\)="([^"]*)" \(([^,]*),', dump.stdout)
    measured = read_measurement_report(document).measurements
    assert [(m.concept.meaning, m.value, m.unit) for m in measured] == [(n, float(v), u) for n, v, u in found]


def test_several_ejection_fractions_are_all_kept_and_the_biplane_one_leads() -> None:
    teichholz = num(EF, "62", PERCENT, [code(SCT["method"], ("125209", "DCM", "Teichholz"))])
    single = num(("79993-2", "LN", "Left ventricular ejection fraction single plane 4C (MOD)"), "51", PERCENT)
    biplane = num(("79991-6", "LN", "Left ventricular ejection fraction biplane (MOD)"), "53", PERCENT)
    assert of("lvef", in_lv(teichholz, num(EF, "58", PERCENT), single, biplane)) == [53, 51, 58, 62]


@pytest.mark.parametrize(
    "site",
    [("T-35100", "SCT", ""), ("46030003", "SRT", ""), ("T-35100", "SNM3", ""), ("T-35100", "99SDM", "")],
    ids=["SRT as SCT", "SCT as SRT", "SNM3", "99SDM"],
)
def test_the_generations_of_snomed_may_stand_under_each_others_name(site: echo.Triple) -> None:
    jet = num(("11726-7", "LN", ""), "2.9", M_PER_S, [code(("G-C048", "SCT", ""), ("G-0367", "SCT", ""))])
    assert of("tr_velocity", item_in_site(site, jet)) == [2.9]


def item_in_site(site: echo.Triple, *content: Dataset) -> Dataset:
    return echo.item("CONTAINER", "CONTAINS", echo.FINDINGS, [code(SCT["site"], site), group(*content)])


def test_a_right_ventricles_ejection_fraction_is_not_the_lefts() -> None:
    fraction = ("70822001", "SCT", "Cardiac ejection fraction")
    private = ("EF", "99MAKER", "EF")
    assert of("lvef", item_in_site(SCT["RV"], num(fraction, "44", PERCENT), num(private, "44", PERCENT))) == []


@pytest.mark.parametrize(
    ("value", "unit", "read"),
    [
        ("0.55", ("1", "UCUM", "no units"), 55), ("0.5", PERCENT, 50), ("55", ("1", "UCUM", "no units"), 55),
        ("55", ("PCT", "99MAKER", "%"), 55),
    ],
)  # fmt: skip
def test_a_percentage_may_be_a_fraction(value: str, unit: echo.Triple, read: float) -> None:
    assert of("lvef", in_lv(num(EF, value, unit))) == [read]


@pytest.mark.parametrize(
    ("value", "unit"),
    [("2.8", M_PER_S), ("280", ("cm/s", "UCUM", "cm/s")), ("280", M_PER_S), ("2800", ("mm/s", "UCUM", "mm/s"))],
)
def test_a_velocity_comes_in_metres_per_second(value: str, unit: echo.Triple) -> None:
    name = ("79921-3", "LN", "Tricuspid regurgitation Vmax")
    assert of("tr_velocity", group(num(name, value, unit))) == [2.8]


@pytest.mark.parametrize("unit", [MMHG, ("mmHg", "UCUM", "mmHg"), ("P1", "99MAKER", "mmHg"), ("mm[hg]", "ucum", "")])
def test_millimetres_of_mercury_have_many_names(unit: echo.Triple) -> None:
    assert of("pa_pressure", section(SCT, "RV", group(num(SCT["RVSP"], "36", unit)))) == [36]


def test_a_value_in_a_unit_of_something_else_is_listed_and_not_compared() -> None:
    report = read_measurement_report(received(echo.report(in_lv(num(EF, "55", ML)))))
    assert report.statements == ()
    assert report.measurements[0].value == 55
    assert report.notes == ("1 x a value of lvef has a unit that is not of it: it is not compared",)


def test_a_decimal_comma_and_a_number_as_text_are_read() -> None:
    comma = num(EF, "1", PERCENT)
    raw = received(echo.report(in_lv(comma)))
    written = raw.ContentSequence[0].ContentSequence[1].ContentSequence[0].MeasuredValueSequence[0]
    element = written.get_item("NumericValue")
    written._dict[element.tag] = pydicom.dataelem.RawDataElement(element.tag, "DS", 4, b"55,5", 0, False, True)
    assert [n for _, n, _ in numbers(read_measurement_report(raw))] == [55.5]
    assert of("lvef", in_lv(echo.text(EF, "55,5 %"))) == [55.5]
    report = read_measurement_report(received(echo.report(in_lv(echo.text(EF, "about 55")))))
    assert (report.statements, report.notes) == ((), ("1 x a text beside the measurements was not read",))


def test_a_measurement_without_a_value_is_a_note() -> None:
    empty = num(EF, "1", PERCENT)
    empty.MeasuredValueSequence = []
    report = read_measurement_report(received(echo.report(in_lv(empty, num(EF, "54", PERCENT)))))
    assert [n for _, n, _ in numbers(report)] == [54]
    assert report.notes == ("1 x a measurement without a value that is one number was left out",)


@pytest.mark.parametrize(
    ("beats", "counts"),
    [
        ([("50", None), ("60", None), ("55", "mean")], 55),
        ([("50", None), ("60", None), ("54", "median")], 54),
        ([("50", None), ("61", None), ("58", None)], 58),
        ([("50", None), ("61", None), ("58", None), ("57", None)], 57),
        ([("50", "mean"), ("5", "SD")], 50),
    ],
    ids=["mean", "median", "middle", "lower of the two in the middle", "no deviation"],
)
def test_of_repeated_beats_one_value_counts(beats: list[tuple[str, str | None]], counts: float) -> None:
    measured = [
        num(EF, value, PERCENT, [code(echo.DERIVATION, SCT[derived])] if derived else []) for value, derived in beats
    ]
    assert of("lvef", in_lv(*measured)) == [counts]
    assert of("lvef", *(in_lv(one) for one in measured)) == [counts]


def test_the_site_may_be_the_heading_of_the_section() -> None:
    jet = num(("20355-4", "LN", "Peak Blood Velocity"), "2.9", M_PER_S, [code(SCT["flow"], SCT["regurgitant"])])
    named = echo.item("CONTAINER", "CONTAINS", ("S9", "99MAKER", "Tricuspid Valve Measurements"), [group(jet)])
    assert of("tr_velocity", named) == [2.9]
    assert of("tr_velocity", echo.item("CONTAINER", "CONTAINS", SRT["TV"], [group(jet)])) == [2.9]
    assert of("tr_velocity", group(jet)) == []


def test_values_under_stress_are_listed_and_not_compared() -> None:
    stage = ("18139-6", "LN", "Stage")
    peak = in_lv(code(stage, ("F-01604", "SRT", "Peak-stress"), "HAS ACQ CONTEXT"), num(EF, "70", PERCENT))
    rest = in_lv(code(stage, ("F-01602", "SRT", "Baseline"), "HAS ACQ CONTEXT"), num(EF, "55", PERCENT))
    report = read_measurement_report(received(echo.report(peak, rest)))
    assert [n for _, n, _ in numbers(report)] == [55]
    assert report.notes == ("1 x a measurement under stress is not compared",)


def test_a_missing_template_and_a_private_root_of_the_same_words_are_tolerated() -> None:
    content = in_lv(num(EF, "55", PERCENT))
    assert len(read_measurement_report(received(echo.report(content, template=None))).statements) == 1
    private = ("R1", "99MAKER", "Adult Echocardiography Procedure Report")
    report = read_measurement_report(received(echo.report(content, root=private, template=None)))
    assert len(report.statements) == 1
    assert len(report.notes) == 1


@pytest.mark.parametrize(
    ("root", "sop_class", "note"),
    [
        (("126000", "DCM", "Imaging Measurement Report"), echo.COMPREHENSIVE, "TID 1500"),
        (("113000", "DCM", "Of Interest"), "1.2.840.10008.5.1.4.1.1.88.59", "key objects"),
        (("113701", "DCM", "X-Ray Radiation Dose Report"), "1.2.840.10008.5.1.4.1.1.88.67", "radiation dose"),
        (("125000", "DCM", "OB-GYN Ultrasound Procedure Report"), echo.COMPREHENSIVE, "OB-GYN"),
        (("42148-7", "LN", "Echocardiography Report"), echo.BASIC_TEXT, r"\(42148-7, LN\)"),
        (("SECRET^PATIENT", "99MAKER", "SECRET^PATIENT"), echo.COMPREHENSIVE, "private code"),
        (None, echo.COMPREHENSIVE, "no concept name"),
    ],
)
def test_reports_of_other_roots_give_no_statement_and_a_clear_note(
    root: echo.Triple | None, sop_class: str, note: str
) -> None:
    content = in_lv(num(EF, "55", PERCENT))
    report = read_measurement_report(received(echo.report(content, root=root, sop_class=sop_class, template=None)))
    assert report.statements == ()
    assert report.measurements == ()
    assert re.search(note, " ".join(report.notes))
    assert "SECRET" not in " ".join(report.notes)


def test_what_is_no_structured_report_is_refused_without_its_patient() -> None:
    image = Dataset()
    image.SOPClassUID, image.Modality, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", "US", "SECRET"
    image.PatientName = "SECRET^PATIENT"
    with pytest.raises(UnreadableReportError, match="without a valid UID") as refused:
        read_measurement_report(image)
    assert "SECRET" not in str(refused.value)
