"""What Prometheus and probes are told over HTTP, of a registry and a spool with things in them."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from config.settings import Settings, load_settings
from config.steps import Step
from db.delivery.queues import Trouble, release_queue
from db.monitoring.tallies import BEAT, TallyKind, add_to_tallies, note_heartbeat
from db.session import Database
from db.tables.studies import Study
from db.working.leases import Fault, claim, fail_attempt
from deploy.monitoring.server import MonitoringServer
from dicom_node.findings import found_by
from dicom_node.readiness import health
from dicom_node.reception.reporting import OpenStudies
from dicom_node.services import broker
from dicom_node.spool import Spool
from tests.support.reported import instance_of, must_take, reported

NOW = datetime.now(UTC)
PEERS = [
    {"name": "PACS", "ae_title": "PACS", "roles": ["destination"], "host": "127.0.0.1", "accept_models": ["RESEARCH"]}
]
PHI = ("A^B", "1.2.1", "1.2.2", "2.25.")
"""A patient's name, and UIDs of studies and reports."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    loaded = load_settings(data_dir=tmp_path, peers=PEERS)
    quick = loaded.monitoring.model_copy(update={"answers_kept_s": 0})
    node = loaded.node.model_copy(update={"minimum_free_bytes": 0})
    return loaded.model_copy(update={"monitoring": quick, "node": node})


@pytest.fixture
def registry(settings: Settings) -> Iterator[Database]:
    Spool(settings.spool_dir).create()
    database = Database(settings.database_url)
    database.upgrade()
    yield database
    database.close()


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    server = MonitoringServer(settings)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_say_what_waits_what_is_due_and_what_went_wrong(settings: Settings, registry: Database) -> None:
    spool, pipeline = Spool(settings.spool_dir), settings.pipeline
    instance = instance_of("1.2.1", sop="1.2.1.1", at=NOW - timedelta(hours=1))
    reported(registry, pipeline, instance, to=["PACS", "a name from before"], now=NOW - timedelta(minutes=30))
    held = must_take(registry, "PACS", NOW)
    with registry.write() as session:
        release_queue(session, held, trouble=Trouble(reason="out of reach"), now=NOW, pipeline=pipeline)
        add_to_tallies(session, TallyKind.INSTANCE, {"0x0000": 41, "0xA700": 2})
        add_to_tallies(session, TallyKind.ASSOCIATION, {"accepted": 5, "refused": 1})
        note_heartbeat(session, BEAT, now=NOW)
    OpenStudies(spool).publish(["1.2.1"], associations=3)
    (spool.quarantined / "2026-11-24").mkdir()
    (spool.quarantined / "2026-11-24" / "1.dcm").write_bytes(b"")
    with serving(settings) as url:
        status, text = get(f"{url}/metrics")
    assert status == 200
    told = samples(text)
    expected = {
        ("echoworker_registry_up",): 1,
        ("echoworker_instances_total", "0xA700"): 2,
        ("echoworker_associations_total", "refused"): 1,
        ("echoworker_associations_open",): 3,
        ("echoworker_receivers",): 1,
        ("echoworker_studies", "REPORTED"): 1,
        ("echoworker_studies", "FAILED"): 0,
        ("echoworker_deliveries", "PACS", "DUE"): 1,
        ("echoworker_deliveries", "former", "DUE"): 1,
        ("echoworker_dead_letters",): 0,
        ("echoworker_circuit_open", "PACS", "deliver"): 1,
        ("echoworker_oldest_waiting_seconds", "prepare"): 0,
        ("echoworker_quarantined_instances",): 1,
        ("echoworker_model_info", "0" * 64, "RESEARCH", "m", "1"): 1,
        ("echoworker_heartbeat_timestamp_seconds", "beat"): pytest.approx(NOW.timestamp(), abs=1),
    }
    assert {key: told.get(key) for key in expected} == expected
    longest = (datetime.now(UTC) - NOW).total_seconds() + 1800
    assert 1800 <= told["echoworker_oldest_waiting_seconds", "deliver"] <= longest
    assert told[("echoworker_spool_free_bytes",)] > 0
    assert not [word for word in PHI if word in text]


def test_steps_are_counted_from_when_the_process_first_looked(settings: Settings, registry: Database) -> None:
    pipeline = settings.pipeline
    reported(registry, pipeline, instance_of("1.2.1", sop="1.2.1.1", at=NOW), to=[], now=NOW)
    with serving(settings) as url:
        assert ("echoworker_step_duration_seconds_count", "report") not in samples(get(f"{url}/metrics")[1])
        reported(registry, pipeline, instance_of("1.2.2", sop="1.2.2.1", at=NOW), to=[], now=NOW)
        told = samples(get(f"{url}/metrics")[1])
    assert told["echoworker_step_duration_seconds_count", "report"] == 1


def test_without_the_registry_the_rest_is_told_all_the_same(settings: Settings) -> None:
    Spool(settings.spool_dir).create()
    with serving(settings) as url:
        status, text = get(f"{url}/metrics")
    told = samples(text)
    assert status == 200
    assert told[("echoworker_registry_up",)] == 0
    assert told[("echoworker_spool_free_bytes",)] > 0
    assert not [key for key in told if key[0] == "echoworker_studies"]


