"""From the spool to the registry, in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import pydicom
import pytest
from sqlalchemy import text

from config.errors import StudyNotFoundError
from config.settings import Settings, load_settings
from db.queries import StudyDetail, study_detail
from db.session import Database
from dicom_node.header import read_header
from dicom_node.intake import Intake
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
