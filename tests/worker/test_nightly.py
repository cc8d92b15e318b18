"""What is done once a day and fails, or is not done yet, is gone on with soon; and no text of an error is logged."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from config.broker import create_celery_app
from config.logs import configure_logs
from config.settings import load_settings
from config.steps import DRIFT_TASK, RECONCILE_TASK
from db.monitoring.tallies import note_heartbeat
from worker.app import create_worker_app
from worker.context import WorkerContext
from worker.nightly import once_a_day
from worker.watch import Watch

EVENING = datetime(2026, 11, 24, 20, 0).astimezone()


def failing() -> bool:
    raise OSError("Doe^Jane")


@pytest.mark.parametrize("first", [failing, lambda: False])
def test_what_is_not_done_is_begun_again_when_beat_wakes_it_next(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], first: Callable[[], bool]
) -> None:
    configure_logs(process="worker")
    settings = load_settings(data_dir=tmp_path)
    context = WorkerContext(settings, create_celery_app(settings))
    context.database.upgrade()
    done: list[str] = []

    def work() -> bool:
        done.append("done")
        return True

    for what in (first, work, work):
        once_a_day(context, "duty", "05:00", what, now=EVENING)
    assert done == ["done"]
    said = capfd.readouterr().err
    assert ("OSError" in said) is (first is failing)
    assert "Doe" not in said
    context.database.close()


def test_what_is_due_shortly_before_midnight_is_done_each_night(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    context = WorkerContext(settings, create_celery_app(settings))
    context.database.upgrade()
    done: list[datetime] = []
    woken = datetime(2026, 11, 22, 12, 2).astimezone()

    def work() -> bool:
        done.append(woken)
        return True

    while woken < EVENING:
        once_a_day(context, "duty", "23:58", work, now=woken)
        if done and done[-1] == woken:  # it was noted by the clock of now: as if it were that of then
            with context.database.write() as session:
                note_heartbeat(session, "duty", now=woken)
        woken += timedelta(minutes=5)
    context.database.close()
    assert [(at.day, at.hour, at.minute) for at in done] == [(22, 12, 2), (23, 0, 2), (24, 0, 2)]


def test_what_is_done_once_a_day_may_not_hang_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[str, float] = {}

    def limited(_: Watch, what: str, *, hard_s: float) -> AbstractContextManager[None]:
        limits[what] = hard_s
        return nullcontext()

    monkeypatch.setattr(Watch, "limited", limited)
    settings = load_settings(data_dir=tmp_path)
    app = create_worker_app(settings, Watch())
    for task in (RECONCILE_TASK, DRIFT_TASK):
        app.tasks[task].apply()
    assert limits == {"reconcile": settings.time_limits.sending_s, "drift": settings.time_limits.maintenance_s}


def test_of_an_error_that_leaves_a_task_the_place_is_logged_and_not_the_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    configure_logs(process="worker")
    app = create_worker_app(load_settings(data_dir=tmp_path), Watch())
    task = app.task(name="echoworker.failing")(failing)
    with caplog.at_level(logging.DEBUG):
        task.apply()
    said = capfd.readouterr().err
    assert "echoworker.failing" in said
    assert "OSError in" in said
    assert "Doe" not in said + caplog.text
