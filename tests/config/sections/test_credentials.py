"""Passwords come from files, and go into a URL at the last moment."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from config.errors import ConfigurationError
from config.sections.credentials import url_with_password
from config.settings import Settings, load_settings

URL = "postgresql+psycopg://echo@db.hospital/echoworker?sslmode=verify-full"


def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, url: str, password_file: Path) -> Settings:
    monkeypatch.setenv("ECHOWORKER_DATABASE__URL", url)
    monkeypatch.setenv("ECHOWORKER_DATABASE__PASSWORD_FILE", str(password_file))
    return load_settings(data_dir=tmp_path)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("a/b@c:d%\n")
    return file


def test_a_password_is_quoted_as_a_url_wants_it(password: Path) -> None:
    assert url_with_password("redis://echo@redis:6379/2", str(password)) == "redis://echo:a%2Fb%40c%3Ad%25@redis:6379/2"
    assert url_with_password("redis://redis:6379/2", "") == "redis://redis:6379/2"


def test_a_user_that_is_quoted_already_is_not_quoted_twice(password: Path) -> None:
    opened = make_url(url_with_password("postgresql+psycopg://echo%40hospital@db/echo", str(password)))
    assert (opened.username, opened.password) == ("echo@hospital", "a/b@c:d%")


def test_the_registry_is_opened_with_the_password_of_the_file_and_the_settings_show_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: Path
) -> None:
    settings = settings_of(tmp_path, monkeypatch, url=URL, password_file=password)
    opened = make_url(settings.database_url)
    assert (opened.username, opened.password, opened.host) == ("echo", "a/b@c:d%", "db.hospital")
    assert opened.query == {"sslmode": "verify-full"}
    assert "a/b" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://echo:secret@db/echo", "the password is in url"),
        ("postgresql+psycopg://db/echo", "needs a url with the user"),
        ("", "needs a url with the user"),
    ],
    ids=["both", "no-user", "sqlite"],
)
def test_a_password_that_would_not_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: Path, url: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        settings_of(tmp_path, monkeypatch, url=url, password_file=password)
    assert "secret" not in str(caught.value)


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"setting database: .*absent: no such file"):
        settings_of(tmp_path, monkeypatch, url=URL, password_file=tmp_path / "absent")
