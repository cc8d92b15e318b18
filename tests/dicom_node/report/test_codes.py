"""The codes of a report are public ones; what no single one says is narrowed by modifiers; a site's own are named."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from config.catalogue import Catalogue, load_catalogue
from config.coded_concepts import CodedConcept, Modifier
from dicom_node.header import read_image_header
from dicom_node.report.checking.check import check_file
from dicom_node.report.document import build_structured_report
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.every_answer import run_of_everything
from tests.support.structured_reports import items_of
from tests.support.tools import said_by


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def evidence(tmp_path: Path) -> Dataset:
    return read_image_header(as_study_of_its_own(SMALL, tmp_path, PatientName="Doe^Jane"))


def report_of(evidence: Dataset, catalogue: Catalogue) -> Dataset:
    return build_structured_report(run_of_everything(evidence, catalogue), catalogue, [evidence])


def schemes_of(report: Dataset) -> set[str]:
    codes = [code for item in items_of(report) for code in item.get("ConceptNameCodeSequence", [])]
    codes += [code for item in items_of(report) for code in item.get("ConceptCodeSequence", [])]
    return {code.CodingSchemeDesignator for code in codes}


def code_of(sequence: Dataset) -> tuple[str, str]:
    return sequence[0].CodeValue, sequence[0].CodingSchemeDesignator


def group_of(report: Dataset, tracking_identifier: str) -> list[Dataset]:
    for item in items_of(report):
        children = list(item.get("ContentSequence", []))
        if any(child.get("TextValue") == tracking_identifier for child in children):
            return children
    pytest.fail(f"no group of {tracking_identifier}")


def test_no_receiver_needs_a_dictionary_of_ours(evidence: Dataset, catalogue: Catalogue) -> None:
    report = report_of(evidence, catalogue)
    assert schemes_of(report) == {"DCM", "SCT", "LN", "UMLS", "RFC5646"}
    assert "CodingSchemeIdentificationSequence" not in report


@pytest.mark.parametrize(
    ("task_id", "concept", "modifier", "value"),
    [
        ("aortic_prosthesis", ("26212005", "SCT"), ("260507000", "SCT"), ("129236007", "SCT")),
        ("impella_position", ("246268007", "SCT"), ("49062001", "SCT"), ("360058005", "SCT")),
    ],
)
def test_what_no_single_code_says_is_narrowed_and_said_in_words(
    evidence: Dataset,
    catalogue: Catalogue,
    task_id: str,
    concept: tuple[str, str],
    modifier: tuple[str, str],
    value: tuple[str, str],
) -> None:
    task = catalogue.task(task_id)
    assert task is not None
    group = group_of(report_of(evidence, catalogue), task.name)
    (evaluation,) = (item for item in group if code_of(item.ConceptNameCodeSequence) == concept)
    narrower = evaluation.ContentSequence[0]
    assert narrower.RelationshipType == "HAS CONCEPT MOD"
    assert (code_of(narrower.ConceptNameCodeSequence), code_of(narrower.ConceptCodeSequence)) == (modifier, value)
    assert f"{task.name}: " in group[-1].TextValue


def test_a_wrong_position_is_abnormal_and_says_where(evidence: Dataset, catalogue: Catalogue) -> None:
    """Not merely "Aortic valve", which a pump in its right place lies across."""
    said = {}
    for turn in range(12):
        run = run_of_everything(evidence, catalogue, turn=turn)
        answer = next(result.outcome for result in run.results if result.task_id == "impella_position")
        group = group_of(build_structured_report(run, catalogue, [evidence]), "Impella position")
        (evaluation,) = (i for i in group if code_of(i.ConceptNameCodeSequence) == ("246268007", "SCT"))
        where = [code_of(modifier.ConceptCodeSequence) for modifier in evaluation.ContentSequence]
        said[answer] = (evaluation.ConceptCodeSequence[0].CodeMeaning, *(code for code, _ in where[1:]))
    assert {answer: words for answer, words in said.items() if answer is not None and words[0] != "Undetermined"} == {
        "correct": ("Normal",),
        "mitral": ("Abnormal", "91134007"),
        "aortic": ("Abnormal", "34202007"),
        "deep": ("Abnormal", "128564006"),
    }


def test_an_estimate_is_narrowed_as_well(evidence: Dataset, catalogue: Catalogue, tmp_path: Path) -> None:
    biplane = Modifier(
        name=CodedConcept(value="370129005", scheme="SCT", meaning="Measurement Method"),
        value=CodedConcept(value="125207", scheme="DCM", meaning="Method of Disks, Biplane"),
    )
    tasks = tuple(
        task.model_copy(update={"modifiers": (biplane,)}) if task.id == "lvef" else task for task in catalogue.tasks
    )
    report = report_of(evidence, catalogue.model_copy(update={"tasks": tasks}))
    (number,) = (i for i in group_of(report, "Left ventricular ejection fraction") if i.ValueType == "NUM")
    assert ("125207", "DCM") in [
        code_of(i.ConceptCodeSequence) for i in number.ContentSequence if i.ValueType == "CODE"
    ]
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    assert "Error" not in said_by("dciodvfy", "-new", tmp_path / "report.dcm")


def test_codes_of_a_site_are_named_as_such(evidence: Dataset, catalogue: Catalogue, tmp_path: Path) -> None:
    own = CodedConcept(value="OUR-SIZE", scheme="99SITE", meaning="Size as we grade it")
    tasks = tuple(
        task.model_copy(update={"concept": own}) if task.id == "lv_size" else task for task in catalogue.tasks
    )
    report = report_of(evidence, catalogue.model_copy(update={"tasks": tasks}))
    assert [item.CodingSchemeDesignator for item in report.CodingSchemeIdentificationSequence] == ["99SITE"]
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    assert check_file(tmp_path / "report.dcm").findings == ()


def test_codes_that_the_images_bring_are_named_as_the_images_name_them(
    evidence: Dataset, catalogue: Catalogue, tmp_path: Path
) -> None:
    procedure, scheme = Dataset(), Dataset()
    procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = "E1", "99LAB", "Echo, resting"
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = "99LAB", "Our procedures"
    evidence.ProcedureCodeSequence, evidence.CodingSchemeIdentificationSequence = [procedure], [scheme]
    report = report_of(evidence, catalogue)
    assert report.ProcedureCodeSequence[0].CodeValue == "E1"
    (named,) = report.CodingSchemeIdentificationSequence
    assert (named.CodingSchemeDesignator, named.CodingSchemeName) == ("99LAB", "Our procedures")
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    assert check_file(tmp_path / "report.dcm").findings == ()


def test_sequences_without_items_in_the_images_are_no_error_in_the_report(
    evidence: Dataset, catalogue: Catalogue, tmp_path: Path
) -> None:
    empty = ("ReferencedStudySequence", "OtherPatientIDsSequence", "IssuerOfAccessionNumberSequence")
    for keyword in (*empty, "ReasonForVisitCodeSequence", "ReferencedPatientSequence"):
        setattr(evidence, keyword, [])
    report_of(evidence, catalogue).save_as(tmp_path / "report.dcm", enforce_file_format=True)
    judged = said_by("dciodvfy", "-new", tmp_path / "report.dcm").splitlines()
    assert [line for line in judged if "Error" in line or "Warning" in line] == []
