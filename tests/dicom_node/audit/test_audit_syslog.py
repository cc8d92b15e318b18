"""The way to an audit record repository, with a real TLS listener that goes away and comes back."""

import json
import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
import structlog

from config.errors import ConfigurationError
from config.logs import configure_logs
from config.settings import Settings, load_settings
from dicom_node.audit import syslog as audit_syslog
from dicom_node.audit.events import RemoteAE, application_started, association_refused
from dicom_node.audit.syslog import AuditForwarder
from dicom_node.audit.trail import AuditTrail
from tests.support.audit_schema import parse_valid
from tests.support.certificates import Authority, Certificate
from tests.support.servers import free_port
from tests.support.syslog_server import End, Repository, listening, rsyslog
from tests.support.waiting import wait_until

ARRIVES_WITHIN_S = 30
CALLER = RemoteAE(ae_title="STRANGER", address="10.0.0.9")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.sign("repository")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(tmp_path: Path, authority: Authority, port: int) -> Settings:
    audit = {"syslog": f"127.0.0.1:{port}", "syslog_trusted": str(authority.trusted)}
    return load_settings(data_dir=tmp_path / "data", audit=audit)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_syslog, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(audit_syslog, "RETRY_AT_MOST_S", 0.2)
    monkeypatch.setattr(audit_syslog, "TIMEOUT_S", 2.0)


@pytest.fixture
def log() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="node", stream=stream)
    yield stream
    structlog.reset_defaults()


@contextmanager
def forwarding(settings: Settings) -> Iterator[None]:
    forwarder = AuditForwarder(settings)
    forwarder.start()
    try:
        yield
    finally:
        forwarder.stop()


def record(settings: Settings, first: int, last: int) -> None:
    trail = AuditTrail(settings)
    for number in range(first, last):
        trail.record(association_refused(CALLER, reason=str(number)))


def numbers(repository: Repository) -> list[int]:
    return [
        int(parse_valid(message).findtext("EventIdentification/EventOutcomeDescription", ""))
        for message in repository.messages()
    ]


def wait_for(repository: Repository, count: int) -> None:
    wait_until(lambda: set(numbers(repository)) == set(range(count)), ARRIVES_WITHIN_S, f"{count} audit messages")


