"""`echoworker db`: what it prints is what can be used."""

import base64
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.script import ScriptDirectory
from typer.testing import CliRunner

from config.settings import load_settings
from db.migrating import alembic_config
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


@pytest.fixture(params=["sqlite", "postgresql"])
def studies_on(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation with studies, on either database."""
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path))
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_server").create_database(f"downgrade_{uuid4().hex[:8]}")
        monkeypatch.setenv("ECHOWORKER_DATABASE__URL", url)
    registry = Database.of(load_settings())
    registry.upgrade()
    with registry.write() as session:
        lab.fill(session)
    registry.close()


@pytest.mark.usefixtures("studies_on")
def test_the_way_back_to_an_earlier_version_and_forward_again_keeps_the_studies() -> None:
    before = CliRunner().invoke(app, ["studies"], catch_exceptions=False).output
    head, earlier, *_ = (step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions())
    assert said("downgrade", earlier, "--yes") == f"registry schema: {earlier}\n"
    refused = CliRunner().invoke(app, ["studies"])
    assert f"the registry's schema is at {earlier}, this version needs {head}" in str(refused.exception)
    assert said("upgrade") == f"registry schema: {head}\n"
    assert CliRunner().invoke(app, ["studies"], catch_exceptions=False).output == before


@pytest.mark.usefixtures("data")
def test_the_way_back_is_refused_without_a_word_or_to_where_there_is_none() -> None:
    assert "echoworker backup comes first" in str(CliRunner().invoke(app, ["db", "downgrade", "0001"]).exception)
    for nowhere in ("9999", "head", "-1"):
        run = CliRunner().invoke(app, ["db", "downgrade", "--yes", "--", nowhere])
        assert "not behind" in str(run.exception)
