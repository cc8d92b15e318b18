"""Why nothing can be done with the registry: it is out of reach, or has not the tables of this version."""

from typing import Unpack

from sqlalchemy.exc import DBAPIError

from config.logs import Event, EventFields, emit, place_of

_NO_SUCH_TABLE_OR_COLUMN = ("42P01", "42703")
"""SQLSTATE of PostgreSQL (its manual, appendix A): undefined_table, undefined_column."""
_IN_WORDS_OF_SQLITE = ("no such table", "no such column", "has no column named")
"""It has one code for all mistakes in SQL."""


def lacks_tables(error: BaseException) -> bool:
    """Whether the database answered, and does not know a table or column: its schema is missing, or an older one."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _NO_SUCH_TABLE_OR_COLUMN
    return any(words in str(error.orig) for words in _IN_WORDS_OF_SQLITE)


def event_of(error: BaseException) -> Event:
    """What is logged of an error of the registry: what is to be done differs."""
    return Event.REGISTRY_LACKS_TABLES if lacks_tables(error) else Event.REGISTRY_AWAY


def say_away(error: BaseException, /, **fields: Unpack[EventFields]) -> None:
    """Log that the registry cannot be used, and for which of both reasons; what was to be done waits."""
    fields["error"] = place_of(error)
    emit(event_of(error), **fields)
