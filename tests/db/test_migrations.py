import uuid
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    Engine,
    MetaData,
    String,
    create_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import OperationalError

from db import session
from db.migrating import alembic_config
from db.session import Database
from db.tables.metadata import METADATA
from tests.support.servers import PostgreSQL

SAID = {"kind": "sr", "purpose": "forward"}
"""What a column holds that a step looks at."""
OF_VIEWS = ("ix_studies_day", "ix_studies_month", "ix_instances_day")
RENAMED = [("forward_peers", "peer_queues")]


def test_the_migrated_schema_is_the_schema_of_the_models(registry: Database, registry_url: str) -> None:
    with create_engine(registry_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, METADATA)
    # The models know no indexes by an expression that each database writes in its own way.
    assert [each for each in found if each[0] != "remove_index" or each[1].name not in OF_VIEWS] == []


def test_upgrading_twice_changes_nothing(registry: Database) -> None:
    registry.upgrade()
    at, needed = registry.schema_revisions()
    assert at == needed


def test_a_step_takes_as_long_as_a_large_table_needs_and_other_statements_do_not(
    postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql_server.create_database(f"slow_{uuid.uuid4().hex}")
    registry = Database(url)
    registry.upgrade()
    registry.close()
    monkeypatch.setitem(session._PATIENCE, "options", "-c statement_timeout=200")  # a minute, in small
    slow = "SELECT pg_sleep(0.6)"
    monkeypatch.setattr("db.migrating.migrate", lambda connection, _: connection.exec_driver_sql(slow))
    monkeypatch.setattr("db.migrating.migrate_back", lambda connection, _: connection.exec_driver_sql(slow))
    hurried = Database(url)
    hurried.upgrade()
    hurried.downgrade("0019")
    hurried.leave_no_trace()
    with hurried.read() as reading, pytest.raises(OperationalError, match="statement timeout"):
        reading.execute(text(slow))
    hurried.close()


@pytest.mark.long
def test_every_step_up_and_down_keeps_what_both_schemas_can_hold(registry_url: str, now: datetime) -> None:
    """SQLite alters a table by dropping it: what refers to its rows must not go with them."""
    engine = create_engine(registry_url)
    steps = [
        None,
        *reversed([step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()]),
    ]
    for before, after in pairwise(steps):
        there = _rows(engine)
        _migrate(engine, "upgrade", after)
        _require_kept(engine, there, at=f"{before} to {after}")
        _fill_what_is_empty(engine, now)
    for after, before in pairwise(reversed(steps)):
        there = _rows(engine)
        if after == "0007":  # the schema before has one object for each run: the Structured Report, where it stands
            _add_a_picture_beside(engine)
        _migrate(engine, "downgrade", before or "base")
        _require_kept(engine, there, at=f"{after} to {before}")
    assert _rows(engine) == {}
    engine.dispose()


def _migrate(engine: Engine, way: str, revision: str | None) -> None:
    with engine.begin() as connection:
        getattr(command, way)(alembic_config(connection), revision)


def _rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """What each table holds; of each row what is not NULL."""
    tables = set(inspect(engine).get_table_names()) - {"alembic_version"}
    with engine.connect() as connection:
        found = {
            name: connection.execute(text(f"SELECT * FROM {name}")).mappings().all()  # noqa: S608
            for name in tables
        }
    return {
        name: [{key: held for key, held in row.items() if held is not None} for row in rows]
        for name, rows in found.items()
    }


def _require_kept(engine: Engine, before: dict[str, list[dict[str, Any]]], *, at: str) -> None:
    """Every row is there still, with what it had in the columns that are; and none refers to one that is not."""
    after = _rows(engine)
    columns = {name: {column["name"] for column in inspect(engine).get_columns(name)} for name in after}
    for name in set(before) & set(after):
        for was, is_now in zip(before[name], after[name], strict=True):
            kept = {key: held for key, held in was.items() if key in columns[name]}
            assert {key: is_now.get(key) for key in kept} == kept, f"{name}, from {at}"
    for former, new in RENAMED:
        was, is_now = (held.get(former, held.get(new)) for held in (before, after))
        assert was is None or is_now is None or len(was) == len(is_now), f"{former}, from {at}"
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == [], at


def _fill_what_is_empty(engine: Engine, now: datetime) -> None:
    """One row in every table that has none, and something in every column that holds nothing."""
    tables = MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            values = {column.name: some_value(column, now) for column in table.columns}
            if connection.scalar(select(func.count()).select_from(table)) == 0:
                connection.execute(table.insert().values(values))
            for name, value in values.items():
                connection.execute(table.update().where(table.c[name].is_(None)).values({name: value}))


def _add_a_picture_beside(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO reports (id, study_id, run_id, kind, sop_instance_uid, sop_class_uid, spool_path, sha256, "
                "created_at) SELECT 2, study_id, run_id, 'heat-map', '2', '1', '1', '1', created_at FROM reports"
            )
        )
        connection.execute(
            text("INSERT INTO deliveries (id, report_id, destination, state, attempts) VALUES (2, 2, 'PACS', 'DUE', 0)")
        )


def some_value(column: Column[Any], now: datetime) -> object:
    """Whatever fits; 1 where it refers to another row, since each table has one."""
    if column.name in SAID:
        return SAID[column.name]
    if isinstance(column.type, JSON):
        return []
    if isinstance(column.type, DateTime):
        return now
    if isinstance(column.type, Date):
        return now.date()
    return "1" if isinstance(column.type, String) else 1


def test_downgrading_leaves_no_table_of_ours(registry: Database, registry_url: str) -> None:
    engine = create_engine(registry_url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()


def test_phi_is_in_one_table_alone() -> None:
    phi = {"patient_id", "patient_name", "birth_date", "accession_number", "study_date"}
    tables = {table.name for table in METADATA.tables.values() if phi & set(table.columns.keys())}
    assert tables == {"patient_identities"}
