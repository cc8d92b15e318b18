"""What the model made of a study's frames is kept, and answers without them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from config.logs import Event, configure_logs
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import requeue
from db.results.embeddings import StoredEmbeddings, embeddings_of
from db.results.runs import Run, Verdict
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.worker.pipeline import TO_REPORT, Pipeline, ready
from tests.worker.scripted import ScriptedTowers, scripted_model, scripted_scorer
from worker.echoclip.untrained import make_untrained_pack
from worker.embeddings import read_embeddings
from worker.models import Frames

pytestmark = pytest.mark.long


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


@pytest.fixture
def study(pipeline: Pipeline, tmp_path: Path) -> str:
    for file in (SMALL, LARGE):
        uid = pipeline.receive(as_study_of_its_own(file, tmp_path / file.stem, StudyInstanceUID="1.2.9"))
    pipeline.fall_quiet()
    return uid


def kept_of(pipeline: Pipeline, study: str, revision: int = 1) -> dict[str, StoredEmbeddings]:
    with pipeline.context.database.read() as session:
        known = {"study_id": pipeline.id_of(study), "study_instance_uid": study, "revision": revision}
        return embeddings_of(session, **known)


def again(pipeline: Pipeline, study: str, step: Step) -> Step:
    with pipeline.context.database.write() as session:
        return requeue(session, study, now=datetime.now(UTC), step=step)


def run_of(pipeline: Pipeline, study: str) -> Run:
    run = pipeline.detail(study).run
    assert run is not None
    return run


def without_embedding(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(clips: list[Frames]) -> None:
        assert clips == [], "a frame is embedded"

    monkeypatch.setattr(pipeline.context.scorer.model, "embed", refuse)


def test_scoring_keeps_the_embeddings_of_each_frame_that_was_scored(pipeline: Pipeline, study: str) -> None:
    detail = pipeline.run(study, TO_REPORT)
    model = pipeline.context.scorer.model
    (stored,) = kept_of(pipeline, study).values()
    assert (stored.embedder, stored.preprocessing_profile) == (model.embedder, "fast-1")
    clips = read_embeddings(pipeline.context.spool.absolute(stored.path))
    frame_numbers = {clip.sop_instance_uid: tuple(clip.frame_numbers) for clip in detail.clips}
    assert {clip.sop_instance_uid: clip.frame_numbers for clip in clips} == frame_numbers
    assert (stored.clips, stored.frames) == (2, sum(map(len, frame_numbers.values())))


def test_a_study_whose_frames_are_gone_is_scored_again_the_same_but_for_half_precision_and_says_so(
    pipeline: Pipeline, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run(study, TO_REPORT)
    assert not pipeline.context.spool.tensor_folder(study, 1).exists()
    first = run_of(pipeline, study)
    assert again(pipeline, study, Step.SCORE) is Step.SCORE
    without_embedding(pipeline, monkeypatch)
    assert pipeline.run(study, [Step.SCORE]).study.state == "SCORED"
    second = run_of(pipeline, study)
    assert second.run_uid != first.run_uid
    assert [clip.frame_numbers for clip in second.clips] == [clip.frame_numbers for clip in first.clips]
    assert {result.method for result in first.results} == {"zero-shot"}
    assert {result.method for result in second.results} == {"zero-shot, kept embeddings"}
    for one, other in zip(first.results, second.results, strict=True):
        if one.verdict is not Verdict.MEASURED and other.verdict is not Verdict.ABSTAINED:
            assert (other.verdict, other.outcome) == (one.verdict, one.outcome)
            assert other.score == pytest.approx(one.score, abs=1e-3)
    # Half precision is lost once: a third run is the second, bit for bit.
    again(pipeline, study, Step.SCORE)
    pipeline.run(study, [Step.SCORE])
    assert run_of(pipeline, study).results == second.results


def test_embeddings_of_another_model_are_of_no_use_and_the_study_is_prepared_again(
    pipeline: Pipeline, study: str
) -> None:
    pipeline.run(study, TO_REPORT)
    (before,) = kept_of(pipeline, study).values()
    towers = ScriptedTowers(pipeline.context.catalogue)
    towers.shows = ["apical_four_chamber"]
    pipeline.context.scorer = scripted_scorer(towers, pipeline.context.catalogue, pipeline.context.settings.gate)
    assert again(pipeline, study, Step.SCORE) is Step.SCORE
    detail = pipeline.run(study, [Step.SCORE])
    assert (detail.study.state, detail.study.attempts) == ("READY", 0)
    assert "of another model or damaged: prepared again" in str(detail.study.reason)
    assert pipeline.run(study, TO_REPORT).study.state == "REPORTED"
    assert run_of(pipeline, study).model.name == "Scripted"
    assert list(kept_of(pipeline, study)) == ["e" * 64]
    assert not pipeline.context.spool.absolute(before.path).exists()


def test_a_damaged_file_is_no_loss_as_long_as_the_instances_are_there(pipeline: Pipeline, study: str) -> None:
    pipeline.run(study, TO_REPORT)
    (stored,) = kept_of(pipeline, study).values()
    file = pipeline.context.spool.absolute(stored.path)
    file.write_bytes(file.read_bytes()[:-9])
    again(pipeline, study, Step.SCORE)
    assert pipeline.run(study, [Step.SCORE]).study.state == "READY"
    assert pipeline.run(study, TO_REPORT).study.state == "REPORTED"
    assert len(read_embeddings(file)) == 2


def test_frames_that_are_gone_without_anything_kept_fail_the_study_and_say_what_to_do(
    pipeline: Pipeline, study: str
) -> None:
    detail = pipeline.run(study, [Step.PREPARE])
    for clip in detail.clips:
        pipeline.context.spool.absolute(str(clip.tensor_path)).unlink()
    detail = pipeline.run(study, [Step.SCORE])
    assert detail.study.state == "FAILED"
    assert "are gone: requeue it with --step prepare" in str(detail.study.reason)


def test_preparing_again_forgets_what_was_made_of_the_frames_before(pipeline: Pipeline, study: str) -> None:
    pipeline.run(study, TO_REPORT)
    (stored,) = kept_of(pipeline, study).values()
    assert again(pipeline, study, Step.PREPARE) is Step.PREPARE
    pipeline.run(study, [Step.PREPARE])
    assert kept_of(pipeline, study) == {}
    assert not pipeline.context.spool.absolute(stored.path).exists()
    pipeline.run(study, [Step.SCORE])
    assert {result.method for result in run_of(pipeline, study).results} == {"zero-shot"}


def test_frames_of_another_profile_are_embedded_anew(tmp_path: Path, pipeline: Pipeline, study: str) -> None:
    pipeline.run(study, TO_REPORT)
    other = Pipeline.create(load_settings(data_dir=tmp_path / "data", pixels={"profile": "upstream-1"}))
    again(other, study, Step.PREPARE)
    other.run(study, TO_REPORT)
    (stored,) = kept_of(other, study).values()
    assert stored.preprocessing_profile == "upstream-1"


def test_a_late_instance_leaves_the_embeddings_of_the_newest_revision_alone(
    pipeline: Pipeline, study: str, tmp_path: Path
) -> None:
    pipeline.run(study, TO_REPORT)
    (first,) = kept_of(pipeline, study).values()
    ready(pipeline, as_study_of_its_own(SMALL, tmp_path / "late", StudyInstanceUID=study))
    pipeline.run(study, TO_REPORT)
    assert kept_of(pipeline, study) == {}
    (second,) = kept_of(pipeline, study, revision=2).values()
    assert second.clips == 3
    assert not pipeline.context.spool.absolute(first.path).exists()


def test_a_second_model_keeps_embeddings_for_search_and_answers_nothing(tmp_path: Path) -> None:
    pack = make_untrained_pack(tmp_path / "retrieval", seed=5)
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data", model={"retrieval_pack": str(pack)}))
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    scorer = pipeline.context.scorer
    assert scorer.retrieval is not None
    kept = kept_of(pipeline, study)
    assert set(kept) == {scorer.model.embedder, scorer.retrieval.embedder}
    assert run_of(pipeline, study).model == scorer.model.identity
    mine, other = (read_embeddings(pipeline.context.spool.absolute(stored.path))[0] for stored in kept.values())
    assert mine.frame_numbers == other.frame_numbers
    assert not np.allclose(mine.frames, other.frames)
    # Scored again without frames: both stay.
    again(pipeline, study, Step.SCORE)
    assert pipeline.run(study, [Step.SCORE]).study.state == "SCORED"
    assert set(kept_of(pipeline, study)) == set(kept)


def test_a_study_that_shows_no_heart_is_judged_again_from_what_is_kept(
    pipeline: Pipeline, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = pipeline.context
    towers = ScriptedTowers(context.catalogue)
    towers.shows = [{"abdomen": 0.30, "subcostal": 0.24}]
    context.scorer = scripted_scorer(towers, context.catalogue, context.settings.gate)
    assert pipeline.run(study, [Step.PREPARE, Step.SCORE]).study.state == "SKIPPED"
    assert again(pipeline, study, Step.SCORE) is Step.SCORE
    wider = context.settings.gate.model_copy(update={"view_margin": 0.1})
    context.scorer = scripted_scorer(towers, context.catalogue, wider)
    without_embedding(pipeline, monkeypatch)
    assert pipeline.run(study, [Step.SCORE]).study.state == "SCORED"
    assert scripted_model(towers, context.catalogue, wider).embedder == context.scorer.model.embedder


def test_where_the_second_model_fails_the_study_is_scored_and_search_goes_without_it(
    pipeline: Pipeline, study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(process="test")
    context = pipeline.context
    towers = ScriptedTowers(context.catalogue)
    towers.shows = ["apical_four_chamber"]
    failing = scripted_model(towers, context.catalogue, context.settings.gate, embedder="f" * 64)
    failing.embed = _without_memory  # type: ignore[method-assign]
    context.scorer = replace(scripted_scorer(towers, context.catalogue, context.settings.gate), retrieval=failing)
    assert pipeline.run(study, TO_REPORT).study.state == "REPORTED"
    assert set(kept_of(pipeline, study)) == {context.scorer.model.embedder}
    assert str(Event.NOT_SEARCHABLE) in capsys.readouterr().err


def _without_memory(clips: object) -> list[Tensor]:
    raise MemoryError
