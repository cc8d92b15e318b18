"""Who is told when something is wrong: a real HTTP server listens, a real command runs, and time is the test's own."""

import json
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from config.sections.monitoring import AlertCause
from config.settings import Settings, load_settings
from config.steps import Step
from db.delivery.queues import Trouble, release_queue
from db.monitoring.alerts import open_alerts
from db.monitoring.canaries import CAME_THROUGH, FAILED, SENT
from db.monitoring.reconciliations import record_reconciliation
from db.monitoring.tallies import BACKUP, BEAT, note_heartbeat
from db.session import Database
from db.tables.monitoring import Reconciliation
from db.tables.studies import Study
from db.working.leases import Fault, claim, fail_attempt
from deploy.monitoring.alerts import Alerts
from deploy.monitoring.conditions import conditions_without_registry
from deploy.monitoring.working_time import WorkingTime
from dicom_node.expiry import expiry_of
from dicom_node.spool import Spool
from tests.support.certificates import Authority
from tests.support.reported import instance_of, must_take, reported

NOW = datetime.now(UTC)
PACS = {"name": "PACS", "ae_title": "PACS", "roles": ["destination"], "host": "127.0.0.1"}


@dataclass
class OnCall:
    """Somebody with a webhook."""

    port: int
    heard: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200

    @property
    def statuses(self) -> list[tuple[str, str, str]]:
        return [(said["status"], said["cause"], said["subject"]) for said in self.heard]


@pytest.fixture
def on_call() -> Iterator[OnCall]:
    listener: OnCall

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if listener.status == 200:
                listener.heard.append(json.loads(content))
            self.send_response(listener.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    listener = OnCall(port=int(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield listener
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Watched:
    """An installation that is watched, at a time of the test's own."""

    settings: Settings
    registry: Database
    now: datetime = NOW

    def look(self, *, after: timedelta = timedelta(0), restarted: bool = False) -> None:
        if restarted or not hasattr(self, "alerts"):
            self.alerts = Alerts(self.settings, self.registry, clock=lambda: self.now)
        self.now += after
        with self.registry.write() as session:
            note_heartbeat(session, BEAT, now=self.now)
        self.alerts.look_once()

    def fail_study(self) -> int:
        with self.registry.write() as session:
            times = {"state_since": NOW, "created_at": NOW, "last_instance_at": NOW}
            study = Study(study_instance_uid="1.2.7", state="READY", **times)
            session.add(study)
            session.flush()
            pipeline = self.settings.pipeline
            held = claim(session, study.id, Step.PREPARE, owner="w", now=NOW, pipeline=pipeline)
            assert held is not None
            fail_attempt(session, held, reason="a reason", fault=Fault.LASTING, now=NOW, pipeline=pipeline)
            return study.id

    def mend_study(self, number: int) -> None:
        with self.registry.write() as session:
            session.get_one(Study, number).state = "DELIVERED"


def watched_installation(folder: Path, alerts: list[dict[str, Any]]) -> Watched:
    settings = load_settings(data_dir=folder, peers=[PACS], alerts=alerts)
    node = settings.node.model_copy(update={"minimum_free_bytes": 0})
    settings = settings.model_copy(update={"node": node})
    Spool(settings.spool_dir).create()
    registry = Database(settings.database_url)
    registry.upgrade()
    return Watched(settings, registry)


@pytest.fixture
def watched(tmp_path: Path, on_call: OnCall) -> Iterator[Watched]:
    url = f"http://127.0.0.1:{on_call.port}/hook"
    made = watched_installation(tmp_path, [{"name": "on call", "kind": "webhook", "url": url}])
    yield made
    made.registry.close()


def test_it_is_told_once_again_after_a_pause_and_when_it_is_right(watched: Watched, on_call: OnCall) -> None:
    number = watched.fail_study()
    watched.look()
    watched.look(after=timedelta(minutes=1))
    watched.look(after=timedelta(minutes=1), restarted=True)
    firing = ("firing", "study-failed", "prepare")
    assert on_call.statuses == [firing]
    watched.look(after=timedelta(hours=12))
    assert on_call.statuses == [firing, firing]
    watched.mend_study(number)
    watched.look(after=timedelta(minutes=1))
    watched.look(after=timedelta(minutes=1))
    assert on_call.statuses == [firing, firing, ("resolved", "study-failed", "prepare")]
    with watched.registry.read() as session:
        assert open_alerts(session) == []


def test_nothing_of_a_study_or_a_patient_is_said(watched: Watched, on_call: OnCall) -> None:
    watched.fail_study()
    watched.look()
    (said,) = on_call.heard
    assert set(said) == {"status", "cause", "subject", "said", "since", "at", "installation", "software"}
    assert said["said"].startswith("1 studies FAILED at prepare: echoworker studies")
    assert "1.2.7" not in json.dumps(said)


def test_a_receiver_that_is_away_is_told_later_and_holds_up_no_other(tmp_path: Path, on_call: OnCall) -> None:
    heard = tmp_path / "heard.json"
    command = tmp_path / "tell"
    command.write_text(f"#!/bin/sh\ncat > {heard}\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    url = f"http://127.0.0.1:{on_call.port}/"
    receivers = [
        {"name": "hook", "kind": "webhook", "url": url},
        {"name": "command", "kind": "command", "command": [str(command)], "causes": ["study-failed"]},
    ]
    watched = watched_installation(tmp_path / "data", receivers)
    watched.fail_study()
    on_call.status = 500
    watched.look()
    assert json.loads(heard.read_text())["cause"] == "study-failed"
    on_call.status = 200
    watched.look(after=timedelta(seconds=1))
    assert on_call.heard == []
    watched.look(after=timedelta(minutes=1))
    assert on_call.statuses == [("firing", "study-failed", "prepare")]
    watched.registry.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"missing": ["1.2.1"]}, "1 studies of the last days"),
        ({"incomplete": ["1.2.1", "1.2.2"]}, "2 came in part"),
        ({"trouble": "1.2.1 did not come"}, "1 days it could not be asked of"),
    ],
)
def test_what_an_archive_has_that_we_have_not_and_that_it_cannot_be_asked_is_said(
    watched: Watched, on_call: OnCall, wrong: dict[str, Any], said: str
) -> None:
    row = {"missing": [], "incomplete": [], "trouble": None, "found": 3, "fetched": 0, **wrong}
    with watched.registry.write() as session:
        record_reconciliation(session, Reconciliation(archive="PACS", day=NOW.date(), looked_at=NOW, **row))
    watched.look()
    assert on_call.statuses == [("firing", "studies-missing", "PACS")]
    assert said in on_call.heard[0]["said"]
    assert "1.2.1" not in on_call.heard[0]["said"]


