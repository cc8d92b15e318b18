"""Redis with a user, a password and TLS on both sides; and what is wrong with settings that do not fit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.broker import create_celery_app, enqueue
from config.errors import ConfigurationError
from config.settings import Settings, load_settings
from config.steps import Step
from tests.support.certificates import Authority
from tests.support.secure_redis import PASSWORD, SecureRedis, secure_redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureRedis]:
    with secure_redis(tmp_path_factory.mktemp("secure-redis")) as running:
        yield running


def settings_of(folder: Path, monkeypatch: pytest.MonkeyPatch, broker: str) -> Settings:
    site = folder / "site.toml"
    site.write_text(f'data_dir = "{folder}"\n{broker}')
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    return load_settings()


def test_messages_go_through_a_redis_that_asks_for_password_and_certificate(
    server: SecureRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_celery_app(settings_of(tmp_path, monkeypatch, server.settings()))
    assert enqueue(app, Step.SCORE, 7)
    with app.connection_for_read() as connection, connection.SimpleQueue(Step.SCORE) as queue:
        message = queue.get(timeout=20)
        message.ack()
    assert message.payload[0] == [7]


CASES = ["password", "certificate", "trust", "name"]


@pytest.mark.parametrize("lacking", CASES)
def test_who_lacks_something_gets_nothing_and_no_secret_is_said(
    server: SecureRedis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lacking: str,
) -> None:
    # In a database of its own: kombu shares connections within a process by their URL alone.
    broker = server.settings().replace('/0"', f'/{1 + CASES.index(lacking)}"')
    if lacking == "password":
        (tmp_path / "wrong").write_text("wrong")
        broker = broker.replace(str(server.password_file), str(tmp_path / "wrong"))
    elif lacking == "certificate":
        broker = broker.partition("certificate =")[0]
    elif lacking == "trust":
        stranger = Authority(tmp_path / "stranger").trusted
        broker = broker.replace(str(server.trusted), str(stranger))
    else:
        broker = broker.replace("127.0.0.1", "127.0.0.2")  # another host than its certificate is for
    app = create_celery_app(settings_of(tmp_path, monkeypatch, broker))
    assert not enqueue(app, Step.SCORE, 7)
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('url = "http://redis:6379"', "url has to begin with one of filesystem://, redis://, rediss://"),
        ('url = "redis://u:p@redis/0"\npassword_file = "{there}"', "the password is in url, and password_file"),
        ('url = "redis://redis/0"\ntrusted = "{there}"', "certificates need a url of rediss:// or amqps://"),
        ('url = "rediss://redis/0"\ncertificate = "{there}"', "certificate and private_key belong together"),
        ('url = "rediss://redis/0"\ntrusted = "/nowhere.pem"', "/nowhere.pem: no such file"),
    ],
)
def test_settings_that_do_not_fit_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, said: str
) -> None:
    there = tmp_path / "there"
    there.touch()
    with pytest.raises(ConfigurationError) as caught:
        settings_of(tmp_path, monkeypatch, f"[broker]\n{wrong.format(there=there)}\n")
    assert str(caught.value).startswith("setting broker")
    assert said in str(caught.value)


def test_a_rabbitmq_is_a_matter_of_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Celery is told; no RabbitMQ runs here."""
    password = tmp_path / "password"
    password.write_text("a/b\n")
    broker = f'[broker]\nurl = "amqps://echo@mq.hospital:5671/echo"\npassword_file = "{password}"\n'
    app = create_celery_app(settings_of(tmp_path, monkeypatch, broker))
    with app.connection_for_write() as connection:
        assert (connection.hostname, connection.userid, connection.password) == ("mq.hospital", "echo", "a/b")
        assert connection.transport_cls == "amqps"
        assert connection.ssl["server_hostname"] is None, "py-amqp takes the host of the URL, and checks it"
