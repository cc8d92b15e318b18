"""What `echoworker doctor` says of what goes on by itself, and of those who are told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import EchoWorkerError
from config.settings import Settings, load_settings
from db.monitoring.tallies import BACKUP, note_heartbeat
from db.session import Database
from db.tables.monitoring import AlertRow, Reconciliation
from db.tables.rescoring import Rescoring
from db.tables.studies import Study
from deploy.doctor.nightly import alert_receivers, backup, monitoring_page, nightly_duties, rescoring
from dicom_node.findings import Doubt, FaultError
from tests.support.servers import free_port

NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(data_dir=tmp_path)
    registry = Database(settings.database_url)
    registry.upgrade()
    registry.close()
    return settings


def written(settings: Settings, *rows: object) -> None:
    registry = Database(settings.database_url)
    with registry.write() as session:
        session.add_all(rows)
    registry.close()


def note(settings: Settings, name: str, at: datetime) -> None:
    registry = Database(settings.database_url)
    with registry.write() as session:
        note_heartbeat(session, name, now=at)
    registry.close()


def said(check: Callable[[Settings], str], settings: Settings, kind: type[EchoWorkerError] = Doubt) -> str:
    with pytest.raises(kind) as raised:
        check(settings)
    return str(raised.value)


@pytest.mark.parametrize(
    ("kind", "state", "reason", "expected"),
    [
        ("rescore", "CANARY", None, "the canary of batch 1"),
        ("rescore", "SCORED", None, "neither adopted nor discarded"),
        ("rescore", "RUNNING", "no pack", "stands still: no pack"),
        ("rescore", "RUNNING", "continued by k.meyer@echo", None),
        ("rescore", "RUNNING", "no pack; paused by k.meyer@echo; resumed by k.meyer@echo", None),
        ("rescore", "ADOPTING", "adopted by k.meyer@echo", None),
        ("rescore", "SCORED", "paused by k.meyer@echo; resumed by k.meyer@echo", "neither adopted nor discarded"),
        ("rescore", "RUNNING", "resumed by k.meyer@echo; paused by k.meyer@echo", "stands still: resumed by"),
        ("shadow", "SCORED", None, None),
        ("rescore", "ADOPTED", None, None),
    ],
)
def test_a_batch_that_waits_for_somebody_is_named(
    settings: Settings, kind: str, state: str, reason: str | None, expected: str | None
) -> None:
    model = {"model_name": "m", "model_version": "1", "model_label": "RESEARCH", "model_digest": "0" * 64}
    digests = {"embedder": "0" * 64, "catalogue_digest": "0" * 64}
    times = {"created_at": NOW, "state_since": NOW}
    batch = {"kind": kind, "state": state, "reason": reason, "paused": False, "started_by": "beat", "pack": ""}
    written(settings, Rescoring(**batch, **model, **digests, **times))
    if expected is None:
        assert "none waits" in rescoring(settings)
    else:
        assert expected in said(rescoring, settings)


def test_the_pack_of_a_shadow_that_is_not_there_is_a_fault(settings: Settings, tmp_path: Path) -> None:
    wanted = settings.rescore.model_copy(update={"shadow_pack": str(tmp_path / "gone")})
    assert "rescore.shadow_pack" in said(rescoring, settings.model_copy(update={"rescore": wanted}), FaultError)


def test_a_duty_that_was_left_out_and_an_archive_in_trouble_are_told_of(settings: Settings) -> None:
    assert nightly_duties(settings) == "drift: the first is to come", "a new installation has left out nothing"
    came = NOW - timedelta(days=3)
    times = {"state_since": came, "created_at": came, "last_instance_at": came}
    written(settings, Study(study_instance_uid="1.2", state="READY", **times))
    assert "drift was last done never" in said(nightly_duties, settings)
    note(settings, "drift", NOW - timedelta(days=2))
    assert "drift was last done 2" in said(nightly_duties, settings)
    note(settings, "drift", NOW)
    assert nightly_duties(settings) == "drift: done"
    counts = {"found": 0, "missing": [], "incomplete": [], "fetched": 0, "trouble": "1.2.1 did not come"}
    written(settings, Reconciliation(archive="PACS", day=NOW.date(), looked_at=NOW, **counts))
    found = said(nightly_duties, settings)
    assert "PACS" in found
    assert "1.2.1" not in found


def test_a_backup_that_has_not_been_made_for_days_is_told_of_where_one_ever_was(settings: Settings) -> None:
    assert backup(settings) == "echoworker backup has made none of this installation"
    note(settings, BACKUP, NOW - timedelta(hours=47))
    assert backup(settings).startswith("the last one ended at 20")
    note(settings, BACKUP, NOW - timedelta(hours=49))
    assert "more than 2 days ago: does its timer run" in said(backup, settings)
    alerting = settings.monitoring.alerting.model_copy(update={"no_backup_for_days": 0})
    monitoring = settings.monitoring.model_copy(update={"alerting": alerting})
    assert "the last one ended" in backup(settings.model_copy(update={"monitoring": monitoring}))


def test_a_page_that_nobody_serves_is_a_fault(settings: Settings) -> None:
    assert monitoring_page(settings) == "none (monitoring.port)"
    monitoring = settings.monitoring.model_copy(update={"port": free_port()})
    found = said(monitoring_page, settings.model_copy(update={"monitoring": monitoring}), FaultError)
    assert "nothing listens on 127.0.0.1" in found


def test_a_receiver_that_cannot_be_told_is_named(settings: Settings) -> None:
    assert "none waits" in alert_receivers(settings)
    alert = {"cause": "drift", "subject": "", "said": "said", "since": NOW, "tell_at": NOW}
    written(settings, AlertRow(receiver="on call", attempts=3, **alert))
    assert "on call could not be told" in said(alert_receivers, settings)
