"""What holds for every step: one outcome, whatever happens meanwhile, and no word of the patient."""

import errno
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
import structlog
from celery.worker import state
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from config.errors import ClipError, DeliveryError, SpoolFullError
from config.logs import configure_logs
from config.settings import load_settings
from config.steps import Lane, Step
from db.tables.studies import Study
from db.working.leases import Claim, claim
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.worker.pipeline import Pipeline
from worker.context import WorkerContext
from worker.reaper import announce_overdue_steps
from worker.runner import run_step
from worker.steps.outcome import Outcome

Work = Callable[[WorkerContext, Claim], Outcome]


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("ECHOWORKER_PIPELINE__LEASE_S", "0.6")
    monkeypatch.setenv("ECHOWORKER_PIPELINE__MAXIMUM_ATTEMPTS", "2")
    monkeypatch.setenv("ECHOWORKER_PIPELINE__RETRY_AFTER_S", "0.001")
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


@pytest.fixture
def study(pipeline: Pipeline) -> str:
    uid = pipeline.receive(SMALL)
    pipeline.fall_quiet()
    return uid


@pytest.fixture
def logs() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="worker", stream=stream)
    yield stream
    structlog.reset_defaults()


def noting(reason: str) -> Outcome:
    def record(_: Session, study: Study) -> None:
        study.reason = reason

    return Outcome(record=record)


def run(pipeline: Pipeline, study: str, work: Work) -> None:
    run_step(pipeline.context, Step.PREPARE, pipeline.id_of(study), work)


def test_a_step_that_succeeds_moves_the_study_on_with_what_it_wrote(pipeline: Pipeline, study: str) -> None:
    run(pipeline, study, lambda *_: noting("done"))
    detail = pipeline.detail(study)
    assert (detail.study.state, detail.study.reason) == ("PREPARED", "done")
    assert [(entry.step, entry.state_after, entry.attempt) for entry in detail.journal][-1] == (
        "prepare",
        "PREPARED",
        1,
    )


def test_a_message_that_comes_twice_runs_the_step_once(pipeline: Pipeline, study: str) -> None:
    runs = []

    def work(_: WorkerContext, held: Claim) -> Outcome:
        runs.append(held.attempt)
        run(pipeline, study, lambda *_: pytest.fail("a second worker was let in"))
        return noting("once")

    run(pipeline, study, work)
    run(pipeline, study, work)
    assert runs == [1]


