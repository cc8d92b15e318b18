"""A study that leaves the device idle takes others along: embedded together, each scored and ended by itself."""

import errno
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from torch import Tensor

import worker.runner
import worker.steps.embedding
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.choosing_studies import claim_next
from db.lifecycle.studies import requeue
from db.tables.studies import Study
from db.working.leases import Claim, claim
from tests.support.clips import SMALL, as_study_of_its_own
from tests.worker.pipeline import Pipeline
from tests.worker.scripted import ScriptedTowers, scripted_model
from worker.echoclip.model import EchoClipModel
from worker.models import Frames
from worker.study_scoring import Scorer
from worker.views import view_gate

pytestmark = pytest.mark.long

STUDIES = ["1.2.1", "1.2.2", "1.2.3", "1.2.4"]


class Recording:
    """A model that remembers how many clips came at one go; and fails at more than one, or at a clip, when told to."""

    def __init__(self, model: EchoClipModel) -> None:
        self._model = model
        self.batches: list[int] = []
        self.at_most: int | None = None
        self.frames_at_once = model.frames_at_once

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def embed(self, clips: Sequence[Frames]) -> list[Tensor]:
        self.batches.append(len(clips))
        if self.at_most is not None and len(clips) > self.at_most:
            raise RuntimeError("too many")
        return self._model.embed(clips)


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    for uid in STUDIES:
        pipeline.receive(as_study_of_its_own(SMALL, tmp_path / uid, StudyInstanceUID=uid))
    pipeline.fall_quiet()
    for uid in STUDIES:
        pipeline.run(uid, [Step.PREPARE])
    return pipeline


def model_in(pipeline: Pipeline, *, frames_at_once: int) -> Recording:
    context = pipeline.context
    towers = ScriptedTowers(context.catalogue)
    towers.shows = ["apical_four_chamber"]
    gate = context.settings.gate
    model = Recording(scripted_model(towers, context.catalogue, gate, frames_at_once=frames_at_once))
    context.scorer = Scorer(model=model, gate=view_gate(gate, model))  # type: ignore[arg-type]
    return model


def states(pipeline: Pipeline) -> list[str]:
    return [pipeline.detail(uid).study.state for uid in STUDIES]


def frames_of_one(pipeline: Pipeline) -> int:
    return len(pipeline.detail(STUDIES[0]).clips[0].frame_numbers)


def test_a_device_that_one_study_fills_takes_none_along(pipeline: Pipeline) -> None:
    model = model_in(pipeline, frames_at_once=1)
    pipeline.run(STUDIES[1], [Step.SCORE])
    assert states(pipeline) == ["PREPARED", "SCORED", "PREPARED", "PREPARED"]
    assert model.batches == [1]


def test_as_many_are_taken_along_as_fill_the_device_those_that_wait_longest_first(pipeline: Pipeline) -> None:
    model = model_in(pipeline, frames_at_once=2 * frames_of_one(pipeline) + 1)
    pipeline.run(STUDIES[3], [Step.SCORE])
    assert states(pipeline) == ["SCORED", "SCORED", "PREPARED", "SCORED"]
    assert model.batches == [3]
    runs = [pipeline.detail(uid).run for uid in (STUDIES[0], STUDIES[1], STUDIES[3])]
    assert [run and run.study_instance_uid for run in runs] == [STUDIES[0], STUDIES[1], STUDIES[3]]
    assert len({run.run_uid for run in runs if run}) == 3


def test_one_that_was_tried_before_goes_alone(pipeline: Pipeline) -> None:
    model_in(pipeline, frames_at_once=10_000)
    with pipeline.context.database.write() as session:
        session.get_one(Study, pipeline.id_of(STUDIES[0])).attempts = 1
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["SCORED", "PREPARED", "PREPARED", "PREPARED"]


@pytest.mark.parametrize("frames_at_once", [1, 10_000])
def test_a_study_that_is_scored_from_what_is_kept_takes_none_along(pipeline: Pipeline, frames_at_once: int) -> None:
    model = model_in(pipeline, frames_at_once=10_000)
    pipeline.run(STUDIES[0], [Step.SCORE])
    model.frames_at_once = frames_at_once
    for uid in STUDIES:
        with pipeline.context.database.write() as session:
            requeue(session, uid, now=datetime.now(UTC), step=Step.SCORE)
    pipeline.run(STUDIES[1], [Step.SCORE])
    assert states(pipeline) == ["PREPARED", "SCORED", "PREPARED", "PREPARED"]


def test_what_was_taken_along_is_not_scored_twice_when_its_message_comes(pipeline: Pipeline) -> None:
    model = model_in(pipeline, frames_at_once=10_000)
    pipeline.run(STUDIES[0], [Step.SCORE])
    runs = [pipeline.detail(uid).run for uid in STUDIES]
    pipeline.run(STUDIES[2], [Step.SCORE])
    assert [pipeline.detail(uid).run for uid in STUDIES] == runs
    assert model.batches == [4]


def test_the_next_step_of_each_is_announced(pipeline: Pipeline) -> None:
    model_in(pipeline, frames_at_once=10_000)
    folder = pipeline.context.settings.broker_dir / "messages"
    before = set(folder.iterdir())
    pipeline.run(STUDIES[0], [Step.SCORE])
    announced = sorted(path.name.split(".")[1] for path in set(folder.iterdir()) - before)
    assert announced == ["report"] * 4


