"""The view gate in the pipeline: what it leaves on the clips, the run, the report and the study."""

from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from config.broker import Step
from config.errors import RegistryError
from config.settings import load_settings
from db.lifecycle.studies import requeue
from db.reading.queries import StudyDetail
from db.results.runs import Verdict
from db.tables.pictures import Clip
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.worker.pipeline import Pipeline
from tests.worker.scripted import ScriptedTowers, scripted_scorer

STILL = Path(str(get_testdata_file("examples_palette.dcm", download=False)))
STUDY = "1.2.9"


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


@pytest.fixture
def towers(pipeline: Pipeline) -> ScriptedTowers:
    """The model of this pipeline."""
    towers = ScriptedTowers(pipeline.context.catalogue)
    context = pipeline.context
    context.scorer = scripted_scorer(towers, context.catalogue, context.settings.gate)
    return towers


@pytest.fixture
def study(pipeline: Pipeline, tmp_path: Path) -> str:
    """Two clips and a still, not yet prepared."""
    for file in (SMALL, LARGE, STILL):
        pipeline.receive(as_study_of_its_own(file, tmp_path, StudyInstanceUID=STUDY))
    pipeline.fall_quiet()
    return STUDY


def clips_of(detail: StudyDetail) -> tuple[Clip, Clip, Clip]:
    small, large, still = detail.clips
    return small, large, still


def test_a_clip_without_a_heart_is_left_out_of_the_run_and_its_row_says_why(
    pipeline: Pipeline, towers: ScriptedTowers, study: str
) -> None:
    towers.shows = ["apical_four_chamber", "abdomen"]
    detail = pipeline.run(study, [Step.PREPARE, Step.SCORE])
    small, large, still = clips_of(detail)
    assert detail.study.state == "SCORED"
    assert (small.view, small.view_score, small.view_margin) == ("apical_four_chamber", 1, 1)
    assert (small.skip_reason, small.view_note) == (None, None)
    assert (large.view, large.skip_reason) == ("abdomen", "the model sees no heart: most like abdomen")
    assert (still.view, still.skip_reason) == (None, "a still image")
    run = detail.run
    assert run is not None
    assert run.view_gate == "skip: prompts, margin 0.05"
    assert [(clip.sop_instance_uid, clip.view and clip.view.view) for clip in run.clips] == [
        (small.sop_instance_uid, "apical_four_chamber")
    ]
    assert [(clip.sop_instance_uid, clip.reason, clip.view and clip.view.score) for clip in run.left_out] == [
        (still.sop_instance_uid, "a still image", None),
        (large.sop_instance_uid, "the model sees no heart: most like abdomen", 1),
    ]
    answered = [result for result in run.results if result.verdict is not Verdict.ABSTAINED]
    assert answered
    for result in answered:
        assert [answer.sop_instance_uid for answer in result.clips] == [small.sop_instance_uid]


def test_the_report_says_what_was_left_out_and_refers_to_what_was_used(
    pipeline: Pipeline, towers: ScriptedTowers, study: str
) -> None:
    towers.shows = ["apical_four_chamber", "abdomen"]
    detail = pipeline.run(study)
    assert detail.report is not None
    report = pydicom.dcmread(pipeline.context.spool.absolute(detail.report.spool_path)).to_json()
    small, large, still = clips_of(detail)
    assert "Left out, 2 of 3 instances: a still image (1); the model sees no heart: most like abdomen (1)." in report
    assert small.sop_instance_uid in report
    assert large.sop_instance_uid not in report
    assert still.sop_instance_uid not in report


def test_a_study_without_a_heart_is_skipped_with_a_run_that_says_so_and_no_report(
    pipeline: Pipeline, towers: ScriptedTowers, study: str
) -> None:
    towers.shows = ["abdomen"]
    detail = pipeline.run(study)
    reason = "no usable clip: 2 × the model sees no heart: most like abdomen"  # noqa: RUF001
    assert (detail.study.state, detail.study.reason) == ("SKIPPED", reason)
    assert detail.report is None
    assert detail.run is not None
    assert detail.run.clips == ()
    assert {(result.verdict, result.reason) for result in detail.run.results} == {(Verdict.ABSTAINED, reason)}
    assert not pipeline.context.spool.tensor_folder(study, 1).exists()
    with pipeline.context.database.write() as session, pytest.raises(RegistryError, match="no results to report"):
        requeue(session, study, now=datetime.now(UTC), step=Step.REPORT)


def test_a_skipped_study_that_is_requeued_is_judged_anew(
    pipeline: Pipeline, towers: ScriptedTowers, study: str
) -> None:
    towers.shows = ["abdomen"]
    pipeline.run(study)
    with pipeline.context.database.write() as session:
        assert requeue(session, study, now=datetime.now(UTC)) is Step.PREPARE
    towers.shows = ["subcostal"]
    detail = pipeline.run(study)
    assert detail.study.state == "REPORTED"
    assert [clip.view for clip in detail.clips] == ["subcostal", "subcostal", None]


def test_a_clip_that_was_left_out_counts_again_once_the_model_sees_a_heart(
    pipeline: Pipeline, towers: ScriptedTowers, study: str
) -> None:
    towers.shows = ["apical_four_chamber", "lung"]
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    with pipeline.context.database.write() as session:
        assert requeue(session, study, now=datetime.now(UTC), step=Step.SCORE) is Step.SCORE
    towers.shows = ["vessel", {"vessel": 0.30, "subcostal": 0.28}]
    context = pipeline.context  # another model, which sees other things
    context.scorer = scripted_scorer(towers, context.catalogue, context.settings.gate, embedder="f" * 64)
    detail = pipeline.run(study, [Step.SCORE])
    small, large, still = clips_of(detail)
    assert small.skip_reason == "the model sees no heart: most like peripheral vessel"
    assert (large.view, large.skip_reason) == ("vessel", None)
    assert large.view_note == "the model is not sure to see a heart: most like peripheral vessel"
    assert still.skip_reason == "a still image"
    assert detail.run is not None
    assert [clip.sop_instance_uid for clip in detail.run.clips] == [large.sop_instance_uid]


def test_the_untrained_model_scores_every_clip_and_judges_none(pipeline: Pipeline, study: str) -> None:
    detail = pipeline.run(study, [Step.PREPARE, Step.SCORE])
    small, large, still = clips_of(detail)
    for clip in (small, large):
        assert (clip.view, clip.view_score, clip.skip_reason) == (None, None, None)
        assert clip.view_note == "not judged: untrained model"
    assert (still.view_note, still.skip_reason) == (None, "a still image")
    assert detail.run is not None
    assert detail.run.view_gate == "not judged: untrained model"
    assert len(detail.run.clips) == 2
