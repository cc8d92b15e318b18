"""What the registry forgot, the spool knows; what the spool lost, the registry names."""

from pathlib import Path

import pytest

from config.broker import create_celery_app
from config.settings import Settings, load_settings
from db.queries import list_studies
from db.session import Database
from dicom_node.header import read_header
from dicom_node.intake import Intake
from dicom_node.reconcile import compare, rebuild
from dicom_node.spool import Spool
from tests.support.clips import SMALL, as_study_of_its_own


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


def receive(spool: Spool, folder: Path) -> Path:
    """An instance as the receiver leaves it: under its final name, waiting to be registered."""
    file = as_study_of_its_own(SMALL, folder)
    header = read_header(file)
    arrived = spool.new_incoming()
    file.rename(arrived)
    spool.keep(arrived, header)
    return spool.instance_path(header.study_instance_uid, header.sop_instance_uid)


def forget_waiting(spool: Spool) -> None:
    for path in list(spool.unregistered()):
        path.unlink()


def instances(database: Database) -> int:
    with database.read() as session:
        return sum(study.instances for study in list_studies(session))


def test_an_instance_whose_second_name_a_loss_of_power_took_is_registered_at_the_next_start(
    spool: Spool, intake: Intake, database: Database, tmp_path: Path
) -> None:
    receive(spool, tmp_path)
    intake.work_once()
    receive(spool, tmp_path)
    forget_waiting(spool)
    intake.work_once()
    assert instances(database) == 1
    Intake(intake._settings, spool, database, intake._broker).work_once()
    assert instances(database) == 2


def test_an_empty_registry_is_rebuilt_from_the_spool(
    spool: Spool, intake: Intake, database: Database, tmp_path: Path
) -> None:
    for _ in range(3):
        receive(spool, tmp_path)
    forget_waiting(spool)
    assert rebuild(spool, database) == 3
    intake.work_once()
    assert instances(database) == 3
    assert list(compare(spool, database, verify=True)) == []
    assert rebuild(spool, database) == 0


def test_every_kind_of_difference_is_named(spool: Spool, intake: Intake, database: Database, tmp_path: Path) -> None:
    lost, changed, strange = (receive(spool, tmp_path) for _ in range(3))
    intake.work_once()
    unknown = receive(spool, tmp_path)
    lost.unlink()
    content = bytearray(changed.read_bytes())
    content[-100] ^= 0xFF
    changed.write_bytes(content)
    (strange.parent / "1.2.3.dcm").write_bytes(b"not DICOM")
    said = {difference.path: difference.said for difference in compare(spool, database, verify=True)}
    assert set(said) == {spool.relative(path) for path in (lost, changed, unknown, strange.parent / "1.2.3.dcm")}
    assert "not in the spool" in said[spool.relative(lost)]
    assert "changed" in said[spool.relative(changed)]
    assert "rebuild" in said[spool.relative(unknown)]
    assert "cannot be registered" in said[spool.relative(strange.parent / "1.2.3.dcm")]
    assert spool.relative(changed) not in {difference.path for difference in compare(spool, database)}
