import errno
import json
import threading
from pathlib import Path

import pytest
from kombu import Connection

from config.broker import create_celery_app, enqueue
from config.settings import Settings, load_settings
from config.steps import Step, task_name

PER_SENDER = 50


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path)


def take_all(connection: Connection, queue: str, expected: int) -> list[object]:
    taken: list[object] = []
    with connection.SimpleQueue(queue) as messages:
        while len(taken) < expected:
            message = messages.get(timeout=10)
            message.ack()
            taken.append(message.payload)
    return taken


def test_messages_hold_the_number_of_a_study_and_nothing_else(settings: Settings) -> None:
    app = create_celery_app(settings)
    assert enqueue(app, Step.SCORE, 7)
    with app.connection_for_read() as connection, connection.SimpleQueue(Step.SCORE) as queue:
        message = queue.get(timeout=10)
        message.ack()
    assert message.headers["task"] == task_name(Step.SCORE) == "echoworker.score"
    assert message.payload[:2] == [[7], {}]


def test_concurrent_senders_and_consumers_lose_and_double_nothing(settings: Settings) -> None:
    app = create_celery_app(settings)
    senders = [
        threading.Thread(target=lambda first=first: [enqueue(app, Step.PREPARE, first + n) for n in range(PER_SENDER)])
        for first in (0, 1000)
    ]
    taken: list[list[object]] = [[], []]

    def consume(mine: int) -> None:
        with create_celery_app(settings).connection_for_read() as connection:
            taken[mine] = take_all(connection, Step.PREPARE, PER_SENDER)

    consumers = [threading.Thread(target=consume, args=[mine]) for mine in (0, 1)]
    for thread in (*senders, *consumers):
        thread.start()
    for thread in (*senders, *consumers):
        thread.join(60)
    numbers = sorted(payload[0][0] for payload in taken[0] + taken[1])  # type: ignore[index]
    assert numbers == [*range(PER_SENDER), *range(1000, 1000 + PER_SENDER)]


def test_a_broker_that_is_away_is_an_answer_not_an_exception(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ECHOWORKER_BROKER__URL", "redis://127.0.0.1:1/0")
    assert enqueue(create_celery_app(load_settings(data_dir=tmp_path)), Step.SCORE, 7) is False


def test_a_message_that_the_disk_cannot_take_leaves_nothing_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_celery_app(settings)
    assert enqueue(app, Step.SCORE, 7)

    def full(_: Path, __: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    assert enqueue(app, Step.SCORE, 8) is False
    monkeypatch.undo()
    (message,) = (settings.broker_dir / "messages").iterdir()
    assert json.loads(message.read_text())["headers"]["argsrepr"] == "[7]"


@pytest.mark.parametrize(
    "torn",
    [b"", b'{"body": "W1s3XSwge30', b"\xff\xfe\x00", b"[]", b"{}", b'{"body": "", "headers": {}, "properties": {}}'],
    ids=["empty", "half", "no-text", "no-object", "no-message", "no-properties"],
)
def test_a_message_torn_by_a_loss_of_power_is_passed_over_and_kept_for_a_look(settings: Settings, torn: bytes) -> None:
    app = create_celery_app(settings)
    folder = settings.broker_dir / "messages"
    (folder / f"0_torn.{Step.SCORE}.msg").write_bytes(torn)  # it sorts before every real one
    assert enqueue(app, Step.SCORE, 7)
    with app.connection_for_read() as connection:
        (payload,) = take_all(connection, Step.SCORE, 1)
    assert payload[0] == [7]  # type: ignore[index]
    assert list(folder.iterdir()) == []
    assert [path.read_bytes() for path in (settings.broker_dir / "taken").iterdir()] == [torn]