def test_one_whose_frames_are_lost_fails_alone(pipeline: Pipeline) -> None:
    model_in(pipeline, frames_at_once=10_000)
    (clip,) = pipeline.detail(STUDIES[3]).clips
    pipeline.context.spool.absolute(str(clip.tensor_path)).unlink()
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["SCORED", "SCORED", "SCORED", "FAILED"]


@pytest.mark.parametrize("content", [b"", b"no tensor"])
def test_a_damaged_one_fails_alone(pipeline: Pipeline, content: bytes) -> None:
    model_in(pipeline, frames_at_once=10_000)
    (clip,) = pipeline.detail(STUDIES[0]).clips
    pipeline.context.spool.absolute(str(clip.tensor_path)).write_bytes(content)
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["FAILED", "SCORED", "SCORED", "SCORED"]


@pytest.mark.parametrize("fault", [errno.EMFILE, errno.ESTALE, errno.EIO])
def test_a_share_that_does_not_answer_costs_no_attempt_and_no_frames(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    model_in(pipeline, frames_at_once=1)

    def fails(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault))

    with monkeypatch.context() as away:
        away.setattr(worker.steps.embedding.np, "load", fails)
        study = pipeline.run(STUDIES[0], [Step.SCORE]).study
    assert (study.state, study.attempts) == ("PREPARED", 0)
    with pipeline.context.database.write() as session:
        session.execute(update(Study).values(next_attempt_at=None))  # its time has come
    assert pipeline.run(STUDIES[0], [Step.SCORE]).study.state == "SCORED"


def test_one_of_which_the_model_makes_no_numbers_gets_no_answers_and_keeps_its_attempts(pipeline: Pipeline) -> None:
    model = model_in(pipeline, frames_at_once=10_000)
    embed = model.embed

    def overflowing(clips: Sequence[Frames]) -> list[Tensor]:
        first, *others = embed(clips)
        return [first * torch.nan, *others]

    model.embed = overflowing  # type: ignore[method-assign]
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["PREPARED", "SCORED", "SCORED", "SCORED"]
    study = pipeline.detail(STUDIES[0]).study
    assert "makes no numbers of instance" in str(study.reason)
    assert study.attempts == 0


def test_where_all_together_fail_each_is_tried_by_itself(pipeline: Pipeline) -> None:
    model = model_in(pipeline, frames_at_once=10_000)
    model.at_most = 1
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["SCORED"] * 4
    assert model.batches == [4, 1, 1, 1, 1]


def test_what_another_worker_has_claimed_is_left_to_it(pipeline: Pipeline) -> None:
    model_in(pipeline, frames_at_once=10_000)
    with pipeline.context.database.write() as session:
        other = claim(
            session,
            pipeline.id_of(STUDIES[1]),
            Step.SCORE,
            owner="other",
            now=datetime.now(UTC),
            pipeline=pipeline.context.settings.pipeline,
        )
    assert other is not None
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["SCORED", "PREPARED", "SCORED", "SCORED"]


def test_one_that_a_late_instance_reopened_meanwhile_is_discarded_alone(pipeline: Pipeline, tmp_path: Path) -> None:
    model = model_in(pipeline, frames_at_once=10_000)
    embed = model.embed

    def while_an_instance_arrives(clips: Sequence[Frames]) -> list[Tensor]:
        pipeline.receive(as_study_of_its_own(SMALL, tmp_path / "late", StudyInstanceUID=STUDIES[1]))
        return embed(clips)

    model.embed = while_an_instance_arrives  # type: ignore[method-assign]
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["SCORED", "RECEIVING", "SCORED", "SCORED"]
    assert pipeline.detail(STUDIES[1]).run is None


def test_a_registry_that_fails_while_one_more_is_claimed_costs_those_that_are_nothing(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_in(pipeline, frames_at_once=10_000)
    claims = 0

    def away_at_the_second(*args: Any, **chosen: Any) -> Claim | None:
        nonlocal claims
        claims += 1
        if claims == 2:
            raise OperationalError("SELECT", {}, Exception("the connection was lost"))
        return claim_next(*args, **chosen)

    monkeypatch.setattr(worker.runner, "claim_next", away_at_the_second)
    pipeline.run(STUDIES[0], [Step.SCORE])
    assert states(pipeline) == ["SCORED", "SCORED", "PREPARED", "PREPARED"]
    assert model.batches == [2]


def test_an_answer_is_the_same_alone_and_in_company(pipeline: Pipeline) -> None:
    real = Pipeline.over_again(pipeline)
    real.run(STUDIES[0], [Step.SCORE])
    alone = real.detail(STUDIES[0]).run
    model = real.context.scorer.model
    real.context.scorer = Scorer(model=Together(model), gate=real.context.scorer.gate)  # type: ignore[arg-type]
    real.run(STUDIES[1], [Step.SCORE])
    assert states(real) == ["SCORED"] * 4
    for uid in STUDIES[1:]:
        run = real.detail(uid).run
        assert run is not None and alone is not None
        for one, other in zip(alone.results, run.results, strict=True):
            assert other.verdict == one.verdict
            assert other.score == pytest.approx(one.score, abs=1e-6)
            assert other.value == pytest.approx(one.value, abs=1e-6)


class Together:
    """A model whose device is never full."""

    frames_at_once = 10_000

    def __init__(self, model: object) -> None:
        self._model = model

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)
