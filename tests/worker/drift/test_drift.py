"""What counts as drift, and what is chance; and a registry whose newest scanner measures otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from sqlalchemy import select

from config.broker import create_celery_app
from config.sections.monitoring import DriftSettings
from config.settings import Settings, load_settings
from db.lifecycle.studies import register_instance
from db.monitoring.drift import last_drift
from db.monitoring.figures import read_figures
from db.results.recording import append_run
from db.results.runs import TaskResult, Verdict
from db.session import Database
from db.tables.monitoring import StudyDevice
from db.tables.studies import Study
from dicom_node.spool import Spool
from tests.support.reported import QUIET, instance_of, run_of
from worker.context import WorkerContext
from worker.drift import Sample, compared, find_devices, look_for_drift

NOW = datetime.now(UTC)


def wanted() -> DriftSettings:
    return load_settings().monitoring.drift


def normal(chance: np.random.Generator, mean: float, count: int) -> list[float | str]:
    return list(chance.normal(mean, 10, count))


def drifted(reference: list[float | str], recent: list[float | str], *, measure: str, beside: int = 0) -> bool:
    """Whether it counts, among so many other comparisons that night."""
    others = {("all", "", f"other{n}", measure): Sample(reference, reference) for n in range(beside)}
    rows = compared({("all", "", "task", measure): Sample(reference, recent)} | others, wanted())
    return any(row["has_drifted"] for row in rows if row["task_id"] == "task")


def test_without_drift_nights_pass_without_an_alarm() -> None:
    """Sixty nights of forty comparisons with few recent studies each, where PSI alone would cry every time."""
    chance = np.random.default_rng(9)
    alarms = 0
    for _ in range(60):
        samples = {
            ("device", f"d{n}", "lvef", "number"): Sample(normal(chance, 55, 300), normal(chance, 55, 35))
            for n in range(40)
        }
        rows = compared(samples, wanted())
        assert len(rows) == 40
        alarms += any(row["has_drifted"] for row in rows)
    assert alarms <= 3


def test_a_shift_of_a_standard_deviation_is_found_among_many() -> None:
    chance = np.random.default_rng(9)
    then, now = normal(chance, 55, 500), normal(chance, 45, 60)
    assert drifted(then, now, measure="number", beside=200)


@pytest.mark.parametrize(
    ("recent", "has_drifted"),
    [(["yes"] * 90 + ["no"] * 10, False), (["yes"] * 40 + ["no"] * 60, True), (["yes"] * 60 + ["new"] * 40, True)],
)
def test_shares_of_outcomes_and_outcomes_that_are_new(recent: list[float | str], has_drifted: bool) -> None:
    assert drifted(["yes"] * 270 + ["no"] * 30, recent, measure="outcome") is has_drifted


@pytest.mark.parametrize(("then", "now"), [(300, 29), (89, 30)])
def test_of_too_few_nothing_is_said(then: int, now: int) -> None:
    samples = {("all", "", "task", "outcome"): Sample(["yes"] * then, ["no"] * now)}
    assert compared(samples, wanted()) == []


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path)


def header(path: Path, model: str) -> None:
    dataset, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.3"
    dataset.Manufacturer, dataset.ManufacturerModelName, dataset.StationName = "GE", model, "ECHO1"
    dataset.PatientName = "Doe^Jane"
    dataset.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.mark.long
def test_a_scanner_whose_answers_change_is_named_and_the_others_are_not(settings: Settings) -> None:
    spool, registry = Spool(settings.spool_dir), Database(settings.database_url)
    spool.create()
    registry.upgrade()
    chance = np.random.default_rng(9)
    with registry.write() as session:
        for n in range(460):
            model, days = ("VIVID E95" if n % 2 else "EPIQ 7"), (20 if n < 300 else 2)
            uid, came_at = f"1.{n}", NOW - timedelta(days=days)
            instance = instance_of(uid, sop=f"{uid}.1", at=came_at)
            register_instance(session, instance, QUIET)
            header(spool.absolute(instance.spool_path), model)
            session.flush()
            study = session.scalars(select(Study).where(Study.study_instance_uid == uid)).one()
            study.created_at = came_at
            mean = 40 if model == "VIVID E95" and days == 2 else 58
            run = run_of(uid, f"run {n}", came_at)
            result = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=float(chance.normal(mean, 8)))
            append_run(session, study_id=study.id, run=replace(run, results=(result,)), units={"lvef": "%"})
    look_for_drift(WorkerContext(settings, create_celery_app(settings)), now=NOW)
    with registry.read() as session:
        rows = {(row.grouping, row.name): row for row in last_drift(session) if row.measure == "number"}
        drifted = {key for key, row in rows.items() if row.has_drifted}
        assert session.get(StudyDevice, 1) is not None
        assert read_figures(session, now=NOW).drifted["device"] == 1
    assert set(rows) == {
        ("all", ""),
        ("sender", "ECHO1"),
        ("device", "GE VIVID E95 ECHO1"),
        ("device", "GE EPIQ 7 ECHO1"),
    }
    assert ("device", "GE VIVID E95 ECHO1") in drifted
    assert ("device", "GE EPIQ 7 ECHO1") not in drifted
    registry.close()


def test_headers_that_there_was_no_time_for_are_opened_when_it_is_woken_next(settings: Settings) -> None:
    spool, registry = Spool(settings.spool_dir), Database(settings.database_url)
    spool.create()
    registry.upgrade()
    instance = instance_of("1.2", sop="1.2.1", at=NOW)
    header(spool.absolute(instance.spool_path), "EPIQ 7")
    with registry.write() as session:
        register_instance(session, instance, QUIET)
        session.flush()
        append_run(session, study_id=1, run=run_of("1.2", "run", NOW), units={})
    context = WorkerContext(settings, create_celery_app(settings))
    later = NOW + timedelta(minutes=1)
    assert not find_devices(context, now=later, within_s=-1)
    with registry.read() as session:
        assert session.get(StudyDevice, 1) is None
    assert find_devices(context, now=later, within_s=60)
    with registry.read() as session:
        assert session.get(StudyDevice, 1) is not None
    registry.close()
