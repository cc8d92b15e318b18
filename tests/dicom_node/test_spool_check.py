"""What the registry forgot, the spool knows; what the spool lost, the registry names."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from config.broker import create_celery_app
from config.settings import load_settings
from db.reading.queries import list_studies
from db.session import Database
from db.tables.studies import Instance, Study
from dicom_node import spool_check
from dicom_node.header import read_header
from dicom_node.intake import Intake
from dicom_node.reception.incoming import IncomingFile, Window
from dicom_node.reception.reporting import OpenStudies
from dicom_node.spool import Spool, sha256_of
from dicom_node.spool_check import compare, rebuild
from tests.support.clips import SMALL, as_study_of_its_own


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
    assert (rebuild(spool, database), spool.count_waiting()) == (0, 3), "they wait already"
    intake.work_once()
    assert instances(database) == 3
    assert list(compare(spool, database, verify=True)) == []
    assert rebuild(spool, database) == 0


def test_every_kind_of_difference_is_named(spool: Spool, intake: Intake, database: Database, tmp_path: Path) -> None:
    lost, changed, strange = (receive(spool, tmp_path) for _ in range(3))
    intake.work_once()
    unknown = receive(spool, tmp_path)
    forget_waiting(spool)
    receive(spool, tmp_path)  # waits: what a node is about to register is no difference
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


def test_a_spool_is_read_with_no_transaction_open_meanwhile(
    spool: Spool, intake: Intake, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [receive(spool, tmp_path) for _ in range(3)]
    intake.work_once()
    monkeypatch.setattr(spool_check, "READ_AT_ONCE", 2)
    read: list[Path] = []

    def reading(file: Path) -> str:
        read.append(file)
        return "" if has_open_transaction(database) else sha256_of(file)

    monkeypatch.setattr(spool_check, "sha256_of", reading)
    assert list(compare(spool, database, verify=True)) == []
    assert sorted(read) == sorted(files), "each once"


def has_open_transaction(database: Database) -> bool:
    return bool(database._engine.pool.checkedout())  # type: ignore[attr-defined]


def test_the_same_instance_from_two_senders_is_registered_as_the_first_one_sent_it(
    spool: Spool, intake: Intake, database: Database, tmp_path: Path
) -> None:
    file = as_study_of_its_own(SMALL, tmp_path)
    for sender in ("VIVID1", "ANOTHER-TITLE"):
        dataset = pydicom.dcmread(file)
        dataset.file_meta.SourceApplicationEntityTitle = sender
        arrived = spool.new_incoming()
        dataset.save_as(arrived)
        spool.keep(arrived, read_header(arrived))
    intake.work_once()
    assert list(compare(spool, database, verify=True)) == []
    with database.read() as session:
        (instance,) = session.scalars(select(Instance))
    assert instance.calling_ae_title == "VIVID1"


def test_one_instance_uid_in_two_studies_that_are_forwarded_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        '[[peers]]\nname="LAB"\nae_title="LAB"\nroles=["forward"]\nhost="127.0.0.1"\n'
        '[[rules]]\nname="all"\naction="score"\nforward_to=["LAB"]\n'
    )
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    settings = load_settings(data_dir=tmp_path / "data")
    database, spool = Database(settings.database_url), Spool(settings.spool_dir)
    database.upgrade()
    spool.create()
    first = as_study_of_its_own(SMALL, tmp_path)
    again = pydicom.dcmread(first)
    again.StudyInstanceUID = generate_uid()
    again.save_as(tmp_path / "again.dcm")
    for file in (first, tmp_path / "again.dcm", as_study_of_its_own(SMALL, tmp_path)):
        spool.keep(file, read_header(file))
    Intake(settings, spool, database, create_celery_app(settings)).work_once()
    assert instances(database) == 3
    assert list(spool.unregistered()) == []


def test_an_open_association_keeps_a_study_open_and_does_not_stretch_its_quiet_period(
    spool: Spool, intake: Intake, database: Database, tmp_path: Path
) -> None:
    """Once it is closed, what counts is when the last instance came: here 28 of 30 seconds ago."""
    kept = receive(spool, tmp_path)
    came = datetime.now(UTC).timestamp() - 28
    os.utime(kept, (came, came))
    OpenStudies(spool).publish([kept.parent.name])
    intake.work_once()
    with database.read() as session:
        (study,) = session.scalars(select(Study))
    assert study.state == "RECEIVING"
    assert study.quiet_at is not None
    assert study.quiet_at < datetime.now(UTC) + timedelta(seconds=10)


def test_a_temporary_file_that_is_still_written_is_not_swept_however_old(spool: Spool) -> None:
    slow, left_over = (IncomingFile(spool.new_incoming(), Window()) for _ in range(2))
    left_over.close()
    assert spool.sweep_incoming(older_than_s=-1) == 1
    assert slow.path.exists()
    slow.discard()
