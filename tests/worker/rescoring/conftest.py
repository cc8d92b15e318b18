import uuid
from pathlib import Path

import pytest

from tests.support.scored_archive import ScoredArchive


@pytest.fixture(autouse=True)
def _scored_by_untrained() -> None:
    """No pack is loaded here: an archive has a model of its own."""


@pytest.fixture
def archive(tmp_path: Path) -> ScoredArchive:
    return ScoredArchive(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def archive_on_either(request: pytest.FixtureRequest, tmp_path: Path) -> ScoredArchive:
    """Its registry is in SQLite, and in PostgreSQL, where results are written by COPY."""
    if request.param == "sqlite":
        return ScoredArchive(tmp_path)
    server = request.getfixturevalue("postgresql_server")
    return ScoredArchive(tmp_path, database_url=str(server.create_database(f"rescoring_{uuid.uuid4().hex}")))
