"""The queries that docs/database.md shows work on both databases."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from db.all_tables import METADATA
from db.session import Database

PAGE = (Path(__file__).parents[2] / "docs" / "database.md").read_text()


@pytest.mark.parametrize(
    "query",
    re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL),
    ids=["left-out", "fractions", "grades", "embedded", "durations", "precision"],
)
def test_a_query_of_the_documentation_runs(registry: Database, query: str) -> None:
    with registry.read() as session:
        assert session.execute(text(query)).all() == []


def test_every_table_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert described == set(METADATA.tables)
