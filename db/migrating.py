"""The schema's migrations: the part of the registry that needs Alembic, which most processes never load."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from config.errors import ConfigurationError, RegistryError

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(connection: Connection, revision: str) -> None:
    """Bring the schema to this revision; does nothing when it is there.

    Raises
    ------
    ConfigurationError
        It is that of a later version.
    """
    at, _ = revisions(connection)
    if at is not None and not is_known(at):
        raise ConfigurationError(f"the registry's schema is at {at}: {what_brings_it_here(at)}")
    command.upgrade(alembic_config(connection), revision)


def migrate_back(connection: Connection, revision: str) -> None:
    """Bring the schema back to this earlier revision.

    Raises
    ------
    RegistryError
        It is none that lies behind.
    """
    at, _ = revisions(connection)
    behind = [] if at is None else [step.revision for step in _steps(at, "base")][1:]
    if revision not in behind:
        known = ", ".join(behind[:5]) or "none"
        raise RegistryError(f"schema {revision}: not behind {at}, where the registry is; behind it are {known}")
    command.downgrade(alembic_config(connection), revision)


def is_known(revision: str) -> bool:
    """Whether this software brings that migration: a later version's registry is beyond it."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    return head is not None and revision in {step.revision for step in _steps(head, "base")}


def what_brings_it_here(at: str | None) -> str:
    """What is to be done with a registry at this revision, which is not the newest that this software brings."""
    if at is None or is_known(at):
        return "run echoworker db upgrade"
    return (
        "it is of a later version than this one: install that version, or have it bring the registry back first "
        "(echoworker db downgrade)"
    )


def revisions(connection: Connection) -> tuple[str | None, str | None]:
    """The migration that the database is at, and the newest that this software brings."""
    at = MigrationContext.configure(connection).get_current_revision()
    return at, ScriptDirectory.from_config(alembic_config()).get_current_head()


def views_at(revision: str | None) -> Mapping[str, int]:
    """The views that belong to a revision, with their versions: those of the last migration up to it that names any."""
    if revision is None:
        return {}
    named = (getattr(step.module, "VIEWS", None) for step in _steps(revision, "base"))
    return next((views for views in named if views is not None), {})


def alembic_config(connection: Connection | None = None) -> Config:
    """What Alembic is told: where the migrations lie, and the connection that they work on."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _steps(upper: str, lower: str) -> Iterator[Script]:
    return ScriptDirectory.from_config(alembic_config()).iterate_revisions(upper, lower)
