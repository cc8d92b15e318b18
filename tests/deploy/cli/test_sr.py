"""`echoworker sr check`: one line for each finding, for people and for programs, and a status for scripts."""

import json
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner, Result

from deploy.cli.application import app
from tests.support.clips import SMALL
from tests.support.structured_reports import our_report


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(our_report(), tmp_path_factory.mktemp("good") / "good.dcm")


@pytest.fixture
def without_library_and_procedure(tmp_path: Path) -> Path:
    report = our_report()
    report.ContentSequence = [
        item for item in report.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue not in ("111028", "121058")
    ]
    return saved(report, tmp_path / "bad.dcm")


def saved(report: Dataset, file: Path) -> Path:
    report.save_as(file, enforce_file_format=True)
    return file


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["sr", "check", *map(str, arguments)])


def test_a_good_report_has_no_finding_and_status_0(good: Path) -> None:
    checked = check(good)
    assert checked.exit_code == 0, checked.output
    assert checked.stdout == (
        f"{good}: Comprehensive 3D SR Storage, Imaging Measurement Report, TID 1500: no finding\n"
    )


def test_every_finding_has_its_line_with_place_rule_and_source(good: Path, without_library_and_procedure: Path) -> None:
    checked = check(good, without_library_and_procedure)
    assert checked.exit_code == 1
    assert checked.stdout.splitlines()[1:] == [
        f"{without_library_and_procedure}: Comprehensive 3D SR Storage, Imaging Measurement Report, TID 1500: "
        "findings: 2",
        "  FAULT Imaging Measurement Report: no Procedure reported  "
        "[procedure_reported: PS3.16 TID 1500 row 4; IHE AIR]",
        "  WARN  Imaging Measurement Report: no Image Library  [image_library: PS3.16 TID 1500 row 5, TID 1600]",
    ]


def test_faults_alone_leave_out_what_dicom_allows(without_library_and_procedure: Path) -> None:
    checked = check("--faults", without_library_and_procedure)
    assert checked.exit_code == 1
    assert "no Procedure reported" in checked.stdout
    assert "no Image Library" not in checked.stdout


def test_for_programs_it_is_json(good: Path, without_library_and_procedure: Path) -> None:
    checked = check("--json", good, without_library_and_procedure)
    assert checked.exit_code == 1
    first, second = json.loads(checked.stdout)
    assert (first["file"], first["findings"]) == (str(good), [])
    assert second["findings"][0] == {
        "path": "Imaging Measurement Report",
        "said": "no Procedure reported",
        "level": "FAULT",
        "rule": "procedure_reported",
        "source": "PS3.16 TID 1500 row 4; IHE AIR",
    }


def test_a_file_that_is_no_report_is_said_to_be_none() -> None:
    checked = check(SMALL)
    assert checked.exit_code == 1
    assert "no Structured Report" in checked.stdout
    assert "its SOP class is Ultrasound Multi-frame Image Storage" in checked.stdout
