"""From the spool to the registry, in this process."""

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from shutil import copyfile
from typing import Any

import pydicom
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from config.errors import StudyNotFoundError
from config.logs import configure_logs
from config.settings import Settings, load_settings
from db.lifecycle.received import ACCEPTED
from db.monitoring.tallies import TallyKind, tallies
from db.reading.queries import StudyDetail, study_detail
from db.session import Database
from dicom_node.commitment import judging
from dicom_node.commitment.files import CommitmentFiles
from dicom_node.commitment.messages import CommitmentReport, Reference
from dicom_node.header import read_header
from dicom_node.intake import Intake
from dicom_node.reception.reporting import Callers
from dicom_node.spool import Spool
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.waiting import wait_until

Arrive = Callable[[Path], None]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ECHOWORKER_STUDY__QUIET_PERIOD_S", "0.1")
    return load_settings(data_dir=tmp_path / "data")


@pytest.fixture
def arrive(spool: Spool) -> Arrive:
    """Keep a file in the spool as the node does when it receives it."""

    def arrive(file: Path) -> None:
        received = Path(copyfile(file, spool.incoming / file.name))
        spool.keep(received, read_header(received))

    return arrive


@pytest.fixture
def logs() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="intake", stream=stream)
    yield stream
    structlog.reset_defaults()


def detail_of(database: Database, study_instance_uid: str) -> StudyDetail | None:
    with database.read() as session:
        try:
            return study_detail(session, study_instance_uid)
        except StudyNotFoundError:
            return None


def registered(database: Database, study_instance_uid: str) -> set[str]:
    detail = detail_of(database, study_instance_uid)
    return {instance.sop_instance_uid for instance in detail.instances} if detail else set()


def test_one_instance_that_the_database_cannot_take_keeps_no_other_out(
    tmp_path: Path, database: Database, intake: Intake, arrive: Arrive
) -> None:
    files = [as_study_of_its_own(SMALL, tmp_path, StudyInstanceUID="1.2.9") for _ in range(5)]
    poison, *others = [str(pydicom.dcmread(file).SOPInstanceUID) for file in files]
    refuse = f"BEGIN SELECT RAISE(ABORT, 'refused') WHERE NEW.sop_instance_uid = '{poison}'; END"
    with database.write() as session:
        session.execute(text(f"CREATE TRIGGER refusal BEFORE INSERT ON instances {refuse}"))
    for file in files:
        arrive(file)
    intake.work_once()
    assert registered(database, "1.2.9") == set(others)
    late = as_study_of_its_own(SMALL, tmp_path, StudyInstanceUID="1.2.10")
    arrive(late)
    intake.work_once()
    assert len(registered(database, "1.2.10")) == 1, "nor is anything later held up by it"


def test_a_study_that_falls_quiet_is_announced_to_the_workers_at_once(
    settings: Settings, database: Database, intake: Intake, arrive: Arrive
) -> None:
    """Not only by the reaper, seconds later, and not at all where none runs."""
    arrive(SMALL)
    study = str(pydicom.dcmread(SMALL).StudyInstanceUID)

    def is_ready() -> bool:
        intake.work_once()
        detail = detail_of(database, study)
        return detail is not None and detail.study.state == "READY"

    wait_until(is_ready, 10, "the study to fall quiet")
    (message,) = (settings.broker_dir / "messages").iterdir()
    assert json.loads(message.read_text())["headers"]["task"] == "echoworker.prepare"


