"""A queue that nobody empties does not grow for ever, whichever broker it lies in."""

from pathlib import Path

import pytest
from celery import Celery

import config.beat
import config.broker
from config.beat import SparingScheduler
from config.broker import create_celery_app, enqueue, queues_with_room
from config.settings import load_settings
from config.steps import MAINTENANCE_QUEUE, Step
from tests.support.rabbitmq import RabbitMQ
from tests.support.servers import Redis


@pytest.fixture(params=["filesystem", "redis", "rabbitmq"])
def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Celery:
    site = f'data_dir = "{tmp_path}"\n'
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis_server")
        site += f'[broker]\nurl = "redis://127.0.0.1:{redis.port}/11"\n'
    elif request.param == "rabbitmq":
        rabbitmq: RabbitMQ = request.getfixturevalue("rabbitmq")
        site += f'[broker]\nurl = "{rabbitmq.url}"\n{rabbitmq.files}'
    (tmp_path / "site.toml").write_text(site)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(tmp_path / "site.toml"))
    monkeypatch.setattr(config.broker, "QUEUE_HOLDS", 3)
    return create_celery_app(load_settings())


def take_all(app: Celery, queue: str) -> int:
    """Take what lies in a queue; how many messages these were."""
    with app.connection_for_read() as connection:
        there = app.amqp.queues[queue](connection.default_channel)
        there.queue_declare()
        return int(there.purge())


def test_a_queue_has_room_until_it_is_full_and_again_once_it_is_emptied(app: Celery) -> None:
    for queue in (Step.PREPARE, Step.SCORE):
        take_all(app, queue)
    for number in range(3):
        assert queues_with_room(app, [Step.SCORE, Step.PREPARE]) == [Step.SCORE, Step.PREPARE]
        assert enqueue(app, Step.SCORE, number)
    assert queues_with_room(app, [Step.SCORE, Step.PREPARE]) == [Step.PREPARE], "each queue by itself"
    assert take_all(app, Step.SCORE) == 3
    assert queues_with_room(app, [Step.SCORE]) == [Step.SCORE]


def test_beat_adds_nothing_to_a_full_queue_and_goes_on_once_somebody_empties_it(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config.beat, "ASKED_EVERY_S", 0)
    take_all(app, MAINTENANCE_QUEUE)
    scheduler = SparingScheduler(app)
    for _ in range(5):
        scheduler.apply_entry(scheduler.schedule["reap"])
    assert take_all(app, MAINTENANCE_QUEUE) == 3
    scheduler.apply_entry(scheduler.schedule["reap"])
    assert take_all(app, MAINTENANCE_QUEUE) == 1


def test_beat_asks_a_queue_with_room_but_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def with_room(_: Celery, queues: list[str]) -> list[str]:
        asked.append(queues)
        return queues

    monkeypatch.setattr(config.beat, "queues_with_room", with_room)
    app = create_celery_app(load_settings(data_dir=tmp_path))
    scheduler = SparingScheduler(app)
    for _ in range(3):
        scheduler.apply_entry(scheduler.schedule["reap"])
    assert asked == [[MAINTENANCE_QUEUE]]
    assert take_all(app, MAINTENANCE_QUEUE) == 3


def test_a_broker_that_is_away_has_room_for_nothing_and_is_not_asked_in_vain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ECHOWORKER_BROKER__URL", "redis://127.0.0.1:1/0")
    app = create_celery_app(load_settings(data_dir=tmp_path))
    assert queues_with_room(app, [Step.SCORE]) == []
    monkeypatch.setattr(app, "connection_for_write", None)
    assert queues_with_room(app, []) == []
