"""What reports of a synthetic heart say is true of it, but for what was planted, which the truth names."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from config.catalogue import load_catalogue
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from config.errors import EchoWorkerError
from tests.support.phantoms import PATIENT
from worker.phantom.contradictions import LEAST_DIFFERENCE, plant
from worker.phantom.dicom_clip import StudyIdentity
from worker.phantom.heart import Device, Grade, Heart, sample_heart
from worker.phantom.measurements import Measurements, dimension_cm
from worker.phantom.report_documents import write_text_report, write_vendor_report
from worker.phantom.report_text import Said, report_text
from worker.phantom.styles import STYLES
from worker.phantom.truth import TRUTH_FILE, HeartTruth, StudyTruth, read_truth, read_truths, write_truth

CATALOGUE = load_catalogue()
seeds = st.integers(min_value=0, max_value=2**32 - 1)
NAMES = {
    Device.PACEMAKER: r"(?i)pac(emaker|ing)",
    Device.TAVR: r"TAVR|transcatheter aortic|aortic valve (prosthesis|is native)",
    Device.MITRACLIP: r"[Cc]lip|mitral valve is native", Device.IMPELLA: r"Impella|mechanical support",
}  # fmt: skip


def heart_of(seed: int, **fixed: object) -> Heart:
    return sample_heart(np.random.default_rng(seed), **fixed)


@given(seeds)
def test_a_truthful_text_gives_the_hearts_numbers_and_devices(seed: int) -> None:
    heart = heart_of(seed)
    text = str(report_text(Said.truly(heart), np.random.default_rng(seed)))
    assert text.startswith("FINDINGS\n")
    assert "\n\nCONCLUSION\n" in text
    said = re.search(r"(?:fraction|LVEF|EF)\D*(\d+)(?:-(\d+))? ?%", text)
    assert said is not None
    low, high = float(said[1]), float(said[2] or said[1])
    assert low - 0.51 <= heart.ejection_fraction <= high + 0.51
    assert f"{heart.pa_pressure:.0f} mmHg" in text
    for device, name in NAMES.items():
        assert bool(re.search(name, text)) is (device in heart.devices)
    assert ("severely dilated" in text or "severely increased" in text) is (
        Grade.SEVERE in {heart.lv_size, heart.rv_size, heart.la_size, heart.ra_size}
    )


def test_the_same_heart_is_reported_in_several_phrasings() -> None:
    said = Said.truly(heart_of(1))
    assert len({str(report_text(said, np.random.default_rng(seed))) for seed in range(20)}) > 10


@given(seeds)
def test_a_planted_contradiction_is_one_and_is_named(seed: int) -> None:
    heart = heart_of(seed)
    random = np.random.default_rng(seed)
    said, vendor, (contradiction,) = plant(heart, random)
    task = CATALOGUE.task(contradiction.task)
    assert contradiction.said != contradiction.true
    text = str(report_text(said, random))
    match contradiction.kind:
        case "wrong_value":
            assert isinstance(task, RegressionTask)
            wrong, true = float(contradiction.said), float(contradiction.true)
            assert true == heart.ejection_fraction
            assert abs(wrong - true) > LEAST_DIFFERENCE - 1
            assert 5 <= wrong <= 80
            assert (said.ejection_fraction, vendor) in ((wrong, true), (true, wrong))
            assert (vendor == wrong) is (contradiction.said_in == "vendor_report")
        case "wrong_class":
            assert isinstance(task, ClassTask)
            assert task.outcome(str(contradiction.said))
            assert contradiction.true == heart.lv_size
            assert said.lv_size == contradiction.said
        case "denied" | "claimed":
            assert isinstance(task, BinaryTask)
            device = Device(contradiction.task)
            assert (device in heart.devices) is (contradiction.kind == "denied")
            assert (device in said.devices) is (contradiction.kind == "claimed")
            assert re.search(NAMES[device], text)


def test_every_kind_of_contradiction_comes_up() -> None:
    planted = [plant(heart_of(seed), np.random.default_rng(seed))[2][0] for seed in range(60)]
    assert {(item.task, item.said_in) for item in planted} >= {
        ("lvef", "text_report"), ("lvef", "vendor_report"), ("lv_size", "text_report"), ("pacemaker", "text_report"),
    }  # fmt: skip
    assert {item.kind for item in planted} == {"wrong_value", "wrong_class", "denied", "claimed"}


@given(st.floats(min_value=10, max_value=400))
def test_a_dimension_gives_its_volume_back(volume: float) -> None:
    diameter = dimension_cm(volume)
    assert 7 * diameter**3 / (2.4 + diameter) == pytest.approx(volume, rel=1e-6)


def numbers(item: Dataset) -> dict[str, tuple[float, str]]:
    """Value and unit of every number in a content tree, by its concept."""
    found: dict[str, tuple[float, str]] = {}
    for child in item.get("ContentSequence", []):
        if child.ValueType == "NUM":
            measured = child.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            found[child.ConceptNameCodeSequence[0].CodeValue] = float(measured.NumericValue), unit
        found.update(numbers(child))
    return found


@pytest.mark.parametrize(("style", "pressure"), [("harbour", "399023006"), ("lantern", "G-0380")])
def test_the_machines_report_carries_the_measurements(style: str, pressure: str, tmp_path: Path) -> None:
    heart = heart_of(4)
    identity = StudyIdentity(patient=PATIENT, style=STYLES[style], seed=1)
    write_vendor_report(tmp_path / "sr.dcm", identity, Measurements.of(heart))
    report = pydicom.dcmread(tmp_path / "sr.dcm")
    assert report.ConceptNameCodeSequence[0].CodeValue == "125200"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "5200"
    measured = numbers(report)
    assert measured["18043-0"] == (pytest.approx(heart.ejection_fraction, abs=0.06), "%")
    diastolic, systolic = measured["18026-5"][0], measured["18148-7"][0]
    assert 100 * (diastolic - systolic) / diastolic == pytest.approx(heart.ejection_fraction, abs=0.2)
    assert measured[pressure] == (pytest.approx(heart.pa_pressure, abs=0.06), "mm[Hg]")
    velocity, unit = measured["11726-7"]
    assert unit == "m/s"
    assert 4 * velocity**2 + 5 == pytest.approx(heart.pa_pressure, abs=0.5)
    assert measured["8867-4"][0] == round(heart.heart_rate)


def test_the_readers_report_has_its_two_sections_in_words(tmp_path: Path) -> None:
    text = report_text(Said.truly(heart_of(4)), np.random.default_rng(0))
    write_text_report(tmp_path / "text.dcm", StudyIdentity(patient=PATIENT, style=STYLES["harbour"], seed=1), text)
    report = pydicom.dcmread(tmp_path / "text.dcm")
    sections = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item.ContentSequence[0].TextValue
        for item in report.ContentSequence
        if item.ValueType == "CONTAINER"
    }
    assert sections == {"Findings": " ".join(text.findings), "Conclusions": " ".join(text.conclusion)}


def truth_of(seed: int) -> StudyTruth:
    heart = heart_of(seed)
    return StudyTruth(
        study_instance_uid=f"1.2.{seed}",
        seed=seed,
        kind="ordinary",
        style="harbour",
        patient_id="PHANTOM-000001",
        heart=HeartTruth.of(heart),
        report_text="FINDINGS",
        instances=(),
    )


def test_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    truths = [truth_of(seed) for seed in (1, 2)]
    for index, truth in enumerate(truths):
        (tmp_path / f"study-{index}").mkdir()
        write_truth(truth, tmp_path / f"study-{index}")
    assert read_truths(tmp_path) == truths
    heart = heart_of(1)
    assert truths[0].heart.end_systolic_volume_ml == heart.end_systolic_volume_ml
    assert truths[0].heart.devices == tuple(sorted(heart.devices))


def test_another_version_of_the_truth_is_refused(tmp_path: Path) -> None:
    write_truth(truth_of(1), tmp_path)
    file = tmp_path / TRUTH_FILE
    file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(EchoWorkerError, match="version"):
        read_truth(tmp_path)


def test_a_folder_without_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(EchoWorkerError, match="holds no truth"):
        read_truth(tmp_path)
