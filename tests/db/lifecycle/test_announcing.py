from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

import config.broker
from config.broker import create_celery_app
from config.settings import Settings, load_settings
from db.delivery.forwards import add_forwards
from db.lifecycle.announcing import announce_due_forwards, announce_due_steps
from db.session import Database
from db.tables.peers import PeerQueue
from db.tables.studies import Instance, Study


def messages_in(settings: Settings) -> int:
    return len(list((settings.broker_dir / "messages").iterdir()))


def lose_messages(settings: Settings) -> None:
    for lost in (settings.broker_dir / "messages").iterdir():
        lost.unlink()


@pytest.fixture
def small_queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With a broker whose queues hold three messages each."""
    monkeypatch.setattr(config.broker, "QUEUE_HOLDS", 3)
    return load_settings(data_dir=tmp_path)


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


def test_steps_that_no_worker_does_stop_being_announced_again_until_somebody_takes_messages(
    registry: Database, ready_study: int, small_queues: Settings
) -> None:
    settings, broker = small_queues, create_celery_app(small_queues)

    def pass_by() -> int:
        with registry.write() as session:
            long_ago = datetime.now(UTC) - timedelta(days=1)
            session.execute(update(Study).where(Study.announced_at.is_not(None)).values(announced_at=long_ago))
        return announce_due_steps(registry, broker, settings)

    assert [pass_by() for _ in range(5)] == [1, 1, 1, 0, 0]
    assert messages_in(settings) == 3
    with registry.write() as session:
        session.execute(update(Study).values(announced_at=None))
    assert announce_due_steps(registry, broker, settings, study_id=ready_study) == 1, "just done: said once"
    pass_by()
    lose_messages(settings)
    assert announce_due_steps(registry, broker, settings) == 1, "at once: a broker may have lost everything"


def test_peers_that_nobody_sends_to_stop_being_announced_again_until_somebody_takes_messages(
    registry: Database, ready_study: int, small_queues: Settings
) -> None:
    settings, broker = small_queues, create_celery_app(small_queues)
    with registry.write() as session:
        instance = session.query(Instance).one()
        uid = instance.sop_instance_uid
        add_forwards(session, study_id=ready_study, sop_instance_uid=uid, peers=["ARCHIVE"])

    def pass_by() -> int:
        with registry.write() as session:
            session.execute(update(PeerQueue).values(announced_at=datetime.now(UTC) - timedelta(days=1)))
        return announce_due_forwards(registry, broker, settings)

    assert [pass_by() for _ in range(5)] == [1, 1, 1, 0, 0]
    assert messages_in(settings) == 3
    lose_messages(settings)
    assert announce_due_forwards(registry, broker, settings) == 1
