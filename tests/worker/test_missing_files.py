"""Files that are not where the registry says: one that is lost, and a share that is not mounted."""

from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import update

from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import requeue
from db.tables.studies import Study
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.worker.pipeline import TO_REPORT, Pipeline, ready


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("ECHOWORKER_PIPELINE__MAXIMUM_ATTEMPTS", "1")
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def at_once(pipeline: Pipeline) -> None:
    """Let what waits for a retry be due now."""
    with pipeline.context.database.write() as session:
        session.execute(update(Study).values(next_attempt_at=None))


def file_of(pipeline: Pipeline, study: str, index: int = 0) -> Path:
    return pipeline.context.spool.absolute(pipeline.detail(study).instances[index].spool_path)


@pytest.mark.parametrize("before", list(Step)[:3])
def test_a_share_that_is_not_mounted_costs_no_attempt_and_the_study_goes_on_when_it_is_back(
    pipeline: Pipeline, tmp_path: Path, before: Step
) -> None:
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT[: TO_REPORT.index(before)])
    state = pipeline.detail(study).study.state
    mounted, elsewhere = pipeline.context.spool.root, tmp_path / "elsewhere"
    mounted.rename(elsewhere)
    mounted.mkdir()  # the mount point
    for _ in range(2):
        detail = pipeline.run(study, [before])
        assert (detail.study.state, detail.study.attempts) == (state, 0)
        assert "the spool is not there" in str(detail.reason)
        at_once(pipeline)
    assert list(mounted.iterdir()) == [], "nothing is written under the mount point"
    mounted.rmdir()
    elsewhere.rename(mounted)
    assert pipeline.run(study, TO_REPORT).study.state == "REPORTED"


def test_a_share_that_is_not_mounted_keeps_a_delivery_waiting(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: int
) -> None:
    monkeypatch.setenv(
        "ECHOWORKER_PEERS",
        f'[{{"name":"pacs","ae_title":"P","roles":["destination"],"host":"127.0.0.1","port":{nobody},'
        '"accept_models":["UNTRAINED"],"objects":["sr"]}]',
    )
    pipeline = Pipeline.over_again(pipeline)
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    pipeline.context.spool.root.rename(tmp_path / "elsewhere")
    detail = pipeline.run(study, [Step.DELIVER])
    assert (detail.study.state, detail.study.attempts) == ("REPORTED", 0)
    assert "the spool is not there" in str(detail.reason)


def test_an_instance_whose_file_is_lost_is_left_out_with_that_reason(pipeline: Pipeline, tmp_path: Path) -> None:
    study = ready(pipeline, SMALL, as_study_of_its_own(LARGE, tmp_path, StudyInstanceUID=study_of(SMALL)))
    lost, kept = pipeline.detail(study).instances
    file_of(pipeline, study).unlink()
    detail = pipeline.run(study, TO_REPORT)
    assert detail.study.state == "REPORTED"
    reasons = {clip.sop_instance_uid: clip.skip_reason for clip in detail.clips}
    assert reasons == {lost.sop_instance_uid: "its file is missing from the spool", kept.sop_instance_uid: None}


def test_evidence_that_is_lost_before_the_report_is_named(pipeline: Pipeline) -> None:
    study = ready(pipeline, SMALL)
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    (instance,) = pipeline.detail(study).instances
    file = file_of(pipeline, study)
    content = file.read_bytes()
    file.unlink()
    detail = pipeline.run(study, [Step.REPORT])
    assert detail.study.state == "FAILED"
    assert f"instance {instance.sop_instance_uid} is missing from the spool" in str(detail.reason)
    file.write_bytes(content)
    with pipeline.context.database.write() as session:
        assert requeue(session, study, now=datetime.now(UTC)) is Step.REPORT
    assert pipeline.run(study, [Step.REPORT]).study.state == "REPORTED"


def study_of(file: Path) -> str:
    return str(pydicom.dcmread(file, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
