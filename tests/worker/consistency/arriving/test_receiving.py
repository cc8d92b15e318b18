"""What comes as a report is kept before anybody is told so, with or without a registry, and nothing of it is logged."""

import errno
import logging
import os
import shutil
import ssl
import threading
import time
from collections import namedtuple
from io import StringIO
from pathlib import Path

import pytest

from config.errors import ConfigurationError, DeliveryError
from config.logs import configure_logs
from config.settings import Settings, load_settings
from dicom_node.messages.mllp import send_mllp
from dicom_node.reception.reporting import published_calls
from dicom_node.spool import Spool
from tests.support.certificates import Authority
from tests.support.incoming_reports import SECRETS, STUDY, Hospital, oru
from tests.support.servers import free_port
from tests.support.waiting import wait_until
from worker.consistency.arriving.inbox import DONE, REJECTED
from worker.consistency.arriving.kept_reports import KeptReport, read_kept
from worker.consistency.arriving.receiving import BY_HL7, ReportReceiver


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "watched").mkdir()
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__PORT", str(free_port()))
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__FOLDER", str(tmp_path / "watched"))
    return load_settings(data_dir=tmp_path / "data")


@pytest.fixture
def hospital(settings: Settings) -> Hospital:
    return Hospital(settings)


def kept(hospital: Hospital) -> list[KeptReport]:
    return [read_kept(path) for path in hospital.waiting]


def test_a_message_is_acknowledged_and_kept_while_the_registry_is_away(hospital: Hospital) -> None:
    database = Path(hospital.settings.data_dir / "registry.sqlite3")
    hospital.context.database.close()
    away = database.rename(database.with_name("away"))
    database.mkdir()  # nothing can be opened there
    with hospital.listening():
        assert hospital.send(oru()) == "AA"
        hospital.intake.work_once()
        assert [each.content for each in kept(hospital)] == [oru()]
    database.rmdir()
    away.rename(database)
    hospital.receive_study()
    hospital.intake.work_once()
    assert [each.study_instance_uid for each in hospital.reports()] == [STUDY]
    assert hospital.waiting == []


