"""What `echoworker doctor` says of what is around: settings file, clocks, certificates, senders, the device."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.errors import EchoWorkerError
from config.sections.peers import PeerSettings
from config.settings import Settings, load_settings
from db.lifecycle.received import ACCEPTED
from db.monitoring.drift import record_drift
from db.monitoring.tallies import BEAT, note_heartbeat
from db.session import Database
from db.tables.peers import Caller
from deploy.doctor.certificates import certificates
from deploy.doctor.clocks import clocks
from deploy.doctor.examination import examine
from deploy.doctor.queues import device
from deploy.doctor.senders import calls_us
from deploy.doctor.settings import site_file
from dicom_node.findings import Doubt, FaultError, Level
from dicom_node.reception.receiver import Receiver
from dicom_node.spool import Spool
from tests.support.certificates import Authority
from tests.support.servers import free_port

NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(data_dir=tmp_path / "data")
    Spool(settings.spool_dir).create()
    registry = Database(settings.database_url)
    registry.upgrade()
    registry.close()
    return settings


def said(check: Callable[[Settings], str], settings: Settings, kind: type[EchoWorkerError] = Doubt) -> str:
    with pytest.raises(kind) as raised:
        check(settings)
    return str(raised.value)


def test_a_settings_file_that_everybody_can_read_is_a_warning(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site_file(settings).startswith("the defaults")
    site = tmp_path / "site.toml"
    site.touch(mode=0o640)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    assert site_file(settings).startswith(str(site))
    site.chmod(0o644)
    assert f"chmod o= {site}" in said(site_file, settings)


@pytest.mark.parametrize(("ahead_s", "is_wrong"), [(30, False), (300, True)])
def test_a_sign_of_life_from_the_future_is_a_wrong_clock(settings: Settings, ahead_s: int, is_wrong: bool) -> None:
    registry = Database(settings.database_url)
    with registry.write() as session:
        note_heartbeat(session, BEAT, now=datetime.now(UTC) + timedelta(seconds=ahead_s))
    registry.close()
    if is_wrong:
        assert re.search(r"a worker, or beat, is (29\d|300) s ahead", said(clocks, settings))
    else:
        assert "the spool" in clocks(settings)
    assert list(Spool(settings.spool_dir).incoming.iterdir()) == []


def test_the_day_of_the_last_look_at_drift_is_no_sign_of_life(settings: Settings) -> None:
    """In Tokyo, at five in the morning, it is not that day yet in UTC."""
    registry = Database(settings.database_url)
    with registry.write() as session:
        note_heartbeat(session, BEAT, now=NOW)
        record_drift(session, (NOW + timedelta(days=1)).date(), [])
    registry.close()
    assert "the spool" in clocks(settings)


def test_the_clock_of_the_registrys_server_is_compared(settings: Settings, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgresql_server").create_database("doctor_clocks")
    registry = Database(url)
    registry.upgrade()
    registry.close()
    on_a_server = settings.model_copy(update={"database": settings.database.model_copy(update={"url": url})})
    assert "the registry's server" in clocks(on_a_server)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def with_tls(settings: Settings, authority: Authority, *, days: int, crl: str = "") -> Settings:
    signed = authority.sign(f"node{days}", days=days)
    files = {
        "certificate": str(signed.certificate), "private_key": str(signed.private_key),
        "trusted": str(authority.trusted), "crl": crl, "port": free_port(),
    }  # fmt: skip
    return settings.model_copy(update={"tls": settings.tls.model_copy(update=files)})


def test_certificates_are_well_end_soon_or_are_over(settings: Settings, authority: Authority) -> None:
    alerting = settings.monitoring.alerting.model_copy(update={"certificate_expires_within_days": 14})
    monitoring = settings.monitoring.model_copy(update={"alerting": alerting})
    settings = settings.model_copy(update={"monitoring": monitoring})
    assert "speaks no TLS" in certificates(settings)
    assert "tls.certificate is valid until" in certificates(with_tls(settings, authority, days=29))
    assert "tls.certificate on" in said(certificates, with_tls(settings, authority, days=7))
    assert "tls.certificate since" in said(certificates, with_tls(settings, authority, days=-1), FaultError)


def test_a_revocation_list_that_ends_within_a_day_is_a_warning(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    alerting = settings.monitoring.alerting.model_copy(update={"certificate_expires_within_days": 14})
    monitoring = settings.monitoring.model_copy(update={"alerting": alerting})
    settings = settings.model_copy(update={"monitoring": monitoring})
    crl = tmp_path / "crl.pem"
    for seconds, kind in ((3 * 24 * 3600, None), (3600, Doubt)):
        crl.write_bytes(authority.revocation_list(seconds=seconds))
        by_tls = with_tls(settings, authority, days=29, crl=str(crl))
        if kind is None:
            assert "tls.crl is valid until" in certificates(by_tls)
        else:
            assert "tls.crl on" in said(certificates, by_tls, kind)


@pytest.fixture
def node_by_tls(settings: Settings, authority: Authority) -> Iterator[Settings]:
    node = settings.node.model_copy(update={"port": free_port()})
    by_tls = with_tls(settings.model_copy(update={"node": node}), authority, days=7)
    running = Receiver(by_tls)
    running.start()
    yield by_tls
    running.stop()


def test_the_certificate_that_a_peer_shows_is_looked_at(node_by_tls: Settings) -> None:
    entry: dict[str, Any] = {"name": "other", "ae_title": "ECHOWORKER", "roles": ["destination"], "tls": True}
    peer = PeerSettings(**entry, host="127.0.0.1", port=node_by_tls.tls.port)
    found = {each.subject: each for each in examine(node_by_tls.model_copy(update={"peers": (peer,)}))}
    assert found["peer other"].level is Level.OK, found["peer other"].said
    assert found["certificate of other"].level is Level.WARN
    assert "is valid until" in found["certificate of other"].said


VIVID = PeerSettings.model_validate(
    {"name": "VIVID1", "ae_title": "VIVID1", "roles": ["sender"], "networks": ["10.1.0.0/16"]}
)


@pytest.mark.parametrize(
    ("address", "outcome", "expected"),
    [
        ("10.1.0.7", ACCEPTED, None),
        ("10.1.0.7", "too many", "was refused: too many"),
        ("10.2.0.7", ACCEPTED, "has never called; try its C-ECHO to ECHOWORKER at this host, port 11112"),
    ],
)
def test_a_sender_that_never_came_in_is_told_of(
    settings: Settings, address: str, outcome: str, expected: str | None
) -> None:
    registry = Database(settings.database_url)
    with registry.write() as session:
        times = {"count": 1, "first_at": NOW, "last_at": NOW}
        session.add(Caller(ae_title="VIVID1", address=address, outcome=outcome, **times))
    registry.close()
    if expected is None:
        assert "was let in" in calls_us(VIVID)(settings)
    else:
        assert expected in said(calls_us(VIVID), settings)


def test_a_gpu_that_is_wanted_and_not_there_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.echoclip.device_check.gpus", list)
    assert device(settings).startswith("the CPU")
    wanted = settings.model.model_copy(update={"device": "cuda"})
    assert "torch sees no GPU here" in said(device, settings.model_copy(update={"model": wanted}))
