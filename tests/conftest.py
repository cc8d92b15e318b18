"""Fixtures of all tests: a clean environment, and real servers, started once when the first test asks for them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support import rabbitmq as rabbitmq_server
from tests.support import servers

# Our own client's refused connections, while a node starts and stops, are what some tests wait for.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Before anything loads torch, here and in the processes that tests start: its threads wait for each other by spinning,
# and where several tests share the cores that takes most of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from tests.support.buckets import BucketServer


@pytest.fixture(autouse=True)
def _no_settings_of_this_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
        monkeypatch.delenv(name)
    # Systems that tests start side by side would all want the same port.
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PORT", "0")


@pytest.fixture(scope="session")
def untrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One UNTRAINED pack for all tests; making it is fast, loading torch is not."""
    from worker.echoclip.untrained import make_untrained_pack  # noqa: PLC0415  not for tests that need no torch

    return make_untrained_pack(tmp_path_factory.mktemp("packs") / "untrained")


@pytest.fixture
def scored_by_untrained(untrained_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test says nothing else, the UNTRAINED model scores, and answers whatever it is shown; the DEMO model
    knows a heart when it sees one, and most real clips of the tests show none that it knows.
    """
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(untrained_folder))


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.PostgreSQL]:
    with servers.postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["BucketServer"]:
    from tests.support.buckets import bucket_server  # noqa: PLC0415  moto takes a second to load

    with bucket_server(tmp_path_factory.mktemp("bucket")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Redis]:
    with servers.redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbitmq_server.RabbitMQ]:
    with rabbitmq_server.rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Orthanc]:
    with servers.orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[servers.StoreSCP]:
    folder = tmp_path / "storescp"
    folder.mkdir()
    with servers.storescp(folder) as server:
        yield server
