"""What the next report of a study names as its predecessor: the object as the PACS has it, whoever built it."""

from pathlib import Path

import pydicom
import pytest
from sqlalchemy import update

from config.steps import Step
from db.tables.deliveries import Report
from db.tables.runs import RunRow
from dicom_node.spool import sha256_of
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.servers import StoreSCP
from tests.worker.pipeline import Pipeline, pipeline_to, ready


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int) -> Pipeline:
    return pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody)


def file_of_report(pipeline: Pipeline, study: str) -> Path:
    report = pipeline.detail(study).report
    assert report is not None
    return pipeline.context.spool.absolute(report.spool_path)


def next_report(pipeline: Pipeline, study: str, folder: Path) -> tuple[str, str]:
    """Its series, and that which it names its predecessor in."""
    ready(pipeline, as_study_of_its_own(LARGE, folder, StudyInstanceUID=study))
    pipeline.run(study)
    report = pydicom.dcmread(file_of_report(pipeline, study))
    (of_series,) = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    return report.SeriesInstanceUID, of_series.SeriesInstanceUID


def test_a_predecessor_is_named_in_the_series_that_its_file_says(pipeline: Pipeline, tmp_path: Path) -> None:
    """Versions before made the UID of a series of other things."""
    study = ready(pipeline, SMALL)
    pipeline.run(study)
    file = file_of_report(pipeline, study)
    document = pydicom.dcmread(file)
    document.SeriesInstanceUID = "2.25.4711"
    document.save_as(file)
    with pipeline.context.database.write() as session:
        session.execute(update(Report).values(sha256=sha256_of(file)))
    assert next_report(pipeline, study, tmp_path / "late")[1] == "2.25.4711"


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_predecessor_by_another_version_is_named_in_its_own_series(
    pipeline: Pipeline, tmp_path: Path, is_lost: bool
) -> None:
    study = ready(pipeline, SMALL)
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    with pipeline.context.database.write() as session:
        session.execute(update(RunRow).values(software_version="0.0.1"))
    pipeline.run(study, [Step.REPORT, Step.DELIVER])
    file = file_of_report(pipeline, study)
    before = pydicom.dcmread(file).SeriesInstanceUID
    if is_lost:
        file.unlink()
    series, named = next_report(pipeline, study, tmp_path / "late")
    assert named == before != series
