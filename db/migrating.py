"""The schema's migrations: the part of the registry that needs Alembic, which most processes never load."""

from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(connection: Connection, revision: str) -> None:
    """Bring the schema to this revision; does nothing when it is there."""
    command.upgrade(alembic_config(connection), revision)


def revisions(connection: Connection) -> tuple[str | None, str | None]:
    """The migration that the database is at, and the newest that this software brings."""
    at = MigrationContext.configure(connection).get_current_revision()
    return at, ScriptDirectory.from_config(alembic_config()).get_current_head()


def views_at(revision: str | None) -> Mapping[str, int]:
    """The views that belong to a revision, with their versions: those of the last migration up to it that names any."""
    if revision is None:
        return {}
    steps = ScriptDirectory.from_config(alembic_config()).iterate_revisions(revision, "base")
    named = (getattr(step.module, "VIEWS", None) for step in steps)
    return next((views for views in named if views is not None), {})


def alembic_config(connection: Connection | None = None) -> Config:
    """What Alembic is told: where the migrations lie, and the connection that they work on."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
