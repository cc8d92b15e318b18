"""The UNTRAINED pack and its towers, for all tests of the worker."""

import socket
from pathlib import Path

import pytest

from worker.echoclip.towers import Towers
from worker.packs.folder import ModelPack, load_pack


@pytest.fixture(autouse=True)
def _scored_by_untrained(scored_by_untrained: None) -> None:
    """Where a test says nothing else."""


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
