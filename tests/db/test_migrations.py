from datetime import datetime
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Column, DateTime, MetaData, String, create_engine, inspect, text

from db.all_tables import METADATA
from db.migrating import alembic_config
from db.session import Database


def test_the_migrated_schema_is_the_schema_of_the_models(registry: Database, registry_url: str) -> None:
    with create_engine(registry_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_upgrading_twice_changes_nothing(registry: Database) -> None:
    registry.upgrade()
    at, needed = registry.schema_revisions()
    assert at == needed


def test_upgrading_keeps_every_row(registry_url: str, now: datetime) -> None:
    """SQLite alters a table by dropping it: what refers to its rows must not go with them."""
    registry, engine = Database(registry_url), create_engine(registry_url)
    registry.upgrade("0001")
    tables = MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                connection.execute(table.insert().values({c.name: some_value(c, now) for c in table.columns}))
    registry.upgrade()
    with engine.connect() as connection:
        kept = {t: connection.scalar(text(f"SELECT count(*) FROM {t}")) for t in tables.tables}  # noqa: S608
        if engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    assert set(kept.values()) == {1}
    engine.dispose()


def some_value(column: Column[Any], now: datetime) -> object:
    """Whatever fits; 1 where it refers to another row, since each table has one."""
    if isinstance(column.type, JSON):
        return []
    if isinstance(column.type, DateTime):
        return now
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
