"""By night, within its window, what is outdated is found and answered by itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from config.broker import create_celery_app
from config.errors import ClipError, ConfigurationError, DeviceError, DeviceFaultError, ModelPackError
from config.settings import load_settings
from config.steps import RESCORE_QUEUE, RESCORE_TASK
from db.rescoring.outdated import fresh_studies_wait, is_any_outdated
from db.states import BatchKind, BatchState, RescoredState, StudyState
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.studies import Study
from db.working.pauses import pause_queue, resume_queue
from tests.support.scored_archive import ScoredArchive, Thresholds
from worker.rescoring import answering
from worker.rescoring.duty import RescoringDuty
from worker.rescoring.target import Scorers
from worker.study_scoring import Scorer
from worker.tasks import register_tasks


def window(*, opens_in_h: int, closes_in_h: int) -> str:
    """By the clock of this machine."""
    now = datetime.now().astimezone()
    return "-".join(f"{now + timedelta(hours=hours):%H:%M}" for hours in (opens_in_h, closes_in_h))


OPEN, CLOSED = window(opens_in_h=-2, closes_in_h=2), window(opens_in_h=2, closes_in_h=4)


def outdated(tmp_path: Path, **rescore: Any) -> ScoredArchive:
    archive = ScoredArchive(tmp_path, rescore={"enabled": True, "window": OPEN, "canary": 0, **rescore})
    archive.add()
    archive.use_model(calibration=Thresholds("c" * 64, {"tavr": -1.0}))
    return archive


def test_outdated_results_are_found_and_answered(tmp_path: Path) -> None:
    archive = outdated(tmp_path)
    duty = RescoringDuty(archive.context)
    duty.work_once()
    batch = archive.batch(1)
    assert (batch.state, batch.started_by, batch.kind) == (BatchState.SCORED, "beat", BatchKind.RESCORE)
    duty.work_once()
    assert archive.begin() is None, "there is one batch of them, and no second"


@pytest.mark.parametrize("rescore", [{"window": CLOSED}, {"enabled": False}])
def test_out_of_its_window_or_switched_off_it_does_nothing(tmp_path: Path, rescore: dict[str, Any]) -> None:
    archive = outdated(tmp_path, **rescore)
    RescoringDuty(archive.context).work_once()
    assert archive.begin() == 1, "no batch was made before"


def test_after_what_is_outdated_comes_the_shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "second").mkdir()
    archive = outdated(tmp_path, shadow_pack=str(tmp_path / "second"))
    monkeypatch.setattr(Scorers, "_loaded", lambda *_: archive.model(digest="5" * 64))
    duty = RescoringDuty(archive.context)
    duty.work_once()
    duty.work_once()
    assert archive.batch(2).kind == BatchKind.SHADOW
    assert archive.batch(2).state == BatchState.SCORED


def test_beat_wakes_it_on_a_queue_of_its_own_where_it_is_enabled(tmp_path: Path) -> None:
    off = create_celery_app(load_settings(data_dir=tmp_path))
    on = create_celery_app(load_settings(data_dir=tmp_path, rescore={"enabled": True}))
    assert "rescore" not in off.conf.beat_schedule
    assert on.conf.beat_schedule["rescore"]["task"] == RESCORE_TASK
    assert on.conf.task_routes[RESCORE_TASK] == {"queue": RESCORE_QUEUE}


@pytest.mark.parametrize("wrong", [{"window": "at night"}, {"report_again": {"values": {"lvef": -1.0}}}])
def test_wrong_settings_are_refused_at_the_start(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="setting rescore"):
        load_settings(data_dir=tmp_path, rescore=wrong)


def test_what_failed_is_tried_again_in_the_next_night_and_not_at_every_wake_up(tmp_path: Path) -> None:
    archive = outdated(tmp_path)
    duty = RescoringDuty(archive.context)
    duty.work_once()
    with archive.context.database.write() as session:
        session.execute(update(RescoredStudy).values(state=RescoredState.FAILED, run_id=None))
    duty.work_once()
    assert archive.last_batch() == 1
    with archive.context.database.write() as session:
        session.execute(update(Rescoring).values(created_at=datetime.now(UTC) - timedelta(hours=23)))
    duty = RescoringDuty(archive.context)  # one that was told of nothing just now
    duty.work_once()
    duty.work_once()
    assert archive.last_batch() == 2


def test_a_fault_of_the_gpu_ends_the_worker_and_fails_no_other_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_PIPELINE__MAXIMUM_ATTEMPTS", "2")
    archive = outdated(tmp_path)
    archive.add()
    archive.use_model(digest="1" * 64, embedder="f" * 64)
    ended: list[bool] = []
    monkeypatch.setattr(archive.context, "device_failed", lambda: ended.append(True))
    monkeypatch.setattr(answering, "embed_from_pixels", _fails_with(DeviceFaultError("an illegal address")))
    RescoringDuty(archive.context).work_once()
    assert ended == [True]
    states = sorted(row.state for row in archive.outcomes(1).values())
    assert states == [RescoredState.DUE, RescoredState.READING]
    # It may have been the device: the study is read again. Then it was the study; the other one is gone on with.
    RescoringDuty(archive.context).work_once()
    assert sorted(row.state for row in archive.outcomes(1).values()) == states
    monkeypatch.setattr(answering, "embed_from_pixels", _fails_with(ClipError("gone")))
    RescoringDuty(archive.context).work_once()
    assert sorted(row.state for row in archive.outcomes(1).values()) == [RescoredState.CANNOT, RescoredState.FAILED]
    assert "did not come back" in str([row.reason for row in archive.outcomes(1).values()])


def test_a_study_whose_reader_was_killed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = outdated(tmp_path)
    archive.use_model(digest="1" * 64, embedder="f" * 64)
    archive.begin()
    with monkeypatch.context() as killed:
        killed.setattr(answering, "embed_from_pixels", _fails_with(DeviceFaultError("as if it were killed")))
        killed.setattr(archive.context, "device_failed", lambda: None)
        RescoringDuty(archive.context).work_once()
    assert [row.state for row in archive.outcomes(1).values()] == [RescoredState.READING]
    monkeypatch.setattr(answering, "embed_from_pixels", _fails_with(ClipError("gone")))
    RescoringDuty(archive.context).work_once()
    (row,) = archive.outcomes(1).values()
    assert (row.state, row.reason, row.readings_lost) == (RescoredState.CANNOT, "gone", 1)


def test_no_memory_on_the_gpu_is_no_fault_of_any_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = outdated(tmp_path)
    ended: list[bool] = []
    monkeypatch.setattr(archive.context, "device_failed", lambda: ended.append(True))
    monkeypatch.setattr(Scorer, "answer_together", _fails_with(DeviceError("no memory left")))
    RescoringDuty(archive.context).work_once()
    assert ended == [True]
    assert [row.state for row in archive.outcomes(1).values()] == [RescoredState.DUE]


def _fails_with(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_batch_that_cannot_be_loaded_stands_still_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = outdated(tmp_path)
    first = archive.begin("/a/pack/that/is/gone")
    with archive.context.database.write() as session:
        session.execute(update(RescoredStudy).values(before_run_id=None))
    second = archive.begin()
    monkeypatch.setattr(Scorers, "_loaded", _fails_with(ModelPackError("the pack is gone")))
    duty = RescoringDuty(archive.context)
    duty.work_once()
    duty.work_once()
    assert first is not None
    assert second is not None
    assert (archive.batch(first).paused, archive.batch(first).reason) == (True, "the pack is gone")
    assert archive.batch(second).state == BatchState.SCORED


def test_a_paused_queue_holds_it_and_what_waits_in_another_paused_queue_does_not(tmp_path: Path) -> None:
    archive = outdated(tmp_path)
    fresh = archive.add(state=StudyState.READY)
    duty = RescoringDuty(archive.context)
    pauses: dict[str, Any] = {"by": "a test", "reason": "a test", "now": datetime.now(UTC)}
    with archive.context.database.write() as session:
        pause_queue(session, "rescore", **pauses)
        pause_queue(session, "prepare", **pauses)
    duty.work_once()
    assert archive.last_batch() is None
    with archive.context.database.write() as session:
        resume_queue(session, "rescore", by="a test", now=datetime.now(UTC))
    duty.work_once()
    assert archive.batch(1).state == BatchState.SCORED
    with archive.context.database.write() as session:
        # It runs still: only what waits is held by a pause.
        lease = datetime.now(UTC) + timedelta(minutes=1)
        session.execute(update(Study).where(Study.study_instance_uid == fresh).values(lease_expires_at=lease))
    with archive.context.database.read() as session:
        assert fresh_studies_wait(session, now=datetime.now(UTC))


def test_a_wake_up_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = outdated(tmp_path)
    limits: dict[str, float] = {}

    @contextmanager
    def limited(what: str, *, hard_s: float) -> Iterator[None]:
        limits[what] = hard_s
        yield

    monkeypatch.setattr(archive.context.watch, "limited", limited)
    app = create_celery_app(archive.context.settings)
    register_tasks(app, archive.context)
    app.tasks[RESCORE_TASK]()
    configured = archive.context.settings.time_limits
    assert limits == {"rescore": configured.prepare.hard_s + configured.score.hard_s}


def test_where_nothing_is_outdated_nobody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = outdated(tmp_path)
    duty = RescoringDuty(archive.context)
    duty.work_once()
    asked: list[object] = []
    monkeypatch.setattr("worker.rescoring.duty.create_batch", lambda *_, **__: asked.append(1))
    duty.work_once()
    assert asked == []


def test_where_nothing_is_outdated_that_is_not_asked_at_every_wake_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = ScoredArchive(tmp_path, rescore={"enabled": True, "window": OPEN, "canary": 0})
    archive.add()
    asked: list[object] = []

    def asking(*how: Any) -> bool:
        asked.append(how)
        return is_any_outdated(*how)

    monkeypatch.setattr("worker.rescoring.duty.is_any_outdated", asking)
    duty = RescoringDuty(archive.context)
    for _ in range(3):
        duty.work_once()
    assert len(asked) == 1
    archive.use_model(calibration=Thresholds("c" * 64, {"tavr": -1.0}))
    duty.work_once()
    assert archive.batch(1).state == BatchState.SCORED, "another model is asked about at once"
    monkeypatch.setattr("worker.rescoring.duty.NOTHING_FOR_S", 0.0)
    duty.work_once()
    duty.work_once()
    assert len(asked) == 4


def test_a_second_pack_goes_to_a_device_that_is_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = outdated(tmp_path)
    devices: list[str] = []
    monkeypatch.setattr("worker.rescoring.target.gpus", lambda: ["cuda:0", "cuda:1"])
    monkeypatch.setattr("worker.rescoring.target.why_unfit", lambda device: "broken" if device == "cuda:0" else "")

    def load(*_: object, device: str) -> object:
        devices.append(device)
        return archive.model().model

    monkeypatch.setattr("worker.rescoring.target.load_model_of", load)
    monkeypatch.setattr("worker.rescoring.target.view_gate", lambda *_: None)
    Scorers(archive.context).of("/a/second/pack")
    assert devices == ["cuda:1"]