def test_what_is_stat_goes_first_and_a_worker_that_is_asked_to_stop_leaves_the_rest_to_others(
    pipeline: Pipeline, study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = pipeline.receive(as_study_of_its_own(LARGE, tmp_path / "stat"))
    pipeline.fall_quiet()
    with pipeline.context.database.write() as session:
        session.execute(update(Study).values(announced_at=datetime.now(UTC)))
        session.execute(update(Study).where(Study.study_instance_uid == stat).values(lane=Lane.STAT))
    done: list[str] = []

    def work(_: WorkerContext, held: Claim) -> Outcome:
        done.append(held.study_instance_uid)
        monkeypatch.setattr(state, "should_stop", 0)  # as Celery does it on SIGTERM
        return noting("")

    run(pipeline, study, work)
    assert done == [stat]
    left = pipeline.detail(study).study
    assert (left.state, left.attempts, left.announced_at) == ("READY", 0, None), "to be announced at once"
    monkeypatch.setattr(state, "should_stop", None)
    run(pipeline, study, work)
    assert done == [stat, study]


def test_the_next_step_is_announced_when_one_ends(pipeline: Pipeline, study: str) -> None:
    run(pipeline, study, lambda *_: noting(""))
    messages = [json.loads(path.read_text()) for path in (pipeline.context.settings.broker_dir / "messages").iterdir()]
    assert [message["headers"]["task"].rpartition(".")[2] for message in messages] == ["score"]


def test_an_error_that_may_pass_is_tried_again_until_its_attempts_are_used_up(pipeline: Pipeline, study: str) -> None:
    def work(*_: object) -> Outcome:
        raise DeliveryError("the PACS is away")

    run(pipeline, study, work)
    assert pipeline.detail(study).study.state == "READY"
    threading.Event().wait(0.05)  # the back-off of a millisecond
    run(pipeline, study, work)
    detail = pipeline.detail(study)
    assert (detail.study.state, detail.study.reason) == ("FAILED", "the PACS is away")


def test_an_error_that_would_come_again_fails_at_once(pipeline: Pipeline, study: str) -> None:
    def work(*_: object) -> Outcome:
        raise ClipError("frames gone")

    run(pipeline, study, work)
    detail = pipeline.detail(study)
    assert (detail.study.state, detail.study.reason) == ("FAILED", "frames gone")


@pytest.mark.parametrize("full", [OSError(errno.ENOSPC, "No space left on device"), SpoolFullError("disk low")])
def test_a_full_disk_costs_no_attempt_however_long_it_stays_full(
    pipeline: Pipeline, study: str, full: Exception
) -> None:
    def work(*_: object) -> Outcome:
        raise full

    for _ in range(pipeline.context.settings.pipeline.maximum_attempts + 1):
        run(pipeline, study, work)
        detail = pipeline.detail(study)
        assert (detail.study.state, detail.study.attempts) == ("READY", 0)
        with pipeline.context.database.write() as session:
            session.execute(update(Study).values(next_attempt_at=None))  # its time has come
    assert len([entry for entry in detail.journal if entry.step == "prepare"]) == 3
    run(pipeline, study, lambda *_: noting("room again"))
    assert pipeline.detail(study).study.state == "PREPARED"


def test_an_unexpected_error_is_written_down_without_its_text(pipeline: Pipeline, study: str, logs: StringIO) -> None:
    def work(*_: object) -> Outcome:
        raise RuntimeError("Doe^Jane")

    run(pipeline, study, work)
    reason = str(pipeline.detail(study).study.reason)
    assert "RuntimeError" in reason
    assert "test_runner" in reason
    assert "Doe" not in reason + logs.getvalue()
    assert "step failed" in logs.getvalue()


def test_a_slow_step_keeps_its_lease(pipeline: Pipeline, study: str) -> None:
    def work(context: WorkerContext, held: Claim) -> Outcome:
        threading.Event().wait(1.5)  # two and a half leases
        with context.database.write() as session:
            now, limits = datetime.now(UTC), context.settings.pipeline
            assert claim(session, held.study_id, Step.PREPARE, owner="other", now=now, pipeline=limits) is None
        return noting("slow")

    run(pipeline, study, work)
    assert pipeline.detail(study).study.reason == "slow"


def test_what_a_step_made_of_an_outdated_study_is_discarded(
    pipeline: Pipeline, study: str, tmp_path: Path, logs: StringIO
) -> None:
    late = as_study_of_its_own(LARGE, tmp_path / "late", StudyInstanceUID=study)

    def work(*_: object) -> Outcome:
        pipeline.receive(late)
        return noting("made of the first instance alone")

    run(pipeline, study, work)
    detail = pipeline.detail(study)
    assert (detail.study.state, detail.study.revision) == ("RECEIVING", 2)
    assert detail.study.reason != "made of the first instance alone"
    assert "lease lost" in logs.getvalue()


def test_a_registry_that_goes_away_while_a_step_runs_costs_an_attempt_and_no_worker(
    pipeline: Pipeline, study: str, logs: StringIO
) -> None:
    def rename(old: str, new: str) -> None:
        with pipeline.context.database.write() as session:
            session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    def work(*_: object) -> Outcome:
        rename("studies", "away")
        return noting("lost")

    study_id = pipeline.id_of(study)
    run_step(pipeline.context, Step.PREPARE, study_id, work)
    announce_overdue_steps(pipeline.context)
    assert logs.getvalue().count("registry lacks tables") == 2
    rename("away", "studies")
    threading.Event().wait(0.7)  # the lease
    run(pipeline, study, lambda *_: noting("second attempt"))
    detail = pipeline.detail(study)
    assert (detail.study.state, detail.study.reason) == ("PREPARED", "second attempt")
