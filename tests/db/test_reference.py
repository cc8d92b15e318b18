"""docs/database.md is what the models say, and the queries of the page beside it work on both databases."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from db.reference import column_meanings, database_reference
from db.session import Database
from db.tables.base import Base
from db.tables.metadata import METADATA

DOCS = Path(__file__).parents[2] / "docs"
QUERIES = re.findall(r"```sql\n(.*?)```", (DOCS / "reading-the-database.md").read_text(), re.DOTALL)


def test_every_query_of_the_documentation_runs(registry: Database) -> None:
    assert len(QUERIES) > 10
    with registry.read() as session:
        assert [query for query in QUERIES if _rows(session, query)] == []


def _rows(session: Session, query: str) -> int:
    return len(session.execute(text(query)).all())


def test_the_reference_is_what_the_models_say() -> None:
    said = "run: echoworker db docs > docs/database.md"
    assert (DOCS / "database.md").read_text() == database_reference(), said


@pytest.mark.parametrize(
    "model", sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__name__)
)
def test_every_column_is_explained_but_numbers_of_rows(model: type[Base]) -> None:
    columns = METADATA.tables[model.__tablename__].columns
    silent = {column.name for column in columns if not column.foreign_keys} - {"id"} - set(column_meanings(model))
    assert silent == set()
