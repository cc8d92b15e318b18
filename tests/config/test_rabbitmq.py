"""RabbitMQ with a password and TLS on both sides: who is let in, who is not, and what is said of it."""

from pathlib import Path

import pytest

from config.broker import create_celery_app, enqueue
from config.settings import Settings, load_settings
from config.steps import Step
from dicom_node.findings import FaultError
from dicom_node.services import broker as look_at_broker
from tests.support.certificates import Authority
from tests.support.rabbitmq import PASSWORD, RabbitMQ


def settings_of(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, files: str) -> Settings:
    site = folder / "site.toml"
    site.write_text(f'data_dir = "{folder}"\n[broker]\nurl = "{url}"\n{files}')
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    return load_settings()


@pytest.mark.long
@pytest.mark.parametrize("secure", [False, True], ids=["password", "password, TLS and certificate"])
def test_messages_go_through(
    rabbitmq: RabbitMQ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, secure: bool
) -> None:
    url, files = (rabbitmq.secure_url, rabbitmq.secure_files) if secure else (rabbitmq.url, rabbitmq.files)
    settings = settings_of(tmp_path, monkeypatch, url, files)
    assert look_at_broker(settings).endswith(" answers")
    app = create_celery_app(settings)
    assert enqueue(app, Step.SCORE, 7)
    with app.connection_for_read() as connection, connection.SimpleQueue(Step.SCORE) as queue:
        message = queue.get(timeout=20)
        message.ack()
    assert message.payload[0] == [7]


@pytest.mark.parametrize("lacking", ["password", "certificate", "trust", "name"])
def test_who_lacks_something_gets_nothing_and_no_secret_is_said(
    rabbitmq: RabbitMQ,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lacking: str,
) -> None:
    # By a name of its own: kombu shares connections within a process by their URL alone.
    url, files = rabbitmq.secure_url, rabbitmq.secure_files
    if lacking == "password":
        (tmp_path / "wrong").write_text(f"{PASSWORD}-no")
        url, files = rabbitmq.url, f'password_file = "{tmp_path / "wrong"}"\n'
    elif lacking == "certificate":
        files = files.partition("certificate =")[0]
    elif lacking == "trust":
        files = files.replace(str(rabbitmq.trusted), str(Authority(tmp_path / "stranger").trusted))
    else:
        url = url.replace("127.0.0.1", "127.0.0.2")
    if lacking in {"certificate", "trust"}:
        url = url.replace("127.0.0.1", "localhost").replace("/echo", "/echo" if lacking == "trust" else "/%65cho")
    settings = settings_of(tmp_path, monkeypatch, url, files)
    assert not enqueue(create_celery_app(settings), Step.SCORE, 7)
    with pytest.raises(FaultError, match="cannot be reached") as caught:
        look_at_broker(settings)
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err + str(caught.value)
