"""`echoworker reports`: what it lists, brings in and matches, and that it names no patient."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from config.settings import load_settings
from db.consistency.received_reports import received_reports_of
from db.tables.studies import Study
from deploy.cli.application import app
from tests.support.echo_reports import received, simplified_echo
from tests.support.incoming_reports import ACCESSION, PATIENT_ID, SECRETS, STUDY, Hospital, oru
from tests.worker.consistency.documents.test_objects import pdf
from worker.consistency.arriving.received import read_received
from worker.consistency.reading import ReportReader
from worker.consistency.statements import SourceKind

OTHER = "1.2.826.0.1.3680043.8.498.77.2"


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    return Hospital(load_settings())


def said(*arguments: object) -> str:
    """What the command prints; nothing of it, and of its log, names a patient."""
    run = CliRunner().invoke(app, ["reports", *map(str, arguments)])
    assert run.exit_code == 0, run.exception
    assert not [secret for secret in SECRETS if secret in run.output]
    return run.stdout


def refused(*arguments: object) -> str:
    run = CliRunner().invoke(app, ["reports", *map(str, arguments)])
    return str(run.exception)


def test_a_report_is_brought_in_and_listed(hospital: Hospital, tmp_path: Path) -> None:
    hospital.receive_study()
    (tmp_path / "report.txt").write_text("EF 55 %.")
    line = said("add", tmp_path / "report.txt", "--accession-number", ACCESSION)
    assert line.strip() == f"report 1: study {STUDY}, matched by accession number"
    assert STUDY in said()
    assert said("--unmatched").strip() == "every report has its study"
    (facts,) = json.loads(said("--json"))
    assert (facts["study_instance_uid"], facts["via"], facts["status"]) == (STUDY, "command", "unsaid")


def test_a_report_without_a_study_says_why_and_is_matched_by_hand(hospital: Hospital, tmp_path: Path) -> None:
    hospital.receive_study(OTHER, accession="ACC-1", patient="another")
    (tmp_path / "message.hl7").write_bytes(oru())
    assert "unmatched, no study of this patient" in said("add", tmp_path / "message.hl7")
    assert "no study of this patient" in said("--unmatched").replace("\n", " ")
    said("match", 1, "--study", OTHER)
    (facts,) = json.loads(said("--json"))
    assert (facts["study_instance_uid"], facts["matched_by"]) == (OTHER, "hand")
    assert "no report 7 was received" in refused("match", 7, "--study", OTHER)
    assert "study 1.2.3 is not in the registry" in refused("match", 1, "--study", "1.2.3")


def test_the_name_of_a_file_says_whose_it_is_where_nothing_else_does(hospital: Hospital, tmp_path: Path) -> None:
    hospital.receive_study()
    (tmp_path / f"{STUDY}.txt").write_text("EF 55 %.")
    assert "matched by Study Instance UID" in said("add", tmp_path / f"{STUDY}.txt")


def test_pdf_and_dicom_reports_are_known_by_their_bytes(hospital: Hospital, tmp_path: Path) -> None:
    hospital.receive_study()
    (tmp_path / "a").write_bytes(pdf("EF 55 %."))
    document = simplified_echo()
    document.StudyInstanceUID, document.PatientID = STUDY, PATIENT_ID
    received(document).save_as(tmp_path / "b")
    assert STUDY in said("add", tmp_path / "a", "--study", STUDY)
    assert STUDY in said("add", tmp_path / "b")
    with hospital.context.database.read() as session:
        study = session.scalars(select(Study.id)).one()
        one, other = received_reports_of(session, study)
    written, measured = (read_received(hospital.spool, row, ReportReader()).reported for row in (one, other))
    assert written.kind is SourceKind.TEXT_REPORT
    assert (written.id, measured.id) == (one.report_id, other.report_id)
    assert measured.kind is SourceKind.MEASUREMENT_REPORT
    assert [s.field for s in measured.statements if s.field == "lvef"] == ["lvef"]


def test_brought_in_twice_it_is_one_report(hospital: Hospital, tmp_path: Path) -> None:
    (tmp_path / "message.hl7").write_bytes(oru())
    assert said("add", tmp_path / "message.hl7") == said("add", tmp_path / "message.hl7")
    assert len(json.loads(said("--json"))) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\0\0", "no text"),
        (b"%PDF-1.7 broken", "the PDF is damaged"),
        (b"\0" * 128 + b"DICM broken", "neither a report with text"),
        (oru() + oru(control_id="2"), "2 HL7 messages"),
        (oru().replace(b"ORU", b"ADT"), "only results are read"),
    ],
    ids=["empty", "picture", "pdf", "dicom", "several", "adt"],
)
def test_what_is_no_report_is_refused_and_not_kept(
    hospital: Hospital, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert reason in refused("add", tmp_path / "file")
    assert hospital.waiting == []
    assert hospital.reports() == []