def test_a_destination_in_trouble_is_told_of_once_that_lasts(watched: Watched, on_call: OnCall) -> None:
    registry, pipeline = watched.registry, watched.settings.pipeline
    reported(registry, pipeline, instance_of("1.2.1", sop="1.2.1.1", at=NOW), to=["PACS"], now=NOW)
    held = must_take(registry, "PACS", NOW)
    with registry.write() as session:
        release_queue(session, held, trouble=Trouble(reason="out of reach"), now=NOW, pipeline=pipeline)
    watched.look()
    watched.look(after=timedelta(minutes=29))
    assert on_call.heard == []
    watched.look(after=timedelta(minutes=2))
    assert on_call.statuses == [("firing", "circuit-open", "deliver PACS")]


def assert_broker_and_beat_are_told_of(watched: Watched, on_call: OnCall) -> None:
    watched.look()
    watched.now += timedelta(minutes=6)
    watched.alerts.look_once()
    assert on_call.statuses == [("firing", "broker-away", socket.gethostname()), ("firing", "stands-still", "")]


def test_beat_that_stands_still_and_a_broker_that_is_away_are_told_of(watched: Watched, on_call: OnCall) -> None:
    away = watched.settings.broker.model_copy(update={"url": "redis://user:hunter2@127.0.0.1:1/0"})
    watched.settings = watched.settings.model_copy(update={"broker": away})
    assert_broker_and_beat_are_told_of(watched, on_call)
    assert "hunter2" not in json.dumps(on_call.heard)


def test_a_client_of_the_broker_that_breaks_silences_no_other_alert(
    watched: Watched, on_call: OnCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Settings) -> None:
        raise AttributeError("'NoneType' object has no attribute 'Redis'")

    monkeypatch.setattr("dicom_node.services.create_celery_app", broken)
    broker = watched.settings.broker.model_copy(update={"url": "redis://127.0.0.1:1/0"})
    watched.settings = watched.settings.model_copy(update={"broker": broker})
    assert_broker_and_beat_are_told_of(watched, on_call)


def test_that_the_registry_is_away_is_told_once_and_that_it_is_back(watched: Watched, on_call: OnCall) -> None:
    watched.look()
    file = watched.settings.data_dir / "registry.sqlite3"
    watched.registry.close()
    aside = file.rename(file.with_name("aside"))
    for _ in range(4):
        watched.now += timedelta(minutes=1)
        watched.alerts.look_once()
    assert on_call.statuses == [("firing", "registry-away", "")]
    assert on_call.heard[0]["said"].startswith("there is no registry")
    aside.rename(file)
    watched.look(after=timedelta(minutes=1))
    watched.look(after=timedelta(minutes=1))
    assert on_call.statuses == [("firing", "registry-away", ""), ("resolved", "registry-away", "")]


