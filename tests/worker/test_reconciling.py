"""The nightly look at the archives leaves off before its time limit, and is gone on with."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import worker.reconciling
from config.broker import create_celery_app
from config.settings import load_settings
from db.monitoring.tallies import heartbeats
from worker.context import WorkerContext
from worker.reconciling import DUTY, reconcile_if_due

NIGHT = datetime(2026, 11, 24, 3, 31).astimezone()


def test_fetching_that_takes_long_leaves_off_and_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = {"name": "PACS", "ae_title": "PACS", "roles": ["archive"], "host": "127.0.0.1", "port": 1}
    loaded = load_settings(data_dir=tmp_path, peers=[peer], time_limits={"sending_s": 0.4})
    wanted = loaded.monitoring.reconcile.model_copy(update={"at": "03:30"})
    settings = loaded.model_copy(update={"monitoring": loaded.monitoring.model_copy(update={"reconcile": wanted})})
    context = WorkerContext(settings, create_celery_app(settings))
    context.database.upgrade()
    was_stopped: list[bool] = []

    def fetch(*_: object, stop: threading.Event, **__: Any) -> Iterator[None]:
        was_stopped.append(stop.wait(0 if was_stopped else 10))
        yield from ()

    def done() -> bool:
        with context.database.read() as session:
            return DUTY in heartbeats(session)

    monkeypatch.setattr(worker.reconciling, "reconcile", fetch)
    reconcile_if_due(context, now=NIGHT)
    assert (was_stopped, done()) == ([True], False)
    reconcile_if_due(context, now=NIGHT)
    assert (was_stopped, done()) == ([True, False], True)
    context.database.close()
