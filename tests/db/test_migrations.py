from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from db.migrating import alembic_config
from db.schema import Study
from db.session import Database


def test_the_migrated_schema_is_the_schema_of_the_models(registry: Database, registry_url: str) -> None:
    with create_engine(registry_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Study.metadata) == []


def test_upgrading_twice_changes_nothing(registry: Database) -> None:
    registry.upgrade()
    at, needed = registry.schema_revisions()
    assert at == needed


def test_downgrading_leaves_no_table_of_ours(registry: Database, registry_url: str) -> None:
    engine = create_engine(registry_url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()


def test_phi_is_in_one_table_alone() -> None:
    phi = {"patient_id", "patient_name", "birth_date", "accession_number", "study_date"}
    tables = {table.name for table in Study.metadata.tables.values() if phi & set(table.columns.keys())}
    assert tables == {"patient_identities"}
