"""`echoworker db`: what it prints is what can be used."""

import base64
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from typer.testing import CliRunner

from config.errors import ConfigurationError
from config.settings import load_settings
from db.lifecycle.studies import identity_of
from db.migrating import alembic_config
from db.reference import database_reference
from db.session import Database
from deploy.cli.application import app
from dicom_node.findings import found_by
from dicom_node.services import registry as look_at_registry
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


@pytest.mark.usefixtures("studies_on")
def test_the_registry_of_a_later_version_is_left_alone_and_said_to_be_one() -> None:
    """After a way back that forgot the schema; to upgrade is no way out then."""
    settings = load_settings()
    database = Database.of(settings)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (["studies"], ["db", "upgrade"]):
        refused = CliRunner().invoke(app, command)
        assert isinstance(refused.exception, ConfigurationError)
        assert "schema is at 9999" in str(refused.exception)
        assert "of a later version than this one: install that version" in str(refused.exception)
    assert "of a later version" in found_by("registry", look_at_registry, settings).said
    assert database.schema_revisions()[0] == "9999"
