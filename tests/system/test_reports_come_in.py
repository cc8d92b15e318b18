"""Reports that come in, through real processes: what was acknowledged is there, whatever is killed."""

import socket
import subprocess
from pathlib import Path

import pytest

from config.settings import load_settings
from db.consistency.received_reports import ReceivedSummary, list_received
from tests.support.incoming_reports import SECRETS, Hospital, oru, send_message, takes_connections
from tests.support.installation import ECHOWORKER, Installation
from tests.support.servers import StoreSCP, free_port
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def installation(tmp_path: Path, port: int) -> Installation:
    made = Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))
    with made.site.open("a") as site:
        site.write(f"[consistency]\nport = {port}\n")
    return made


def test_what_was_acknowledged_survives_the_death_of_its_process_and_is_one_report(
    installation: Installation, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [ECHOWORKER, "--config", str(installation.site), "node", "--part", "reports"]
    for _ in range(2):  # the sender did not hear the first answer
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: takes_connections(port), 60, "the listener")
            assert send_message(oru(), port) == "AA"
        finally:
            process.kill()
            process.wait()
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    hospital = Hospital(load_settings())
    assert len(hospital.waiting) == 2
    hospital.intake.work_once()
    assert len(hospital.reports()) == 1


def test_up_receives_registers_and_names_nobody(installation: Installation, port: int) -> None:
    def registered() -> list[ReceivedSummary]:
        with installation.registry.read() as session:
            return list_received(session)

    with installation.up():
        wait_until(lambda: takes_connections(port), 60, "the listener")
        assert send_message(oru(), port) == "AA"
        (report,) = wait_until(registered, 90, f"the report to be registered; see {installation.log}")
    assert report.via == "hl7"
    assert report.study_instance_uid is None
    logged = installation.log.read_text()
    assert "listening for reports" in logged
    assert not [secret for secret in SECRETS if secret in logged]


def test_up_says_that_the_port_for_reports_is_taken(installation: Installation, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        run = installation.command("up")
    assert run.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in run.stderr