def test_a_message_arrives_as_rfc_5424_over_tls_with_the_priority_and_id_of_the_standard(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    repository = Repository()
    with listening(repository, port, authority, certificate), forwarding(settings):
        AuditTrail(settings).record(application_started())
        wait_until(repository.messages, ARRIVES_WITHIN_S, "the audit message")
    (received,) = repository.received
    assert (received.priority, received.app_name, received.message_id) == (85, "echoworker", "DICOM+RFC3881")
    assert received.structured_data == "-"
    root = parse_valid(received.message)
    at = root.find("EventIdentification")
    assert at is not None
    assert received.timestamp == at.get("EventDateTime")
    (path,) = settings.audit_dir.glob("*.log")
    assert path.read_bytes() == received.message + b"\n"


def test_with_a_certificate_of_our_own_we_show_it(
    tmp_path: Path, authority: Authority, certificate: Certificate, port: int
) -> None:
    ours = authority.sign("echoworker")
    tls = {"certificate": str(ours.certificate), "private_key": str(ours.private_key)}
    settings = load_settings(
        data_dir=tmp_path / "data",
        audit={"syslog": f"127.0.0.1:{port}", "syslog_trusted": str(authority.trusted)},
        tls={**tls, "trusted": str(authority.trusted)},
    )
    repository = Repository()
    with listening(repository, port, authority, certificate, want_client=True), forwarding(settings):
        record(settings, 0, 1)
        wait_for(repository, 1)
    assert set(repository.client_names) == {"echoworker"}


def test_while_the_repository_is_away_messages_wait_in_the_file_and_all_arrive_when_it_is_back(
    settings: Settings, authority: Authority, certificate: Certificate, port: int, log: StringIO
) -> None:
    repository = Repository()
    with forwarding(settings):
        record(settings, 0, 50)
        wait_until(lambda: "audit repository away" in log.getvalue(), ARRIVES_WITHIN_S, "the log")
        with listening(repository, port, authority, certificate):
            wait_for(repository, 50)
        record(settings, 50, 100)
        with listening(repository, port, authority, certificate):
            wait_for(repository, 100)
    assert log.getvalue().count("audit repository away") == log.getvalue().count("audit repository back") <= 2
    assert sorted(numbers(repository)) == list(range(100))  # nothing twice where nothing broke


def test_what_a_repository_that_breaks_off_did_not_read_is_sent_again(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    repository = Repository()
    repository.reset_after = 7
    record(settings, 0, 40)
    with listening(repository, port, authority, certificate), forwarding(settings):
        wait_until(lambda: len(repository.received) >= 21, ARRIVES_WITHIN_S, "three broken connections")
        assert set(numbers(repository)) == set(range(7))
        repository.reset_after = None
        wait_for(repository, 40)


def test_what_a_repository_that_closes_at_once_never_saw_is_sent_again(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    repository = Repository()
    repository.turns_away = 20
    with listening(repository, port, authority, certificate), forwarding(settings):
        for number in range(20):  # one at a time: each may meet an end before, while or after it is sent
            record(settings, number, number + 1)
            wait_until(lambda at=number: repository.turns_away < 20 - at or at in numbers(repository), 30, "a try")
        wait_for(repository, 20)


def test_a_restart_resumes_where_the_last_process_ended(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    repository = Repository()
    with listening(repository, port, authority, certificate):
        with forwarding(settings):
            record(settings, 0, 10)
            wait_for(repository, 10)
        record(settings, 10, 20)
        with forwarding(settings):
            wait_for(repository, 20)
    assert sorted(numbers(repository)) == list(range(20))


def test_the_last_message_of_a_process_is_sent_before_it_ends(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    repository = Repository()
    with listening(repository, port, authority, certificate):
        with forwarding(settings):
            record(settings, 0, 1)
        assert numbers(repository) == [0]


def test_more_messages_than_a_batch_all_arrive_once(
    settings: Settings, authority: Authority, certificate: Certificate, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_syslog, "BATCH", 7)
    repository = Repository()
    record(settings, 0, 100)
    with listening(repository, port, authority, certificate), forwarding(settings):
        wait_for(repository, 100)
    assert numbers(repository) == list(range(100))


@pytest.mark.parametrize("end", [End.CLOSE, End.HOLD])
def test_a_receiver_that_does_not_answer_the_end_is_not_sent_everything_again(
    settings: Settings, authority: Authority, certificate: Certificate, port: int, end: End
) -> None:
    repository = Repository()
    repository.end = end
    with listening(repository, port, authority, certificate), forwarding(settings):
        record(settings, 0, 5)
        wait_for(repository, 5)
        record(settings, 5, 6)
        wait_for(repository, 6)
    assert sorted(numbers(repository)) == list(range(6))


def _forward_until_killed(settings: Settings) -> None:
    with forwarding(settings):
        record(settings, 0, 20)
        threading.Event().wait()


def test_of_two_processes_one_forwards_and_the_other_takes_over_when_it_is_killed(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    first = multiprocessing.get_context("spawn").Process(target=_forward_until_killed, args=[settings])
    repository = Repository()
    with listening(repository, port, authority, certificate):
        first.start()
        wait_for(repository, 20)
        with forwarding(settings):
            first.kill()
            first.join()
            record(settings, 20, 40)
            wait_for(repository, 40)


def test_an_older_file_that_grows_is_sent_too(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    repository = Repository()
    with listening(repository, port, authority, certificate), forwarding(settings):
        record(settings, 0, 2)
        wait_for(repository, 2)
        (today,) = settings.audit_dir.glob("*.log")
        record(settings, 2, 3)
        wait_for(repository, 3)
        yesterday = settings.audit_dir / "2001-01-01.log"
        yesterday.write_bytes(today.read_bytes().splitlines(keepends=True)[0].replace(b">0<", b">3<"))
        wait_for(repository, 4)


def test_a_damaged_line_is_named_and_holds_up_no_other(
    settings: Settings, authority: Authority, certificate: Certificate, port: int, log: StringIO
) -> None:
    repository = Repository()
    record(settings, 0, 1)
    (path,) = settings.audit_dir.glob("*.log")
    with path.open("ab") as file:
        file.write(b"\0\0\0<?xml torn")
    record(settings, 1, 2)
    with listening(repository, port, authority, certificate), forwarding(settings):
        wait_for(repository, 2)
    assert log.getvalue().count("damaged line in the audit trail") == 1


def test_a_lost_or_damaged_position_sends_again_rather_than_never(
    settings: Settings, authority: Authority, certificate: Certificate, port: int
) -> None:
    repository = Repository()
    record(settings, 0, 3)
    with listening(repository, port, authority, certificate):
        with forwarding(settings):
            wait_for(repository, 3)
        position = settings.audit_dir / "forwarded.json"
        assert json.loads(position.read_text())
        for damage in ("", "[]", '{"a": {}}'):
            position.write_text(damage)
            before = len(repository.received)
            with forwarding(settings):
                wait_until(lambda at=before: len(repository.received) == at + 3, ARRIVES_WITHIN_S, "them again")


def test_a_repository_that_is_not_who_it_should_be_gets_nothing(
    tmp_path: Path, settings: Settings, certificate: Certificate, port: int, log: StringIO
) -> None:
    stranger = Authority(tmp_path / "stranger")
    repository = Repository()
    record(settings, 0, 1)
    with listening(repository, port, stranger, stranger.sign("repository")), forwarding(settings):
        wait_until(lambda: "audit repository away" in log.getvalue(), ARRIVES_WITHIN_S, "the log")
    assert repository.received == []


def test_rsyslog_takes_every_message_although_it_is_killed_meanwhile(
    tmp_path: Path, authority: Authority, certificate: Certificate, port: int
) -> None:
    ours = authority.sign("echoworker")
    settings = load_settings(
        data_dir=tmp_path / "data",
        audit={"syslog": f"127.0.0.1:{port}", "syslog_trusted": str(authority.trusted)},
        tls={
            "certificate": str(ours.certificate),
            "private_key": str(ours.private_key),
            "trusted": str(authority.trusted),
        },
    )
    folder = tmp_path / "rsyslog"
    folder.mkdir()

    def arrived(file: Path) -> set[int]:
        content = file.read_bytes() if file.exists() else b""
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        assert all(line.startswith(b"85 echoworker DICOM+RFC3881 \xef\xbb\xbf<?xml") for line in lines)
        messages = [parse_valid(line[line.index(b"<") :]) for line in lines]
        return {int(found.findtext("EventIdentification/EventOutcomeDescription", "")) for found in messages}

    def wait_for_all_of(last: int) -> None:
        with rsyslog(folder, port, authority, certificate) as file:
            wait_until(lambda: arrived(file) == set(range(last)), ARRIVES_WITHIN_S, f"{last} audit messages")

    with forwarding(settings):
        record(settings, 0, 250)
        wait_for_all_of(250)
        record(settings, 250, 300)
        wait_for_all_of(300)


def test_without_a_repository_nothing_runs(tmp_path: Path) -> None:
    with forwarding(load_settings(data_dir=tmp_path / "data")):
        pass
    assert not (tmp_path / "data" / "audit").exists()


@pytest.mark.parametrize("address", ["repository", "repository:", ":6514", "repository:port", "repository:65536"])
def test_an_address_without_a_port_is_refused_at_the_start(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"audit\.syslog"):
        AuditForwarder(load_settings(data_dir=tmp_path, audit={"syslog": address}))


def test_a_trusted_file_without_certificates_is_refused_at_the_start(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text("nothing")
    settings = load_settings(data_dir=tmp_path, audit={"syslog": "127.0.0.1:6514", "syslog_trusted": str(trusted)})
    with pytest.raises(ConfigurationError, match=r"audit\.syslog_trusted"):
        AuditForwarder(settings)
