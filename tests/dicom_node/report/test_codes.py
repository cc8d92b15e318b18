"""The codes of a report are public ones; what no single one says is narrowed by modifiers; a site's own are named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import CodedConcept
from dicom_node.header import read_image_header
from dicom_node.report.checking.check import check_file
from dicom_node.report.document import build_structured_report
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.every_answer import run_of_everything


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def evidence(tmp_path: Path) -> Dataset:
    return read_image_header(as_study_of_its_own(SMALL, tmp_path, PatientName="Doe^Jane"))


def report_of(evidence: Dataset, catalogue: Catalogue) -> Dataset:
    return build_structured_report(run_of_everything(evidence, catalogue), catalogue, [evidence])


def items_of(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        yield child
        yield from items_of(child)


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
        ("impella_position", ("122337", "DCM"), ("49062001", "SCT"), ("360058005", "SCT")),
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
    (narrower,) = evaluation.ContentSequence
    assert narrower.RelationshipType == "HAS CONCEPT MOD"
    assert (code_of(narrower.ConceptNameCodeSequence), code_of(narrower.ConceptCodeSequence)) == (modifier, value)
    assert f"{task.name}: " in group[-1].TextValue


def test_codes_of_a_site_are_named_as_such(evidence: Dataset, catalogue: Catalogue, tmp_path: Path) -> None:
    own = CodedConcept(value="OUR-SIZE", scheme="99SITE", meaning="Size as we grade it")
    tasks = tuple(
        task.model_copy(update={"concept": own}) if task.id == "lv_size" else task for task in catalogue.tasks
    )
    report = report_of(evidence, catalogue.model_copy(update={"tasks": tasks}))
    assert [item.CodingSchemeDesignator for item in report.CodingSchemeIdentificationSequence] == ["99SITE"]
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    assert check_file(tmp_path / "report.dcm").findings == ()
