"""Inserting what another process may be inserting too."""

from sqlalchemy import Insert, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.tables.base import Base


def insert_if_new(session: Session, table: type[Base], row: dict[str, object]) -> bool:
    """Insert a row unless one with its unique keys is there; whether it was new."""
    statement: Insert = insert(table)
    if session.get_bind().dialect.name == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing()
    else:
        statement = postgresql.insert(table).on_conflict_do_nothing()
    # What was inserted comes back, and nothing after a conflict; the row count of such a statement is not reliable.
    returning = statement.values(row).returning(*table.__table__.primary_key)
    return session.connection().execute(returning).first() is not None
