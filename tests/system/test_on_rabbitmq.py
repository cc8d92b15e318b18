"""The whole product on RabbitMQ: with a password, by TLS with a certificate, and while it is killed and forgets all."""

import uuid
from pathlib import Path

import pytest
from sqlalchemy import func, select

from config.logs import Event
from config.steps import Step
from db.tables.deliveries import Report
from db.tables.runs import RunRow
from tests.support.clips import SMALL, as_study_of_its_own, study_of
from tests.support.installation import Installation
from tests.support.rabbitmq import PASSWORD, RabbitMQ, rabbitmq
from tests.support.servers import Orthanc, PostgreSQL
from tests.support.waiting import wait_until

OUT_OF_MEMORY = "vm_memory_high_watermark.absolute = 20MB\n"
"""It has more in use at once: connections that send are not read from any more."""
WAKES_AGAIN_SOON = {"ECHOWORKER_PIPELINE__WAKE_AGAIN_AFTER_S": "5"}
"""A wake-up that it had taken goes with it, read or not: what waits is announced again."""

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(400)]


def of_their_own(count: int, folder: Path) -> list[Path]:
    return [as_study_of_its_own(SMALL, folder / str(number)) for number in range(count)]


def assert_each_once(installation: Installation, orthanc: Orthanc, studies: list[str]) -> None:
    with installation.registry.read() as session:
        assert session.scalar(select(func.count(RunRow.id))) == len(studies)
        assert session.scalar(select(func.count(Report.id))) == len(studies)
    assert [len(orthanc.reports_of(study)) for study in studies] == [1] * len(studies)


def assert_says_no_password(installation: Installation) -> None:
    shown = installation.command("doctor")
    assert "amqp" in shown.stdout, shown.stderr
    assert PASSWORD not in installation.log.read_text() + shown.stdout + shown.stderr


@pytest.mark.parametrize("way", ["postgresql and password", "sqlite and TLS"])
def test_a_study_goes_through(
    way: str, rabbitmq: RabbitMQ, orthanc: Orthanc, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if way == "sqlite and TLS":
        database, url, files = "", rabbitmq.secure_url, rabbitmq.secure_files
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        database = server.create_database(f"system_{uuid.uuid4().hex}")
        url, files = rabbitmq.url, rabbitmq.files
    installation = Installation(tmp_path, orthanc, database_url=database, broker_url=url, broker_files=files)
    (file,) = of_their_own(1, tmp_path / "outside")
    with installation.up():
        sent = installation.command("send", file)
        assert sent.returncode == 0, sent.stderr
        installation.wait_for(study_of(file), "DELIVERED")
    assert_each_once(installation, orthanc, [study_of(file)])
    assert_says_no_password(installation)


def test_a_rabbitmq_that_is_killed_and_forgets_all_loses_and_doubles_nothing(orthanc: Orthanc, tmp_path: Path) -> None:
    (tmp_path / "rabbitmq").mkdir()
    with rabbitmq(tmp_path / "rabbitmq") as server:
        installation = Installation(tmp_path, orthanc, broker_url=server.url, broker_files=server.files)
        before, during, after = of_their_own(3, tmp_path / "outside")
        with installation.up(environment=WAKES_AGAIN_SOON):
            assert installation.command("send", before).returncode == 0
            wait_until(lambda: installation.detail(study_of(before)), 60, "the first study to be known")
            server.kill()
            server.forget()
            assert installation.command("send", during).returncode == 0
            wait_until(
                lambda: any(event["event"] == Event.BROKER_AWAY for event in installation.events()),
                60,
                "a wake-up to find no broker",
            )
            server.start()
            assert installation.command("send", after).returncode == 0
            studies = [study_of(file) for file in (before, during, after)]
            for study in studies:
                installation.wait_for(study, "DELIVERED")
        assert_each_once(installation, orthanc, studies)
        assert_says_no_password(installation)


def test_a_rabbitmq_that_takes_no_message_holds_nobody_up(orthanc: Orthanc, tmp_path: Path) -> None:
    (tmp_path / "rabbitmq").mkdir()
    with rabbitmq(tmp_path / "rabbitmq") as server:
        installation = Installation(tmp_path, orthanc, broker_url=server.url, broker_files=server.files)
        (file,) = of_their_own(1, tmp_path / "outside")
        server.kill()
        server.limits = OUT_OF_MEMORY
        server.start()
        with installation.up(environment=WAKES_AGAIN_SOON):
            sent = installation.command("send", file)
            assert sent.returncode == 0, sent.stderr
            installation.wait_for(study_of(file), "READY")
            server.kill()
            server.limits = ""
            server.start()
            installation.wait_for(study_of(file), "DELIVERED")
        assert "memory resource limit alarm set" in server.log()
        assert_each_once(installation, orthanc, [study_of(file)])


def test_a_paused_queue_stands_still_until_it_is_resumed(rabbitmq: RabbitMQ, orthanc: Orthanc, tmp_path: Path) -> None:
    installation = Installation(tmp_path, orthanc, broker_url=rabbitmq.url, broker_files=rabbitmq.files)
    (file,) = of_their_own(1, tmp_path / "outside")
    with installation.up():
        paused = installation.command("queues", "pause", Step.SCORE.value, "--reason", "a test")
        assert paused.returncode == 0, paused.stderr
        assert installation.command("send", file).returncode == 0
        installation.wait_for(study_of(file), "PREPARED")
        assert "a test" in installation.command("queues").stdout
        resumed = installation.command("queues", "resume", Step.SCORE.value)
        assert resumed.returncode == 0, resumed.stderr
        installation.wait_for(study_of(file), "DELIVERED")
    assert_each_once(installation, orthanc, [study_of(file)])