@pytest.mark.parametrize("table", ["callers", "deliveries", "patient_identities"])
def test_a_duty_that_fails_holds_up_no_other_and_is_told_once(
    database: Database, spool: Spool, intake: Intake, arrive: Arrive, logs: StringIO, table: str
) -> None:
    """Whatever is broken, here a table: what does not need it is done."""
    arrive(SMALL)
    study = str(pydicom.dcmread(SMALL).StudyInstanceUID)
    call = {"ae_title": "A", "address": "::1", "outcome": "accepted", "count": 1}
    times = {"first_at": "2026-01-01T00:00:00+00:00", "last_at": "2026-01-01T00:00:00+00:00"}
    (spool.receivers / "callers-1.json").write_text(json.dumps([call | times]))
    files = CommitmentFiles(spool)
    files.keep_report(CommitmentReport(transaction_uid="1.2.3", committed=(Reference("1.2", "1.3"),)), ae_title="PACS")
    with database.write() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    intake.work_once()
    intake.work_once()
    assert logs.getvalue().count("registry lacks tables of this version: work waits for echoworker db upgrade") == 1
    assert bool(registered(database, study)) is (table != "patient_identities")
    assert (list(spool.receivers.glob("callers-*")) == []) is (table != "callers")
    assert (list(files.reports()) == []) is (table != "deliveries")
    with database.write() as session:
        session.execute(text(f"ALTER TABLE away RENAME TO {table}"))
    intake.work_once()
    assert logs.getvalue().count("registry back") == 1
    assert registered(database, study)
    assert list(spool.receivers.glob("callers-*")) == list(files.reports()) == []


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"report": {}, "ae_title": "PACS"}', '{"report": 1, "ae_title": null}']
)
def test_a_file_that_cannot_be_used_is_set_aside_and_the_others_go_on(
    database: Database, spool: Spool, intake: Intake, arrive: Arrive, logs: StringIO, content: str
) -> None:
    for folder in ("receivers", "commitments/requests", "commitments/reports"):
        (spool.root / folder).mkdir(parents=True, exist_ok=True)
        (spool.root / folder / "bad.json").write_text(content)
    (spool.receivers / "callers-bad.json").write_text('[{"ae_title": "A"}]')
    files = CommitmentFiles(spool)
    files.keep_report(CommitmentReport(transaction_uid="1.2.3"), ae_title="PACS")
    arrive(SMALL)
    intake.work_once()
    assert registered(database, str(pydicom.dcmread(SMALL).StudyInstanceUID))
    assert list(files.reports()) == files.requests() == list(spool.receivers.glob("callers-*")) == []
    aside = {"receivers-bad.json", "receivers-callers-bad.json", "requests-bad.json", "reports-bad.json"}
    # The name under which the file of callers was taken is its own each time.
    assert {re.sub(r"-[0-9a-f]{32}\.taken$", ".json", file.name) for file in spool.damaged.iterdir()} == aside
    assert logs.getvalue().count("set aside") == len(aside)
    assert "fails" not in logs.getvalue()


def test_a_report_that_the_database_cannot_take_is_set_aside(
    database: Database, spool: Spool, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender was told that it is kept: an administrator sees it, and those after it are applied."""
    refusing = "1.2.3.4"
    files = CommitmentFiles(spool)
    for transaction in (refusing, "1.2.5", "1.2.6"):
        files.keep_report(CommitmentReport(transaction_uid=transaction), ae_title="PACS")
    real = judging.apply_report

    def apply_report(session: Session, *, transaction_uid: str, **values: Any) -> object:
        if transaction_uid == refusing:
            raise DataError("UPDATE", {}, ValueError("value too long"))
        return real(session, transaction_uid=transaction_uid, **values)

    monkeypatch.setattr(judging, "apply_report", apply_report)
    intake.work_once()
    assert list(files.reports()) == []
    (aside,) = spool.damaged.iterdir()
    assert refusing in aside.read_text()


def test_what_receivers_count_is_added_up_in_the_registry(spool: Spool, database: Database, intake: Intake) -> None:
    for _ in range(2):
        callers = Callers(spool)
        callers.note(ae_title="A", address="10.0.0.1", outcome=ACCEPTED)
        callers.note(ae_title="B", address="10.0.0.2", outcome="unknown")
        for status in (0x0000, 0x0000, 0xA700):
            callers.note_instance(status)
        callers.publish()
        intake.work_once()
    with database.read() as session:
        assert tallies(session, TallyKind.ASSOCIATION) == {"accepted": 2, "refused": 2}
        assert tallies(session, TallyKind.INSTANCE) == {"0x0000": 4, "0xA700": 2}
