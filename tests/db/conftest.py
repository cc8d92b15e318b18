import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from config.sections.pipeline import PipelineSettings
from config.settings import load_settings
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.session import Database
from db.tables.studies import Study
from tests.support.reported import instance_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
QUIET = timedelta(seconds=30)


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registry.sqlite3"
    server = request.getfixturevalue("postgresql_server")
    return str(server.create_database(f"registry_{uuid.uuid4().hex}"))


@pytest.fixture
def registry(registry_url: str) -> Iterator[Database]:
    database = Database(registry_url)
    database.upgrade()
    yield database
    database.close()


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineSettings:
    return load_settings(data_dir=tmp_path).pipeline


@pytest.fixture
def now() -> datetime:
    return NOW


Receive = Callable[..., ReceivedInstance]


@pytest.fixture
def received() -> Receive:
    """Makes instances as they come from the spool: a new one at each call, of study 1.2.1 unless told otherwise."""
    numbers = itertools.count(1)

    def make(study: str = "1.2.1", sop: str | None = None, at: datetime = NOW) -> ReceivedInstance:
        number = next(numbers)
        return instance_of(study, sop=sop or f"{study}.1.{number}", at=at)

    return make


@pytest.fixture
def ready_study(registry: Database, received: Receive) -> int:
    """A study that fell quiet at NOW: its number in the registry."""
    with registry.write() as session:
        register_instance(session, received(at=NOW - QUIET), QUIET)
        close_quiet_studies(session, now=NOW)
        return session.scalars(select(Study.id)).one()
