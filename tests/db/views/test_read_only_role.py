"""The role of dashboards, on a real server."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, make_url

from config.errors import ConfigurationError
from db.migrating import alembic_config, views_at
from db.session import Database
from db.views.read_only_role import REPORT_TEXT, read_only_role_sql
from tests.support import lab
from tests.support.servers import PostgreSQL

PHI_TABLES = {"patient_identities", "received_report_keys"}
SECRET_TABLES = {"accounts", "sign_ins"}
Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def url(postgresql_server: PostgreSQL) -> str:
    """Of a registry with rows; the role of this name is made in it, twice: after an upgrade it is made again."""
    url = postgresql_server.create_database(f"role_{uuid.uuid4().hex}")
    database = Database(url)
    database.upgrade()
    with database.write() as session:
        lab.fill(session)
    database.close()
    with _connect(url) as owner:
        for _ in range(2):
            owner.execute(read_only_role_sql("lab_reader"))
    return url


@pytest.fixture
def reader(url: str) -> Iterator[Connection]:
    with _connect(url, user="lab_reader") as connection:
        yield connection


def _connect(url: str, *, user: str = "postgres") -> Connection:
    at = make_url(url)
    return psycopg.connect(host=at.host, port=at.port, dbname=at.database, user=user, autocommit=True)


def test_it_reads_every_view_and_every_table_without_phi(reader: Connection, url: str) -> None:
    engine = create_engine(url)
    tables = set(inspect(engine).get_table_names()) - PHI_TABLES - SECRET_TABLES - {"alembic_version"}
    engine.dispose()
    for name in (tables | set(views_at("head"))) - REPORT_TEXT.keys():
        reader.execute(f"SELECT * FROM {name}")  # noqa: S608
    assert reader.execute("SELECT count(*) FROM v_current_results").fetchone() == (14,)


@pytest.mark.parametrize("table", sorted(PHI_TABLES | SECRET_TABLES))
def test_it_reads_no_phi_and_no_password_hash(reader: Connection, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(f"SELECT count(*) FROM {table}")  # noqa: S608


def test_it_counts_discordances_and_does_not_read_what_reports_say(reader: Connection) -> None:
    for allowed in (
        "rule, severity, state, is_open, model_label, found_at FROM v_discordances",
        "rule, state, field FROM discordances",
        "since, kind, severity, about, study_instance_uid FROM v_worklist",
    ):
        reader.execute(f"SELECT {allowed}")
    for forbidden in (
        "first_said FROM v_discordances",
        "second_said FROM v_discordances",
        "review_reason FROM v_discordances",
        "sides FROM discordances",
        "review_reason FROM discordances",
        "reason FROM v_worklist",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(f"SELECT {forbidden}")


def test_the_sql_names_neither_accounts_nor_their_sign_ins() -> None:
    assert not [name for name in SECRET_TABLES if name in read_only_role_sql("lab_reader")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE studies SET state = 'FAILED'",
        "DELETE FROM journal",
        "INSERT INTO due_checks SELECT id, created_at FROM studies",
        "TRUNCATE callers",
        "DROP VIEW v_states",
        "CREATE TABLE mine (n int)",
    ],
)
def test_it_writes_nothing_even_where_it_asks_for_a_writing_transaction(reader: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute(statement)
    reader.execute("SET default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement)


def test_it_can_read_the_views_still_after_the_schema_was_changed(reader: Connection, url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0009")
    engine.dispose()
    with pytest.raises(psycopg.errors.UndefinedTable):
        reader.execute("SELECT * FROM v_states")
    Database(url).upgrade()
    with _connect(url) as owner:
        owner.execute(read_only_role_sql("lab_reader"))
    assert reader.execute("SELECT count(*) FROM v_states").fetchone() == (3,)


@pytest.mark.parametrize("name", ["", "Reader", 'r"; DROP TABLE studies', "1st", "r" * 64])
def test_a_name_that_would_need_quotes_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="plain name"):
        read_only_role_sql(name)
