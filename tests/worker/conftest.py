"""One UNTRAINED pack for all tests of the worker; making it is fast, loading torch is not."""

import socket
from pathlib import Path

import pytest

from worker.echoclip.towers import Towers
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.folder import ModelPack, load_pack


@pytest.fixture(scope="session")
def untrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_untrained_pack(tmp_path_factory.mktemp("packs") / "untrained")


@pytest.fixture(scope="session")
def untrained_pack(untrained_folder: Path) -> ModelPack:
    return load_pack(untrained_folder)


@pytest.fixture(scope="session")
def towers(untrained_pack: ModelPack) -> Towers:
    return Towers(untrained_pack, device="cpu", precision="float32")


@pytest.fixture
def nobody() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
