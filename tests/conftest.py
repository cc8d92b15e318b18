"""Fixtures of all tests: a clean environment, and real servers, started once when the first test asks for them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import servers

# Our own client's refused connections, while a node starts and stops, are what some tests wait for.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Before anything loads torch, here and in the processes that tests start: its threads wait for each other by spinning,
# and where several tests share the cores that takes most of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _no_settings_of_this_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.PostgreSQL]:
    with servers.postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Redis]:
    with servers.redis_server(tmp_path_factory.mktemp("redis")) as server:
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
