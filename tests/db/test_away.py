"""A registry that is out of reach and one without its tables are told apart, on both databases: what to do differs."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from config.logs import Event
from db.away import event_of
from db.reading.queries import list_callers
from db.session import Database


@pytest.mark.parametrize(
    "sql", ["SELECT 1 FROM nowhere", "SELECT lacking FROM studies", "INSERT INTO nowhere VALUES (1)"]
)
def test_a_table_or_column_that_is_not_there_is_for_an_upgrade(registry: Database, sql: str) -> None:
    with pytest.raises(DBAPIError) as raised, registry.write() as session:
        session.execute(text(sql))
    assert event_of(raised.value) is Event.REGISTRY_LACKS_TABLES


def test_so_is_an_empty_database(registry_url: str) -> None:
    with pytest.raises(DBAPIError) as raised, Database(registry_url).read() as session:
        list_callers(session)
    assert event_of(raised.value) is Event.REGISTRY_LACKS_TABLES


def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    for url in ("postgresql+psycopg://nobody@127.0.0.1:1/none", f"sqlite:///{tmp_path}/not/there.sqlite3"):
        with pytest.raises(DBAPIError) as raised, Database(url).read() as session:
            session.execute(text("SELECT 1"))
        assert event_of(raised.value) is Event.REGISTRY_AWAY
