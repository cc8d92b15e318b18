"""`echoworker db`: what it prints is what can be used."""

import base64
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.settings import load_settings
from db.reference import database_reference
from db.session import Database
from db.studies import identity_of
from deploy.cli import app
from tests.support import lab


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path))
    registry = Database.of(load_settings())
    registry.upgrade()
    with registry.write() as session:
        lab.fill(session)
    registry.close()
    return tmp_path


def said(*arguments: str) -> str:
    run = CliRunner().invoke(app, ["db", *arguments], catch_exceptions=False)
    assert run.exit_code == 0
    return run.output


def test_docs_and_role_are_printed_without_an_installation() -> None:
    assert said("docs") == database_reference()
    assert "CREATE ROLE metabase LOGIN" in said("read-only-role", "--name", "metabase")


def test_identities_are_converted_to_what_the_settings_say(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_PRIVACY__PATIENT_IDENTITIES", "encrypted")
    monkeypatch.setenv("ECHOWORKER_PRIVACY__KEY", base64.b64encode(bytes(32)).decode())
    assert "identities of 5 studies: plain -> encrypted" in said("identities")
    assert "identities are kept encrypted already" in said("identities")
    assert lab.PHI[0].encode() not in (data / "registry.sqlite3").read_bytes()
    with Database.of(load_settings()).read() as session:
        assert identity_of(session, "1.2.1").patient_id == lab.PHI[0]
