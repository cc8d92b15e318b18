from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.broker import create_celery_app
from config.settings import Settings, load_settings
from db.announcing import announce_due_steps
from db.session import Database


def messages_in(settings: Settings) -> int:
    return len(list((settings.broker_dir / "messages").iterdir()))


def test_what_could_not_be_announced_while_the_broker_was_away_is_announced_at_the_next_occasion(
    registry: Database, ready_study: int, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert now < datetime.now(UTC)
    settings = load_settings(data_dir=tmp_path)
    with monkeypatch.context() as away:
        away.setenv("ECHOWORKER_BROKER__URL", "redis://127.0.0.1:1/0")
        unreachable = create_celery_app(load_settings(data_dir=tmp_path))
    assert announce_due_steps(registry, unreachable, settings) == 0
    broker = create_celery_app(settings)
    assert announce_due_steps(registry, broker, settings) == 1
    assert messages_in(settings) == 1
    assert announce_due_steps(registry, broker, settings) == 0, "its message is known of now"
