"""By night, within its window, what is outdated is found and answered by itself."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.broker import create_celery_app
from config.errors import ConfigurationError
from config.settings import load_settings
from config.steps import RESCORE_QUEUE, RESCORE_TASK
from db.states import BatchKind, BatchState
from tests.support.scored_archive import ScoredArchive, Thresholds
from worker.rescoring.duty import RescoringDuty
from worker.rescoring.target import Scorers


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
