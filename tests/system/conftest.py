import uuid
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.servers import Orthanc


@pytest.fixture(autouse=True)
def _scored_by_untrained(scored_by_untrained: None) -> None:
    """Where a test says nothing else."""


@pytest.fixture(params=["embedded", "servers"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, orthanc: Orthanc) -> Installation:
    """The same product: on SQLite and files, and on PostgreSQL and Redis."""
    if request.param == "embedded":
        return Installation(tmp_path, orthanc)
    postgresql, redis = request.getfixturevalue("postgresql_server"), request.getfixturevalue("redis_server")
    redis.flush()
    return Installation(
        tmp_path,
        orthanc,
        database_url=postgresql.create_database(f"system_{uuid.uuid4().hex}"),
        broker_url=redis.url(),
    )


@pytest.fixture
def embedded(tmp_path: Path, orthanc: Orthanc) -> Installation:
    return Installation(tmp_path, orthanc)
