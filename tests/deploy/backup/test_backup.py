"""A backup is whole whatever happened while it was made, and what it becomes again is the installation that it was."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from config.errors import BackupError, BackupUnderWayError, ConfigurationError, SpoolAwayError
from config.sections.dashboard import AccountRole
from config.settings import load_settings
from config.steps import Step
from dashboard.access.signing_in import make_first_account, sign_in
from dashboard.installation import Installation
from db.accounts import add_account, add_token, list_accounts, signed_in
from db.monitoring.tallies import BACKUP, heartbeats
from db.reading.queries import studies_in
from db.states import StudyState
from db.tables.studies import Instance, Study
from deploy.backup import making, restoring
from deploy.backup.copying import files_to_keep
from deploy.backup.facts import FACTS, read_facts
from deploy.backup.making import forget_but_last, make_backup
from deploy.backup.restoring import faults_of_backup, restore_backup
from deploy.cli.application import app
from dicom_node.removing import nothing_removed
from dicom_node.spool_check import compare
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.servers import PostgreSQL
from tests.support.tools import require_tool
from tests.worker.pipeline import TO_REPORT, Pipeline, ready
from worker.retention import Retention

pytestmark = pytest.mark.long

NOW = datetime(2026, 3, 1, 0, 15, tzinfo=UTC)


def said(*arguments: str | Path) -> str:
    run = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if run.exception is not None:
        raise run.exception
    return run.stdout


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """URLs of two empty databases: that of the installation, and that where it is restored; "": in the data folder."""
    if request.param == "sqlite":
        yield ["", ""]
        return
    require_tool("pg_dump")
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    yield [server.create_database(f"backup_{uuid4().hex[:8]}") for _ in range(2)]


def at(monkeypatch: pytest.MonkeyPatch, data: Path, url: str = "") -> None:
    """From here on, commands are about this installation."""
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(data))
    monkeypatch.setenv("ECHOWORKER_DATABASE__URL", url)


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """On SQLite; with one study, whose instance is registered."""
    at(monkeypatch, tmp_path / "data")
    made = Pipeline.create(load_settings())
    ready(made, as_study_of_its_own(SMALL, tmp_path / "sent"))
    return made


def backed_up(pipeline: Pipeline, into: Path, *, at: datetime = NOW) -> making.MadeBackup:
    context = pipeline.context
    return make_backup(context.settings, context.database, into, now=at)


def restored(monkeypatch: pytest.MonkeyPatch, backup: Path, data: Path) -> Pipeline:
    at(monkeypatch, data)
    restore_backup(load_settings(), backup)
    return Pipeline.create(load_settings())


def contents(data: Path) -> dict[str, bytes]:
    return {str(path): (data / path).read_bytes() for path in files_to_keep(data) if "audit" not in path.parts}


def test_an_installation_comes_back_as_it_was_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_database: list[str]
) -> None:
    at(monkeypatch, tmp_path / "data", new_database[0])
    pipeline = Pipeline.create(load_settings())
    reported = ready(pipeline, as_study_of_its_own(SMALL, tmp_path / "sent"))
    pipeline.run(reported, TO_REPORT)
    prepared = ready(pipeline, as_study_of_its_own(SMALL, tmp_path / "sent"))
    pipeline.run(prepared, [Step.PREPARE])
    before, files = json.loads(said("study", "--json", reported)), contents(tmp_path / "data")

    assert "all files are there" in said("backup", tmp_path / "backups", "--verify")
    (backup,) = (path for path in (tmp_path / "backups").iterdir() if path.is_dir())

    at(monkeypatch, tmp_path / "new", new_database[1])
    assert "1 studies are prepared again" in said("restore", backup)
    assert json.loads(said("study", "--json", reported)) == before
    assert contents(tmp_path / "new") == files
    assert said("spool", "check", "--verify") == "spool and registry agree\n"
    doctor = CliRunner().invoke(app, ["doctor"]).stdout.splitlines()
    assert [line.split()[1] for line in doctor if line.startswith("FAULT")] == ["node:"], "which does not run yet"
    assert "0 found; 0 instances wait" in said("spool", "rebuild")
    again = Pipeline.create(load_settings())
    assert again.detail(prepared).study.state == StudyState.READY, "its prepared clips are not in the backup"
    assert again.run(prepared, TO_REPORT).study.state in (StudyState.REPORTED, StudyState.DELIVERED)
    with pytest.raises(BackupError, match="is not empty: restore into a new folder"):
        said("restore", backup)
    at(monkeypatch, tmp_path / "third", new_database[0])
    if new_database[0]:
        with pytest.raises(BackupError, match="has tables already"):
            said("restore", backup)


def test_what_was_taken_back_since_does_not_come_back(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pipeline.context.database.write() as session:
        add_account(session, "grafana", role=AccountRole.VIEWER, password_hash=None, now=NOW)
        token = add_token(session, "grafana", note="dashboards", now=NOW, lasts=timedelta(days=365))
    backup = backed_up(pipeline, tmp_path / "backups").folder
    with pipeline.context.database.read() as session:
        assert signed_in(session, token, now=NOW, idle=timedelta(days=1)) is not None
    again = restored(monkeypatch, backup, tmp_path / "new")
    with again.context.database.read() as session:
        assert [each.name for each in list_accounts(session)] == ["grafana"]
        assert signed_in(session, token, now=NOW, idle=timedelta(days=1)) is None


def test_the_key_of_identities_is_not_in_it_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the handbook and the command say: beside the ciphertexts it would be no key."""
    key = tmp_path / "data" / "keys" / "identities"
    key.parent.mkdir(parents=True)
    key.write_text(base64.b64encode(bytes(range(32))).decode())
    at(monkeypatch, tmp_path / "data")
    monkeypatch.setenv("ECHOWORKER_PRIVACY__PATIENT_IDENTITIES", "encrypted")
    monkeypatch.setenv("ECHOWORKER_PRIVACY__KEY_FILE", str(key))
    Pipeline.create(load_settings())
    assert "is not in it" in said("backup", tmp_path / "backups", "--verify")
    (backup,) = (path for path in (tmp_path / "backups").iterdir() if path.is_dir())
    assert [path for path in backup.rglob("*") if path.is_file() and path.read_bytes() == key.read_bytes()] == []


