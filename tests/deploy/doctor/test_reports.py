"""What `echoworker doctor` says of reports that come in."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.errors import EchoWorkerError
from config.settings import Settings, load_settings
from db.consistency.received_reports import Via
from deploy.doctor.reports import received_reports
from dicom_node.findings import Doubt, FaultError
from dicom_node.spool import Spool
from tests.support.incoming_reports import Hospital, oru
from tests.support.servers import free_port
from worker.consistency.arriving.kept_reports import KeptReport, keep_report
from worker.consistency.documents.kinds import ReportKind


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "watched").mkdir()
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__PORT", str(free_port()))
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__FOLDER", str(tmp_path / "watched"))
    return load_settings(data_dir=tmp_path / "data")


def said(settings: Settings, kind: type[EchoWorkerError]) -> str:
    with pytest.raises(kind) as raised:
        received_reports(settings)
    return str(raised.value)


def test_a_listener_that_runs_is_fine_and_one_that_does_not_is_a_fault(settings: Settings) -> None:
    hospital = Hospital(settings)
    with hospital.listening():
        assert received_reports(settings).startswith(f"HL7 to 127.0.0.1:{settings.consistency.port}, which takes")
    assert "nothing listens on 127.0.0.1" in said(settings, FaultError)


def test_a_folder_that_is_away_is_a_fault(settings: Settings) -> None:
    hospital = Hospital(settings)
    Path(settings.consistency.folder).rmdir()
    with hospital.listening():
        assert "(consistency.folder) is not there" in said(settings, FaultError)


def test_reports_without_a_study_are_a_warning(settings: Settings) -> None:
    hospital = Hospital(settings)
    with hospital.listening():
        assert hospital.send(oru()) == "AA"
        hospital.intake.work_once()
        assert "1 of the last 7 days have no study" in said(settings, Doubt)


def test_reports_that_nobody_registers_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_PIPELINE__WAKE_AGAIN_AFTER_S", "0.001")
    settings = load_settings(data_dir=tmp_path / "data")
    spool = Spool(settings.spool_dir)
    spool.create()
    kept = keep_report(spool, KeptReport(content=oru(), kind=ReportKind.HL7, via=Via.COMMAND))
    while datetime.now(UTC).timestamp() <= kept.stat().st_ctime + 0.001:
        os.sched_yield()
    assert "1 have waited longer than 0.001 s" in said(settings, Doubt)


def test_where_nothing_is_configured_that_is_said(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    assert "none come by HL7 or a folder" in received_reports(settings)
