"""The intake of a host that shares a bucket with the others."""

from pathlib import Path
from shutil import copyfile

import pydicom
import pytest
from sqlalchemy import select

from config.broker import create_celery_app
from config.settings import Settings
from db.session import Database
from db.tables.studies import Instance
from dicom_node.bucket import Bucket
from dicom_node.findings import Level
from dicom_node.header import read_header
from dicom_node.intake import Intake
from dicom_node.quarantine import count_quarantined
from dicom_node.readiness import look
from dicom_node.spool import Spool
from tests.support.buckets import BucketServer
from tests.support.clips import SMALL, as_study_of_its_own


@pytest.fixture
def settings(settings: Settings, bucket_server: BucketServer) -> Settings:
    return settings.model_copy(update={"bucket": bucket_server.settings()})


@pytest.fixture
def spool(settings: Settings) -> Spool:
    made = Spool.of(settings)
    made.create()
    return made


def arrive(spool: Spool, file: Path) -> Path:
    incoming = Path(copyfile(file, spool.new_incoming()))
    header = read_header(incoming)
    spool.keep(incoming, header)
    return spool.instance_path(header.study_instance_uid, header.sop_instance_uid)


def registered(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(Instance.spool_path).order_by(Instance.spool_path)))


def test_what_is_registered_is_in_the_bucket(
    spool: Spool, database: Database, intake: Intake, bucket_server: BucketServer
) -> None:
    kept = arrive(spool, SMALL)
    intake.work_once()
    assert registered(database) == [spool.relative(kept)] == bucket_server.names()
    assert kept.exists()


def test_with_the_bucket_away_instances_wait_and_are_registered_once_it_is_back(
    settings: Settings, spool: Spool, database: Database, intake: Intake, bucket_server: BucketServer
) -> None:
    bucket_server.stop()
    kept = arrive(spool, SMALL)
    intake.work_once()
    assert registered(database) == []
    assert spool.is_waiting(kept)
    (said,) = [finding for finding in look(settings) if finding.subject == "bucket"]
    assert said.level is Level.FAULT
    bucket_server.start()
    intake.work_once()
    assert registered(database) == [spool.relative(kept)] == bucket_server.names()
    assert not spool.is_waiting(kept)
    (said,) = [finding for finding in look(settings) if finding.subject == "bucket"]
    assert said.level is Level.OK


def test_a_bucket_that_nothing_here_speaks_with_refuses_no_instance(
    settings: Settings, spool: Spool, database: Database, bucket_server: BucketServer
) -> None:
    plain = {"endpoint_url": "", "region": "", "key_file": "", "secret_file": ""}
    unknown = bucket_server.settings(url="nosuch://there/echo", **plain)
    wrong = Spool.of(settings.model_copy(update={"bucket": unknown}))
    kept = arrive(wrong, SMALL)
    Intake(settings, wrong, database, create_celery_app(settings)).work_once()
    assert wrong.is_waiting(kept)
    Intake(settings, spool, database, create_celery_app(settings)).work_once()
    assert registered(database) == [spool.relative(kept)]


def test_an_instance_that_comes_again_after_its_copy_went_is_what_it_was(
    spool: Spool, database: Database, intake: Intake, bucket_server: BucketServer
) -> None:
    kept = arrive(spool, SMALL)
    intake.work_once()
    kept.unlink()
    arrive(spool, SMALL)
    intake.work_once()
    assert registered(database) == bucket_server.names()
    assert count_quarantined(spool) == 0
    assert list(spool.unregistered()) == []


def test_other_bytes_under_a_uid_go_into_quarantine_also_where_the_local_copy_went(
    settings: Settings, spool: Spool, database: Database, tmp_path: Path
) -> None:
    file = as_study_of_its_own(SMALL, tmp_path)
    kept = arrive(spool, file)
    intake = Intake(settings, spool, database, create_celery_app(settings))
    intake.work_once()
    first = kept.read_bytes()
    kept.unlink()
    other = pydicom.dcmread(file)
    other.PatientComments = "other bytes"
    other.save_as(file)
    arrive(spool, file)
    intake.work_once()
    assert count_quarantined(spool) == 1
    assert list(spool.unregistered()) == []
    assert spool.is_in_conflict(kept.stem, read_header(file).calling_ae_title or "")
    assert spool.file(spool.relative(kept)).read_bytes() == first


def test_an_instance_that_is_in_the_bucket_already_is_not_put_there_twice(
    settings: Settings, spool: Spool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the registry away for hours: what waits is looked at each second."""
    kept = arrive(spool, SMALL)
    put: list[str] = []
    real = Bucket.put

    def counted(self: Bucket, file: Path, name: str) -> object:
        put.append(name)
        return real(self, file, name)

    monkeypatch.setattr(Bucket, "put", counted)
    (waiting,) = spool.unregistered()
    intake = Intake(settings, spool, database, create_celery_app(settings))
    for _ in range(3):
        assert [pair[0] for pair in intake._sharing.shared([(waiting, intake._instance_of(waiting))])] == [waiting]
    assert put == [spool.relative(kept)]
