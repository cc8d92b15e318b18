"""What a real archive has, beside what we have of it."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from config.sections.peers import PeerSettings
from config.settings import Settings, load_settings
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance
from db.monitoring.figures import read_figures
from db.monitoring.reconciliations import reconciliations, record_reconciliation
from db.session import Database
from db.tables.monitoring import Reconciliation
from dicom_node.archive.reconciling import archives, reconcile
from dicom_node.intake import received_instance
from dicom_node.spool import Spool
from tests.support.archives import OUR_AE_TITLE, MadeStudy, made_study
from tests.support.reported import instance_of
from tests.support.servers import Orthanc, free_port

DAY = date(1999, 1, 7)
"""No other test's, who share the archive."""


def settings_of(folder: Path, archive: Orthanc, *, descriptions: tuple[str, ...] = ()) -> Settings:
    peer = {"name": "PACS", "ae_title": archive.ae_title, "roles": ["archive"], "host": "127.0.0.1"}
    loaded = load_settings(data_dir=folder, peers=[{**peer, "port": archive.port, "retrieve": "get"}])
    wanted = loaded.monitoring.reconcile.model_copy(update={"study_descriptions": descriptions})
    monitoring = loaded.monitoring.model_copy(update={"reconcile": wanted})
    node = loaded.node.model_copy(update={"minimum_free_bytes": 0})
    return loaded.model_copy(update={"monitoring": monitoring, "node": node})


@pytest.fixture
def settings(tmp_path: Path, orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)  # a C-GET moves it; put it back
    return settings_of(tmp_path / "data", orthanc, descriptions=("*echo*",))


@pytest.fixture
def registry(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    database.upgrade()
    yield database
    database.close()


def look(settings: Settings, registry: Database, archive: PeerSettings, *, fetch: bool = False) -> Reconciliation:
    (row,) = reconcile(settings, registry, archive, last_day=DAY, days=1, fetch=fetch)
    return row


def received_of(study: MadeStudy, file: Path) -> ReceivedInstance:
    return instance_of(study.uid, sop=file.stem, at=datetime(1999, 1, 7, 12, tzinfo=UTC))


def test_what_never_came_is_listed_then_fetched_and_then_nothing_is_missing(
    settings: Settings, registry: Database, orthanc: Orthanc, tmp_path: Path
) -> None:
    orthanc.know(OUR_AE_TITLE, free_port())

    def made(description: str) -> MadeStudy:
        outside = tmp_path / "outside"
        return made_study(outside, instances=2, StudyDate=f"{DAY:%Y%m%d}", StudyDescription=description)

    here, missing, incomplete, liver = (made(words) for words in ("TTE Echo", "Echo stress", "echo", "Liver"))
    orthanc.keep(*(file for study in (here, missing, incomplete, liver) for file in study.files))
    with registry.write() as session:
        for study, files in ((here, here.files), (incomplete, incomplete.files[:1])):
            for file in files:
                register_instance(session, received_of(study, file), timedelta(seconds=30))
    (archive,) = archives(settings)
    row = look(settings, registry, archive)
    assert (row.found, row.missing, row.incomplete, row.fetched) == (3, [missing.uid], [incomplete.uid], 0)
    with registry.read() as session:
        (kept,) = reconciliations(session, since=DAY)
        assert kept.missing == [missing.uid]
        assert read_figures(session, now=kept.looked_at).missing_studies == {}, "of so long ago it is not missed"
    row = look(settings, registry, archive, fetch=True)
    assert (row.missing, row.incomplete, row.fetched) == ([], [], 2)
    spool = Spool(settings.spool_dir)
    with registry.write() as session:
        for waiting in list(spool.unregistered()):
            register_instance(session, received_instance(spool, waiting), timedelta(seconds=30))
    row = look(settings, registry, archive)
    assert (row.found, row.missing, row.incomplete, row.trouble) == (3, [], [], None)


def test_an_archive_that_cannot_be_asked_is_written_down_and_what_was_missing_stays(
    settings: Settings, registry: Database
) -> None:
    (archive,) = archives(settings)
    away = archive.model_copy(update={"port": free_port()})
    known = {"found": 9, "missing": ["1.2.1"], "incomplete": ["1.2.2"], "fetched": 0}
    with registry.write() as session:
        record_reconciliation(session, Reconciliation(archive="PACS", day=DAY, looked_at=datetime.now(UTC), **known))
    rows = list(reconcile(settings, registry, away, last_day=DAY, days=2, fetch=True))
    assert [row.day for row in rows] == [DAY - timedelta(days=1), DAY]
    assert all(row.trouble is not None and "nothing listens there" in row.trouble for row in rows)
    with registry.read() as session:
        (kept, _) = reconciliations(session, since=DAY - timedelta(days=1))
    assert (kept.found, kept.missing, kept.incomplete) == (9, ["1.2.1"], ["1.2.2"])
