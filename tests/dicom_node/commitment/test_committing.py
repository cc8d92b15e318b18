"""What our node commits to: what registry and spool hold, on both databases; and when it gives up telling so."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from shutil import copyfile

import pydicom
import pytest
import structlog
from pydicom.uid import UltrasoundMultiFrameImageStorage

from config.broker import create_celery_app
from config.errors import InstanceConflictError
from config.logs import configure_logs
from config.sections.peers import PeerSettings, Role
from config.settings import Settings, load_settings
from db.session import Database
from dicom_node.commitment.files import CommitmentFiles, CommitmentRequest
from dicom_node.commitment.messages import CommitmentReport, Failure, Reference, new_transaction_uid
from dicom_node.commitment.reporting_back import GIVEN_UP_AFTER, ReportingBack
from dicom_node.header import MANUFACTURER, read_header
from dicom_node.intake import Intake
from dicom_node.spool import Spool
from dicom_node.spool_check import compare
from tests.support.archives import MadeStudy, made_study
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.commitment import Sender, ask
from tests.support.receivers import ReceiverProcess
from tests.support.servers import free_port

CLIP = str(UltrasoundMultiFrameImageStorage)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        url = server.create_database(f"committing_{uuid.uuid4().hex}")
        monkeypatch.setenv("ECHOWORKER_DATABASE__URL", url)
    return load_settings(data_dir=tmp_path / "data")


@pytest.fixture
def intake(settings: Settings, spool: Spool) -> Iterator[Intake]:
    database = Database(settings.database_url)
    database.upgrade()
    yield Intake(settings, spool, database, create_celery_app(settings))
    database.close()


@pytest.fixture
def study(tmp_path: Path) -> MadeStudy:
    return made_study(tmp_path / "outside", instances=5)


@pytest.fixture
def logs() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="intake", stream=stream)
    yield stream
    structlog.reset_defaults()


def receive(spool: Spool, study: MadeStudy) -> list[Reference]:
    for file in study.files:
        spool.keep(Path(copyfile(file, spool.incoming / file.name)), read_header(file))
    return [Reference(CLIP, file.stem) for file in study.files]


def request(*references: Reference, asked_at: datetime | None = None) -> CommitmentRequest:
    return CommitmentRequest(
        transaction_uid=new_transaction_uid(),
        references=references,
        calling_ae_title="MODALITY",
        asked_at=asked_at or datetime.now(UTC),
    )


def judged(files: CommitmentFiles, name: str) -> CommitmentReport:
    answer = files.claim(name)
    assert answer is not None
    return answer.report


def test_what_is_kept_whole_is_committed_to_and_nothing_else(intake: Intake, spool: Spool, study: MadeStudy) -> None:
    files = CommitmentFiles(spool)
    whole, gone, cut_off, not_registered, other_class = receive(spool, study)
    waiting = {path.stem.rpartition("_")[2]: path for path in spool.unregistered()}
    spool.put_aside(waiting[not_registered.sop_instance_uid])
    intake.register_waiting()
    spool.instance_path(study.uid, gone.sop_instance_uid).unlink()
    with spool.instance_path(study.uid, cut_off.sop_instance_uid).open("r+b") as file:
        file.truncate(1000)
    never_sent = Reference(CLIP, new_transaction_uid())
    wrong = other_class._replace(sop_class_uid="1.2.840.10008.5.1.4.1.1.7")
    name = files.ask(request(whole, gone, cut_off, not_registered, wrong, never_sent))
    intake._caught_up = True  # else what could not be registered would be tried once more
    intake.work_once()
    report = judged(files, name)
    assert report.committed == (whole,)
    assert report.failed == (
        Failure(*gone, 0x0112),
        Failure(*cut_off, 0x0110),
        Failure(*not_registered, 0x0110),
        Failure(*wrong, 0x0119),
        Failure(*never_sent, 0x0112),
    )


def test_what_came_before_it_was_asked_for_is_registered_before_it_is_judged(
    intake: Intake, spool: Spool, study: MadeStudy
) -> None:
    files = CommitmentFiles(spool)
    kept = receive(spool, study)
    name = files.ask(request(*kept))
    intake.work_once()
    assert judged(files, name).committed == tuple(kept)


def send_other_bytes(spool: Spool, file: Path, ae_title: str, *, again: bool = False) -> None:
    """Under the UID of `file`; with `again`, what is kept."""
    dataset = pydicom.dcmread(file)
    dataset.file_meta.SourceApplicationEntityTitle = ae_title
    if not again:
        dataset.InstitutionName = "elsewhere"
    arrived = spool.new_incoming()
    dataset.save_as(arrived)
    with nullcontext() if again else pytest.raises(InstanceConflictError):
        spool.keep(arrived, read_header(arrived))


def test_what_is_kept_is_not_committed_to_for_who_has_last_sent_other_bytes_under_its_uid(
    intake: Intake, spool: Spool, study: MadeStudy
) -> None:
    """It would delete its copy, and that lies here in quarantine alone."""
    files = CommitmentFiles(spool)
    disputed, *others = receive(spool, study)
    send_other_bytes(spool, study.files[0], "ANOTHER")
    name = files.ask(request(disputed, *others))
    intake.work_once()
    assert judged(files, name).failed == (), "another sender's trouble"
    send_other_bytes(spool, study.files[0], "MODALITY")
    name = files.ask(request(disputed, *others))
    intake.work_once()
    report = judged(files, name)
    assert report.failed == (Failure(*disputed, 0x0110),)
    assert report.committed == tuple(others)
    send_other_bytes(spool, study.files[0], "MODALITY", again=True)
    name = files.ask(request(disputed))
    intake.work_once()
    assert judged(files, name).committed == (disputed,)


def test_a_report_of_ours_that_comes_back_without_its_study_is_registered_and_committed_to(
    intake: Intake, spool: Spool, tmp_path: Path
) -> None:
    file = as_study_of_its_own(SMALL, tmp_path, Modality="SR", Manufacturer=MANUFACTURER)
    header = read_header(file)
    assert header.is_our_report
    spool.keep(file, header)
    files = CommitmentFiles(spool)
    asked = Reference(header.sop_class_uid, header.sop_instance_uid)
    name = files.ask(request(asked))
    intake.work_once()
    assert judged(files, name).committed == (asked,)
    assert list(compare(spool, intake._database)) == []


def test_more_instances_than_a_statement_takes_are_judged(intake: Intake, spool: Spool, study: MadeStudy) -> None:
    files = CommitmentFiles(spool)
    kept = receive(spool, study)
    many = [Reference(CLIP, f"1.2.{number}") for number in range(1, 2500)]
    name = files.ask(request(*many, *kept))
    intake.work_once()
    report = judged(files, name)
    assert report.committed == tuple(kept)
    assert len(report.failed) == len(many)


def peer(**values: object) -> PeerSettings:
    return PeerSettings(name="m", ae_title="MODALITY", roles=(Role.SENDER,), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("age", [timedelta(0), GIVEN_UP_AFTER + timedelta(minutes=1)], ids=["young", "old"])
def test_a_sender_that_stays_away_is_given_up_after_a_day(tmp_path: Path, logs: StringIO, age: timedelta) -> None:
    settings = load_settings(data_dir=tmp_path).model_copy(update={"peers": (peer(host="127.0.0.1", port=1),)})
    spool = Spool(settings.spool_dir)
    spool.create()
    files = CommitmentFiles(spool)
    asked = request(Reference(CLIP, "1.2.3"), asked_at=datetime.now(UTC) - age)
    name = files.ask(asked)
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    files.answer(name, asked, CommitmentReport(transaction_uid=asked.transaction_uid), now=long_ago)
    ReportingBack(settings, spool).report_due(threading.Event())
    folder = "given-up" if age else "answers"
    assert [path.name for path in (spool.commitments / folder).iterdir()] == [name]
    assert ("never reported" if age else "it waits") in logs.getvalue()
    assert files.due_answers(now=datetime.now(UTC)) == []


def test_what_a_killed_receiver_was_asked_is_judged_and_reported_by_the_intake(
    tmp_path: Path, study: MadeStudy
) -> None:
    sender = Sender(free_port())
    receiver = ReceiverProcess(tmp_path / "data")
    settings = load_settings(data_dir=tmp_path / "data").model_copy(
        update={"peers": (peer(host="127.0.0.1", port=sender.port),)}
    )
    transactions = [new_transaction_uid() for _ in range(5)]
    kept = [Reference(CLIP, file.stem) for file in study.files]
    for transaction in transactions:
        receiver.start()
        association = sender.associate(receiver.port)
        for file in study.files:
            assert association.send_c_store(file).Status == 0x0000
        assert ask(association, transaction, *kept) == 0x0000
        receiver.kill()
    spool, database = Spool(settings.spool_dir), Database(settings.database_url)
    database.upgrade()
    intake, stop = Intake(settings, spool, database, create_celery_app(settings)), threading.Event()
    running = threading.Thread(target=intake.run, args=[stop])
    with sender.listening():
        running.start()
        reports = sender.wait_for_reports(len(transactions))
        stop.set()
        running.join()
    assert {report.transaction_uid for report in reports} == set(transactions)
    assert all(report.committed == tuple(kept) for report in reports)
