"""An installation in this process: its settings, registry and spool, and the intake between them."""

from pathlib import Path

import pytest

from config.broker import create_celery_app
from config.settings import Settings, load_settings
from db.session import Database
from dicom_node.intake import Intake
from dicom_node.spool import Spool


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    return load_settings()


@pytest.fixture
def database(settings: Settings) -> Database:
    made = Database(settings.database_url)
    made.upgrade()
    return made


@pytest.fixture
def spool(settings: Settings) -> Spool:
    made = Spool(settings.spool_dir)
    made.create()
    return made


@pytest.fixture
def intake(settings: Settings, spool: Spool, database: Database) -> Intake:
    return Intake(settings, spool, database, create_celery_app(settings))
