"""Whatever a report may have to say, in every language: nobody who judges or reads one finds a fault in it.

And each of those judges is worth asking: it finds the faults that are its own to find.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import pydicom
import pytest
from highdicom.sr import Comprehensive3DSR, ComprehensiveSR
from pydicom.dataset import Dataset

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import ClassTask
from config.labels import ModelLabel
from config.languages import Language
from config.reasons import Reason, ReasonKind
from db.consistency.discordances import MODEL, Discordance, Severity, Side, SideKind, Told
from db.results.runs import Run, Verdict
from dicom_node.header import read_image_header
from dicom_node.report import codes as our_codes
from dicom_node.report.checking.check import check_file
from dicom_node.report.document import build_structured_report
from tests.support.clips import LARGE, as_study_of_its_own
from tests.support.every_answer import KINDS, run_of_everything
from tests.support.tools import said_by

pytestmark = pytest.mark.long

TURNS = range(12)
"""So many turns of verdicts (of which a question has up to 4) and of classes (up to 4) show all pairs of them."""

OF_DCMTK_ITSELF = "The VR checker does not support this Specific Character Set"
_SIDES = (
    Side(kind=SideKind.TEXT, source="1.2.3", said="55 to 60 %", start=3, end=12),
    Side(kind=SideKind.MEASUREMENTS, source="1.2.4", said="30 %"),
    Side(kind=SideKind.EARLIER, source="1.2.5", said="31.0 %"),
    Side(kind=SideKind.IMAGES, source=MODEL, said="29.5 %", clips=("1.2.6",)),
)
TOLD = Told(
    compared=2,
    questions=("lvef",),
    discordances=tuple(
        Discordance(
            rule="a-rule", rules_version="1", field=field, severity=severity, sides=sides, confidence=confidence
        )
        for field, severity, sides, confidence in (
            ("lvef", Severity.MAJOR, (_SIDES[0], _SIDES[3]), 0.97),
            ("patient", Severity.MINOR, (_SIDES[0], _SIDES[1]), None),
            ("lvef", Severity.MINOR, (_SIDES[2], _SIDES[3]), 0.5),
        )
    ),
)
"""All that can be said of other reports."""
DEBIANS = "/usr/bin/dciodvfy"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_study_of_its_own(LARGE, tmp_path_factory.mktemp("source"), PatientName="Doe^Jane")


@pytest.fixture(scope="module")
def evidence(source: Path) -> Dataset:
    return read_image_header(source)


def written(document: Dataset, folder: Path) -> Path:
    file = folder / f"{document.SOPInstanceUID}.dcm"
    document.save_as(file, enforce_file_format=True)
    return file


def warnings_of(verifier: str, file: Path) -> list[str]:
    return [line for line in said_by(verifier, "-new", file).splitlines() if "Error" in line or "Warning" in line]


def test_together_the_turns_show_every_verdict_and_every_class(evidence: Dataset, catalogue: Catalogue) -> None:
    seen = {(r.task_id, r.verdict) for turn in TURNS for r in run_of_everything(evidence, catalogue, turn=turn).results}
    assert seen == {(task.id, verdict) for task in catalogue.tasks for verdict in KINDS[task.kind]}
    said = {(r.task_id, r.outcome) for turn in TURNS for r in run_of_everything(evidence, catalogue, turn=turn).results
            if r.verdict is Verdict.CLASSIFIED}  # fmt: skip
    asked = [task for task in catalogue.tasks if isinstance(task, ClassTask)]
    assert said == {(task.id, outcome.id) for task in asked for outcome in task.classes}


@pytest.mark.parametrize("turn", TURNS)
def test_nobody_finds_a_fault_in_any_report(
    evidence: Dataset, source: Path, catalogue: Catalogue, tmp_path: Path, turn: int
) -> None:
    language, label = list(Language)[turn % len(Language)], list(ModelLabel)[turn % len(ModelLabel)]
    sop_class = ComprehensiveSR if turn % 3 == 2 else Comprehensive3DSR
    run = run_of_everything(evidence, catalogue, turn=turn, label=label)
    later = run_of_everything(evidence, catalogue, turn=turn, label=label, revision=2)
    first = written(
        build_structured_report(run, catalogue, [evidence], language=language, sop_class=sop_class), tmp_path
    )
    second = written(
        build_structured_report(
            later,
            catalogue,
            [evidence],
            language=language,
            sop_class=sop_class,
            predecessor=read_image_header(first),
            told=TOLD,
        ),
        tmp_path,
    )
    for file in (first, second):
        assert warnings_of("dciodvfy", file) == []
        assert [str(finding) for finding in check_file(file).findings] == []
        for reader in ("dsrdump", "dsr2html", "dsr2xml"):
            said = said_by(reader, file)
            assert said.strip()
            faults = [line for line in said.splitlines() if line.startswith(("E:", "W:", "F:"))]
            assert [line for line in faults if OF_DCMTK_ITSELF not in line] == []
        read_back_is_what_was_said(file, run, catalogue)
    assert "Error" not in said_by("dcentvfy", source, first, second)


def read_back_is_what_was_said(file: Path, run: Run, catalogue: Catalogue) -> None:
    """By highdicom, as another program would."""
    groups = {g.tracking_identifier: g for g in highdicom.sr.srread(file).content.get_image_measurement_groups()}
    assert len(groups) == len(catalogue.tasks)
    for result in run.results:
        task = catalogue.task(result.task_id)
        assert task is not None
        values = [evaluation.value for evaluation in groups[task.name].get_qualitative_evaluations()]
        if result.verdict is Verdict.MEASURED:
            (measurement,) = groups[task.name].get_measurements()
            assert measurement.value == pytest.approx(result.value, abs=0.051), "to a tenth"
            assert values == []
        elif result.verdict is Verdict.CLASSIFIED:
            assert isinstance(task, ClassTask)
            outcome = task.outcome(result.outcome or "")
            assert outcome is not None
            assert values == [our_codes.coded(outcome.concept)]
        else:
            assert values == [our_codes.PRESENCE[result.verdict]]


def test_the_verifier_of_debian_agrees_with_the_newest(evidence: Dataset, catalogue: Catalogue, tmp_path: Path) -> None:
    if shutil.which(DEBIANS) is None:
        said_by(DEBIANS)  # skipped on a user's machine, and fails in CI
    for turn in TURNS:
        run = run_of_everything(evidence, catalogue, turn=turn)
        file = written(build_structured_report(run, catalogue, [evidence]), tmp_path)
        assert warnings_of(DEBIANS, file) == []


@pytest.mark.parametrize("language", Language)
def test_a_study_without_a_usable_clip_gives_a_valid_report(
    evidence: Dataset, source: Path, catalogue: Catalogue, tmp_path: Path, language: Language
) -> None:
    run = run_of_everything(evidence, catalogue)
    nothing = Reason(ReasonKind.NO_CLIP)
    silent = replace(
        run,
        results=tuple(
            replace(result, verdict=Verdict.ABSTAINED, reason=nothing, clips=(), outcome=None, value=None, score=None,
                    threshold=None, spread=None, agreement=None)
            for result in run.results
        ),
    )  # fmt: skip
    file = written(build_structured_report(silent, catalogue, [evidence], language=language), tmp_path)
    assert warnings_of("dciodvfy", file) == []
    assert check_file(file).findings == ()
    assert "Error" not in said_by("dcentvfy", source, file)


Change = Callable[[Dataset], object]


def first_item(dataset: Dataset, value_type: str) -> Dataset:
    """The first content item of that type, however deep."""
    for item in dataset.get("ContentSequence", []):
        if item.get("ValueType") == value_type:
            return item  # type: ignore[no-any-return]
        if (found := first_item(item, value_type)) is not None:
            return found
    return None  # type: ignore[return-value]


def without_study_id(document: Dataset) -> None:
    del document.StudyID


def without_evidence(document: Dataset) -> None:
    del document.CurrentRequestedProcedureEvidenceSequence


def verified_by_nobody(document: Dataset) -> None:
    document.VerificationFlag = "VERIFIED"


def number_without_unit(document: Dataset) -> None:
    del first_item(document, "NUM").MeasuredValueSequence[0].MeasurementUnitsCodeSequence


def with_a_wrong_relationship(document: Dataset) -> None:
    first_item(document, "NUM").RelationshipType = "HAS ACQ CONTEXT"


def of_another_patient(document: Dataset) -> None:
    document.PatientID = "SOMEBODY ELSE"


def of_a_template_that_is_none(document: Dataset) -> None:
    document.ContentTemplateSequence[0].TemplateIdentifier = "9999"


@pytest.mark.parametrize("change", [without_study_id, without_evidence, verified_by_nobody, number_without_unit])
def test_dciodvfy_finds_what_it_has_to(evidence: Dataset, catalogue: Catalogue, tmp_path: Path, change: Change) -> None:
    assert warnings_of("dciodvfy", spoilt(evidence, catalogue, tmp_path, change))


def test_dsrdump_finds_a_relationship_that_must_not_be(evidence: Dataset, catalogue: Catalogue, tmp_path: Path) -> None:
    said = said_by("dsrdump", spoilt(evidence, catalogue, tmp_path, with_a_wrong_relationship))
    assert "E:" in said


def test_dcentvfy_finds_another_patient(evidence: Dataset, source: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    assert "Error" in said_by("dcentvfy", source, spoilt(evidence, catalogue, tmp_path, of_another_patient))


def test_highdicom_does_not_read_another_template(evidence: Dataset, catalogue: Catalogue, tmp_path: Path) -> None:
    file = spoilt(evidence, catalogue, tmp_path, of_a_template_that_is_none)
    with pytest.raises(AttributeError):
        highdicom.sr.srread(file).content.get_image_measurement_groups()
    assert check_file(file).findings, "and our own says so"


def spoilt(evidence: Dataset, catalogue: Catalogue, folder: Path, change: Change) -> Path:
    """A good report with one fault."""
    run = run_of_everything(evidence, catalogue)
    file = written(build_structured_report(run, catalogue, [evidence]), folder)
    document = pydicom.dcmread(file)
    change(document)
    document.save_as(file)
    return file