def test_a_registry_without_tables_is_told_as_such_and_what_to_do(tmp_path: Path, on_call: OnCall) -> None:
    url = f"http://127.0.0.1:{on_call.port}/"
    settings = load_settings(data_dir=tmp_path, alerts=[{"name": "on call", "kind": "webhook", "url": url}])
    Spool(settings.spool_dir).create()
    (tmp_path / "registry.sqlite3").touch()
    times = iter(NOW + timedelta(minutes=minute) for minute in range(100))
    alerts = Alerts(settings, Database(settings.database_url), clock=lambda: next(times))
    for _ in range(3):
        alerts.look_once()
    assert on_call.statuses == [("firing", "registry-away", "")]
    assert "lacks tables of this version, which echoworker db upgrade makes" in on_call.heard[0]["said"]


def test_working_hours_alone_count() -> None:
    working = WorkingTime.parse("07:00-19:00", [1, 2, 3, 4, 5])
    friday = datetime(2026, 11, 27, 18, 30).astimezone()
    monday = datetime(2026, 11, 30, 8, 0).astimezone()
    assert working.between(friday, monday) == timedelta(hours=1, minutes=30)
    assert working.between(friday, friday + timedelta(hours=8)) == timedelta(minutes=30)
    night = WorkingTime.parse("22:00-06:00", [5])
    assert night.between(friday, monday) == timedelta(hours=8)


@pytest.mark.parametrize("days", [1, 20_000])  # one that ends after 2049 writes its year in full
def test_the_end_of_a_certificate_is_read(tmp_path: Path, days: int) -> None:
    signed = Authority(tmp_path / "authority").sign("node", days=days).certificate
    assert abs(expiry_of(str(signed)) - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=5)


def test_a_canary_that_does_not_come_through_is_told_of_until_one_does(tmp_path: Path, on_call: OnCall) -> None:
    url = f"http://127.0.0.1:{on_call.port}/"
    watched = watched_installation(tmp_path / "data", [{"name": "hook", "kind": "webhook", "url": url}])
    canary = watched.settings.canary.model_copy(update={"every_minutes": 60})
    watched.settings = watched.settings.model_copy(update={"canary": canary})

    def noted(name: str) -> None:
        with watched.registry.write() as session:
            note_heartbeat(session, name, now=watched.now)

    watched.look()
    noted(SENT)
    watched.look(after=timedelta(minutes=1))
    assert on_call.heard == []
    noted(FAILED)
    watched.look(after=timedelta(minutes=1))
    assert on_call.statuses == [("firing", "canary", "")]
    assert "the registry has nothing of the last one" in on_call.heard[0]["said"]
    noted(SENT)
    watched.look(after=timedelta(minutes=59))
    noted(CAME_THROUGH)
    watched.look(after=timedelta(minutes=1))
    watched.look(after=timedelta(hours=2))
    assert on_call.statuses[1:] == [("resolved", "canary", "")]
    watched.look(after=timedelta(minutes=6))
    assert on_call.statuses[2:] == [("firing", "canary", "")]
    assert "no canary was sent since" in on_call.heard[-1]["said"]
    watched.registry.close()


def test_a_backup_that_is_not_made_any_more_is_told_of_until_the_next(watched: Watched, on_call: OnCall) -> None:
    def made() -> None:
        with watched.registry.write() as session:
            note_heartbeat(session, BACKUP, now=watched.now)

    watched.look(after=timedelta(days=9))
    assert on_call.heard == [], "none was ever made here"
    made()
    watched.look(after=timedelta(hours=47))
    assert on_call.heard == []
    watched.look(after=timedelta(hours=2))
    assert on_call.statuses == [("firing", "no-backup", "")]
    made()
    watched.look()
    assert on_call.statuses[1:] == [("resolved", "no-backup", "")]


@pytest.mark.parametrize(("days", "told"), [(5, True), (90, False)])
def test_a_certificate_of_the_dashboard_that_ends_soon_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, told: bool
) -> None:
    shown = Authority(tmp_path / "authority").sign("page", days=days)
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__CERTIFICATE", str(shown.certificate))
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PRIVATE_KEY", str(shown.private_key))
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PORT", "8443")
    settings = load_settings(data_dir=tmp_path / "data")
    Spool(settings.spool_dir).create()
    found = [
        (each.subject, each.said.partition(" is valid until")[0])
        for each in conditions_without_registry(settings, host="node-1", now=datetime.now(UTC))
        if each.cause is AlertCause.CERTIFICATE_EXPIRES
    ]
    assert found == ([("node-1", "dashboard.certificate")] if told else [])