def test_with_the_disk_full_nothing_is_kept_and_the_sender_is_told(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    with hospital.listening():
        with monkeypatch.context() as full:
            full.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
            assert hospital.send(oru()) == "AE"
        with monkeypatch.context() as fuller:

            def no_space(_: int) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            fuller.setattr(os, "fsync", no_space)
            assert hospital.send(oru()) == "AE"
        assert hospital.waiting == []
        assert hospital.send(oru()) == "AA"
    assert len(hospital.waiting) == 1


def test_with_the_spool_out_of_sight_nothing_is_written_in_its_place(hospital: Hospital) -> None:
    root = hospital.spool.root
    with hospital.listening():
        root.rename(root.with_name("unmounted"))
        assert hospital.send(oru()) == "AE"
        assert not root.exists()


def test_what_is_no_result_is_refused_for_good(hospital: Hospital) -> None:
    with hospital.listening():
        assert hospital.send(oru().replace(b"ORU^R01^ORU_R01", b"ADT^A01^ADT_A01")) == "AR"
    assert hospital.waiting == []


def test_a_port_that_is_taken_is_said_with_its_setting(hospital: Hospital) -> None:
    second = ReportReceiver(hospital.settings, hospital.spool)
    with hospital.listening(), pytest.raises(ConfigurationError, match=r"consistency: cannot listen on 127\.0\.0\.1"):
        second.run(threading.Event())


def test_files_are_taken_once_they_stand_still(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(hospital.settings.consistency.folder)
    receiver = ReportReceiver(hospital.settings, hospital.spool)
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    (folder / "ACC-77.txt").write_text("EF 5")
    receiver.look_once()
    now += 10
    (folder / "ACC-77.txt").write_text("EF 55 %.")  # its writer had not finished
    receiver.look_once()
    assert hospital.waiting == []
    now += 10
    receiver.look_once()
    (only,) = kept(hospital)
    assert (only.content, only.accession_number) == (b"EF 55 %.", "ACC-77")
    assert [path.name for path in (folder / DONE).iterdir()] == ["ACC-77.txt"]


def test_of_a_file_of_messages_all_are_taken_that_can_be(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(hospital.settings.consistency.folder)
    receiver = ReportReceiver(hospital.settings, hospital.spool)
    other = oru().replace(b"ORU^R01^ORU_R01", b"ADT^A01^ADT_A01")
    (folder / "batch.hl7").write_bytes(oru() + other + oru("EF 30 %.", control_id="MSG2"))
    receiver.look_once()
    passed = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: passed)
    receiver.look_once()
    assert [each.content.count(b"OBX") for each in kept(hospital)] == [1, 1]
    (reason,) = (folder / REJECTED).glob("*.reason.txt")
    assert reason.read_text() == "1 of 3 HL7 messages are unsupported; the others were taken\n"


def test_a_folder_that_is_away_is_waited_for(hospital: Hospital) -> None:
    folder = Path(hospital.settings.consistency.folder)
    folder.rmdir()
    receiver = ReportReceiver(hospital.settings, hospital.spool)
    receiver.look_once()
    folder.mkdir()
    (folder / "1.2.3.4.txt").write_text("EF 55 %.")
    receiver.look_once()
    assert (folder / "1.2.3.4.txt").exists()


def test_nothing_of_a_report_is_logged(
    hospital: Hospital, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logs(process="test")
    folder = Path(hospital.settings.consistency.folder)
    (folder / "ACC-77.hl7").write_bytes(oru().replace(b"ORU^R01^ORU_R01", b"ADT^A01^ADT_A01"))
    (folder / "ACC-77.txt").write_bytes(b"\0GEHEIM")
    with caplog.at_level(logging.DEBUG), hospital.listening():
        assert hospital.send(oru()) == "AA"
        assert hospital.send(oru().replace(b"ORU", b"ADT")) == "AR"
        wait_until(lambda: len(list((folder / REJECTED).glob("*.reason.txt"))) == 2, 60, "the watched folder")
        hospital.intake.work_once()
        hospital.receive_study()
        hospital.intake.work_once()
    logged = caplog.text + "".join(capfd.readouterr())
    assert "report registered, of a study" in logged
    assert "report registered, of no study so far" in logged
    assert not [secret for secret in SECRETS if secret in logged]
    named = [str(path.relative_to(hospital.spool.root)) for path in hospital.spool.received_reports.rglob("*")]
    assert not [secret for secret in SECRETS if secret in " ".join(named)]


def test_who_may_not_send_is_counted_and_of_a_flood_some_are_logged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__NETWORKS", '["192.0.2.0/24"]')
    monkeypatch.setenv("ECHOWORKER_AUDIT__REFUSALS_TOLD", "2")
    hospital = Hospital(load_settings(data_dir=settings.data_dir))
    log = StringIO()
    configure_logs(process="test", stream=log)
    with hospital.listening():  # which looks, once, whether anything listens
        for _ in range(4):
            with pytest.raises((AssertionError, ConnectionError)):
                hospital.send(oru())
    (call,) = [call for published in published_calls(hospital.spool) for call in published.calls]
    assert (call.ae_title, call.address, call.count) == (BY_HL7, "127.0.0.1", 5)
    assert call.outcome == "this host may not send reports"
    told = [line for line in log.getvalue().splitlines() if "report refused" in line]
    assert len(told) == 3  # two, and how many more
    assert hospital.waiting == []


def test_reports_come_by_tls_with_the_certificate_of_the_node(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path / "authority")
    ours, theirs = authority.sign("echoworker"), authority.sign("engine")
    monkeypatch.setenv("ECHOWORKER_TLS__CERTIFICATE", str(ours.certificate))
    monkeypatch.setenv("ECHOWORKER_TLS__PRIVATE_KEY", str(ours.private_key))
    monkeypatch.setenv("ECHOWORKER_TLS__TRUSTED", str(authority.trusted))
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__TLS", "true")
    hospital = Hospital(load_settings(data_dir=settings.data_dir))
    engine = ssl.create_default_context(cafile=authority.trusted)
    to = {"host": "127.0.0.1", "port": hospital.settings.consistency.port}
    with hospital.listening():
        with pytest.raises(DeliveryError):
            send_mllp(oru(), "MSG00001", tls=engine, **to)
        assert hospital.waiting == []
        engine.load_cert_chain(theirs.certificate, theirs.private_key)
        assert send_mllp(oru(), "MSG00001", tls=engine, **to) == "AA"
    calls = [call for published in published_calls(hospital.spool) for call in published.calls]
    assert {call.outcome for call in calls} >= {"accepted", "TLS: no certificate shown"}
    assert len(hospital.waiting) == 1


def test_tls_without_a_certificate_is_a_mistake(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__TLS", "true")
    with pytest.raises(ConfigurationError, match=r"consistency\.tls: .* \[tls\] names no certificate"):
        load_settings(data_dir=settings.data_dir)


def test_without_port_and_folder_nothing_is_received(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    assert not settings.consistency.receives
    ReportReceiver(settings, Spool(settings.spool_dir)).look_once()