def test_ready_only_when_everything_that_the_node_needs_is_there(settings: Settings, registry: Database) -> None:
    def ask(url: str) -> tuple[int, dict[str, Any]]:
        status, text = get(f"{url}/ready")
        said = json.loads(text)
        assert said["ready"] is (status == 200)
        return status, {each["check"]: each for each in said["checks"]}

    with serving(settings) as url:
        status, checks = ask(url)
        assert status == 503
        assert [name for name, each in checks.items() if not each["ok"]] == ["node"]
        assert "echoworker node" in checks["node"]["said"]
        OpenStudies(Spool(settings.spool_dir)).publish([], associations=0)
        assert ask(url)[0] == 200
        Path(settings.data_dir / "registry.sqlite3").rename(settings.data_dir / "elsewhere")
        status, checks = ask(url)
        assert status == 503
        assert "echoworker db upgrade" in checks["registry"]["said"]
        assert get(f"{url}/health")[0] == 200


def test_a_broker_and_a_disk_that_are_in_trouble_are_named_without_their_secrets(settings: Settings) -> None:
    Spool(settings.spool_dir).create()
    away = settings.broker.model_copy(update={"url": "redis://user:hunter2@127.0.0.1:1/0"})
    full = settings.node.model_copy(update={"minimum_free_bytes": 1 << 60})
    with serving(settings.model_copy(update={"broker": away, "node": full})) as url:
        status, text = get(f"{url}/ready")
    said = {each["check"]: each["said"] for each in json.loads(text)["checks"]}
    assert status == 503
    assert said["broker"].startswith("redis://127.0.0.1:1/0 cannot be reached")
    assert said["spool"].startswith("disk low")
    assert "hunter2" not in text


def test_other_pages_are_named(settings: Settings) -> None:
    with serving(settings) as url:
        assert get(f"{url}/") == (404, "/metrics\n/health\n/ready\n")


def test_a_head_is_answered_without_the_content_of_its_page(settings: Settings) -> None:
    with serving(settings) as url, socket.create_connection(("127.0.0.1", urlsplit(url).port or 0)) as connection:
        connection.sendall(b"HEAD /health HTTP/1.0\r\n\r\n")
        answer = connection.makefile().read()
    status, *headers = answer.splitlines()
    assert status == "HTTP/1.0 200 OK"
    assert f"Content-Length: {len(health())}" in headers
    assert headers[-1] == ""


def test_a_hundred_thousand_studies_are_told_of_in_a_moment(settings: Settings, registry: Database) -> None:
    """Some seconds allow for a busy machine; a question that read all rows of all tables would take far longer."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
    state = "CASE i % 4 WHEN 0 THEN 'READY' WHEN 1 THEN 'REPORTED' ELSE 'DELIVERED' END"
    columns = "study_instance_uid, revision, state, state_since, created_at, last_instance_at, attempts"
    at = "'2026-11-24 12:00:00'"
    with registry.write() as session:
        rows = f"SELECT '1.' || i, 1, {state}, {at}, {at}, {at}, 0 FROM n"  # noqa: S608
        session.execute(text(f"INSERT INTO studies ({columns}) {numbers} {rows}"))
    with serving(settings) as url:
        before = datetime.now(UTC)
        told = samples(get(f"{url}/metrics")[1])
        took = datetime.now(UTC) - before
    assert told["echoworker_studies", "READY"] == 25_000
    assert took < timedelta(seconds=10)


def test_a_failed_attempt_is_counted_and_is_no_duration(settings: Settings, registry: Database) -> None:
    with registry.write() as session:
        study = Study(study_instance_uid="1.2.1", state="READY", state_since=NOW, created_at=NOW, last_instance_at=NOW)
        session.add(study)
        session.flush()
        number = study.id
    with serving(settings) as url:
        get(f"{url}/metrics")
        with registry.write() as session:
            held = claim(session, number, Step.PREPARE, owner="w", now=NOW, pipeline=settings.pipeline)
            assert held is not None
            fail_attempt(session, held, reason="r", fault=Fault.PASSING, now=NOW, pipeline=settings.pipeline)
        told = samples(get(f"{url}/metrics")[1])
    assert told["echoworker_attempts_failed_total", "prepare"] == 1
    assert ("echoworker_step_duration_seconds_count", "prepare") not in told


def test_a_password_that_cannot_be_read_is_not_said_to_be_a_broker_that_is_away(
    settings: Settings, tmp_path: Path
) -> None:
    gone = tmp_path / "redis-password"
    wanted = {"url": "redis://user@127.0.0.1:1/0", "password_file": str(gone)}
    finding = found_by(
        "broker", broker, settings.model_copy(update={"broker": settings.broker.model_copy(update=wanted)})
    )
    assert finding.said.startswith(f"{gone} cannot be read (No such file or directory)")
