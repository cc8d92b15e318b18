"""`echoworker reconcile --show` and `echoworker drift`, over what the last night found."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.monitoring.drift import record_drift
from db.monitoring.reconciliations import record_reconciliation
from db.tables.monitoring import DriftRow, Reconciliation
from tests.support.installation import Installation
from tests.support.servers import StoreSCP


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))
    (tmp_path / "data").mkdir()
    made.registry.upgrade()
    return made


def test_what_never_came_is_listed_and_an_archive_that_could_not_be_asked_is_no_success(
    installation: Installation,
) -> None:
    now = datetime.now(UTC)
    day = now.astimezone().date()
    looked = {"day": day, "looked_at": now, "fetched": 0}
    with installation.registry.write() as session:
        record_reconciliation(
            session, Reconciliation(archive="PACS", found=9, missing=["1.2.7"], incomplete=["1.2.8"], **looked)
        )
    shown = installation.command("reconcile", "--show")
    assert shown.returncode == 0, shown.stderr
    assert f"{day} PACS missing 1.2.7" in shown.stdout
    assert f"{day} PACS incomplete 1.2.8" in shown.stdout
    away = Reconciliation(archive="VNA", found=0, missing=[], incomplete=[], trouble="VNA: out of reach", **looked)
    with installation.registry.write() as session:
        record_reconciliation(session, away)
    shown = installation.command("reconcile", "--show")
    assert shown.returncode == 1
    assert "VNA: out of reach" in shown.stderr


def test_what_has_drifted_is_shown_and_the_rest_when_asked_for(installation: Installation) -> None:
    today = datetime.now(UTC).date()
    numbers = {"reference": 300, "recent": 60, "alarm_limit": 0.5}
    key = {"looked_on": today, "grouping": "device", "task_id": "lvef", "measure": "number"}
    rows = [
        DriftRow(name=name, stability_index=index, has_drifted=index > 0.5, **key, **numbers)
        for name, index in (("GE VIVID", 1.25), ("EPIQ", 0.01))
    ]
    with installation.registry.write() as session:
        record_drift(session, today, rows)
    shown = installation.command("drift").stdout
    assert "GE VIVID" in shown
    assert "1.25" in shown
    assert "EPIQ" not in shown
    assert f"2 comparisons on {today}, 1 drifted" in shown
    assert "EPIQ" in installation.command("drift", "--all").stdout