def test_the_first_password_is_not_in_it_and_its_account_gets_another_after_a_restore(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_first_account(Installation.of(pipeline.context.settings))
    assert file is not None
    first = file.read_text().strip()
    backup = backed_up(pipeline, tmp_path / "backups").folder
    assert [path for path in backup.rglob("*") if path.is_file() and first.encode() in path.read_bytes()] == []
    restored(monkeypatch, backup, tmp_path / "new")
    given = CliRunner().invoke(app, ["accounts", "password", "admin", "--password-stdin"], input="another password\n")
    assert given.exception is None
    here = Installation.of(load_settings())
    assert make_first_account(here) is None
    assert sign_in(here, "admin", "another password")


def test_what_comes_while_it_is_made_is_in_it_and_is_registered_when_it_is_restored(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry is copied first: whatever comes then is in the spool alone."""
    copy_registry, late = making.copy_registry, ""

    def then_a_study_comes(*arguments: object) -> str:
        nonlocal late
        name = copy_registry(*arguments)  # type: ignore[arg-type]
        late = pipeline.receive(as_study_of_its_own(SMALL, tmp_path / "sent"))
        return name

    monkeypatch.setattr(making, "copy_registry", then_a_study_comes)
    backup = backed_up(pipeline, tmp_path / "backups").folder
    at(monkeypatch, tmp_path / "new")
    done = restore_backup(load_settings(), backup)
    again = Pipeline.create(load_settings())
    assert done.to_register == 1
    assert again.context.spool.unregistered_studies() == {late}
    assert list(compare(again.context.spool, again.context.database, verify=True)) == []


def test_an_instance_that_waits_to_be_registered_is_in_it_once_and_waits_again(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = pipeline.context.spool
    (kept,) = next(spool.study_folders()).iterdir()
    shutil.rmtree(tmp_path / "data" / "spool" / "unregistered")
    spool.create()
    with pipeline.context.database.write() as session:
        session.delete(session.query(Instance).one())
    (tmp_path / "data/spool/unregistered" / f"{kept.parent.name}_{kept.stem}.dcm").hardlink_to(kept)
    made = backed_up(pipeline, tmp_path / "backups")
    assert [path.name for path in made.folder.rglob("*.dcm")] == [kept.name]
    again = restored(monkeypatch, made.folder, tmp_path / "new")
    (waits,) = again.context.spool.unregistered()
    assert waits.read_bytes() == kept.read_bytes()
    assert waits.stat().st_mtime_ns == kept.stat().st_mtime_ns, "when it was received"


def test_nothing_is_removed_while_it_is_made(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_KEEP__PIXELS_DAYS", "30")
    came = datetime.now(UTC) - timedelta(days=31)
    with pipeline.context.database.write() as session:
        session.execute(update(Study).values(state=StudyState.DELIVERED, last_instance_at=came))
        session.execute(update(Instance).values(received_at=came))
    spool = pipeline.context.spool
    retention = Retention(load_settings(), pipeline.context.database, spool)
    with nothing_removed(spool):
        with pytest.raises(BackupUnderWayError):
            retention.remove(now=datetime.now(UTC))
        assert list(compare(spool, pipeline.context.database)) == []
    assert len(retention.remove(now=datetime.now(UTC))["pixels"]) == 1  # type: ignore[index]


def test_the_next_one_copies_only_what_is_new_and_is_whole_without_the_first(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = backed_up(pipeline, tmp_path / "backups")
    file = next(path.relative_to(first.folder) for path in first.folder.rglob("*.dcm"))
    new = as_study_of_its_own(SMALL, tmp_path / "sent")
    pipeline.receive(new)
    second = backed_up(pipeline, tmp_path / "backups", at=NOW + timedelta(days=1))
    assert second.facts.files == first.facts.files + 1
    assert second.copied_bytes < second.facts.size_bytes
    assert (second.folder / file).samefile(first.folder / file)
    assert forget_but_last(tmp_path / "backups", 1) == [first.folder]
    assert not first.folder.exists()
    assert list(faults_of_backup(second.folder)) == []
    again = restored(monkeypatch, second.folder, tmp_path / "new")
    with again.context.database.read() as session:
        assert len(studies_in(session, StudyState.READY) + studies_in(session, StudyState.RECEIVING)) == 2


def test_a_file_that_changed_is_copied_again_and_the_backup_before_stays_as_it_was(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    growing = tmp_path / "data" / "audit" / "growing.log"
    growing.parent.mkdir(exist_ok=True)
    growing.write_text("one\n")
    first = backed_up(pipeline, tmp_path / "backups")
    growing.write_text("one\ntwo\n")
    second = backed_up(pipeline, tmp_path / "backups", at=NOW + timedelta(days=1))
    said_by = [(made.folder / "data/audit/growing.log").read_text() for made in (first, second)]
    assert said_by == ["one\n", "one\ntwo\n"]
    assert [*faults_of_backup(first.folder), *faults_of_backup(second.folder)] == []


def test_any_tool_can_check_it(pipeline: Pipeline, tmp_path: Path) -> None:
    made = backed_up(pipeline, tmp_path / "backups")
    check = [require_tool("sha256sum"), "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=made.folder, check=True)
    listed = (made.folder / "SHA256SUMS").read_text().splitlines()
    there = [path for path in made.folder.rglob("*") if path.is_file()]
    assert len(listed) == made.facts.files == len(there) - len(["SHA256SUMS", FACTS])


def test_one_that_was_made_and_is_whole_is_noted_and_no_other(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted() -> datetime | None:
        with pipeline.context.database.read() as session:
            return heartbeats(session).get(BACKUP)

    with pytest.raises(BackupError, match="belongs on another disk"):
        said("backup", tmp_path / "data" / "backups")
    monkeypatch.setattr(restoring, "faults_of_backup", lambda _: ["a file"])
    with pytest.raises(BackupError, match="1 files are missing"):
        said("backup", tmp_path / "backups", "--verify")
    assert noted() is None
    began = datetime.now(UTC)
    said("backup", tmp_path / "others")
    at = noted()
    assert at is not None
    assert began <= at <= datetime.now(UTC)


def test_what_is_damaged_is_named_and_not_restored(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backed_up(pipeline, tmp_path / "backups")
    file = next(made.folder.rglob("*.dcm"))
    name = str(file.relative_to(made.folder))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert list(faults_of_backup(made.folder)) == [f"{name}: changed since it was backed up"]
    at(monkeypatch, tmp_path / "new")
    with pytest.raises(BackupError, match="1 files are missing or were changed"):
        said("restore", made.folder, "--verify")
    with pytest.raises(BackupError, match="was changed since it was backed up"):
        said("restore", made.folder)
    assert not (tmp_path / "new" / "registry.sqlite3").exists()
    file.unlink()
    assert list(faults_of_backup(made.folder)) == [f"{name}: missing"]
    with (made.folder / "SHA256SUMS").open("a") as sums:
        sums.write("0" * 64 + "  ../elsewhere\n")
    with pytest.raises(BackupError, match="missing or has been changed: this backup cannot be trusted"):
        list(faults_of_backup(made.folder))


def test_a_place_where_it_does_not_belong_is_refused(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backed_up(pipeline, tmp_path / "backups")
    facts = read_facts(made.folder)
    (made.folder / FACTS).write_text(facts.model_copy(update={"schema_revision": "9999"}).model_dump_json())
    at(monkeypatch, tmp_path / "new")
    with pytest.raises(BackupError, match="at schema 9999, which this version does not know"):
        restore_backup(load_settings(), made.folder)
    (made.folder / FACTS).write_text(facts.model_dump_json())
    at(monkeypatch, tmp_path / "new", "postgresql+psycopg://echo@nowhere/echo")
    with pytest.raises(BackupError, match=r"on sqlite, database\.url names postgresql"):
        restore_backup(load_settings(), made.folder)
    with pytest.raises(BackupError, match="is no backup"):
        restore_backup(load_settings(), tmp_path)
    assert not (tmp_path / "new").exists()
    with pytest.raises(BackupError, match="in the data folder"):
        backed_up(pipeline, tmp_path / "data" / "backups")


def test_without_postgresqls_tools_it_says_what_is_needed(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, tmp_path / "data", "postgresql+psycopg://echo@nowhere/echo")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed"):
        make_backup(load_settings(), pipeline.context.database, tmp_path / "backups", now=NOW)
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".lock"], "nothing half made is left"


def test_a_spool_that_is_out_of_sight_is_no_empty_one(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "data" / "spool").rename(tmp_path / "elsewhere")
    with pytest.raises(SpoolAwayError):
        backed_up(pipeline, tmp_path / "backups")


def test_what_a_killed_one_left_is_swept_and_no_two_are_made_at_once(pipeline: Pipeline, tmp_path: Path) -> None:
    left = tmp_path / "backups" / ".20260228T001500Z.0.unfinished"
    left.mkdir(parents=True)
    with making._alone(tmp_path / "backups"), pytest.raises(BackupError, match="another backup is being made"):
        backed_up(pipeline, tmp_path / "backups")
    backed_up(pipeline, tmp_path / "backups")
    assert not left.exists()


def test_the_commands_need_an_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, tmp_path / "data")
    with pytest.raises(ConfigurationError, match="no installation at"):
        said("backup", tmp_path / "backups")
