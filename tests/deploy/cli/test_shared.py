"""Root types a command where the service is another user: what it wrote there, the service could not use."""

import os
import pwd
import socket
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from deploy.cli.shared import start, who

SERVICE = 65534


@pytest.fixture
def of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that is not root's, and root at the keyboard."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(folder))
    if os.geteuid() == 0:
        os.chown(folder, SERVICE, SERVICE)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def test_root_is_told_whose_the_data_folder_is_before_anything_is_written(of_the_service: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"could not read what root writes there.*runuser -u \w+ -- "):
        start("backup")
    assert not list(of_the_service.iterdir())


def test_what_leaves_the_data_folder_alone_is_for_root_too(of_the_service: Path) -> None:
    assert start("certificates", by_anybody=True).data_dir == of_the_service


def test_whose_own_it_is_may_be_root_and_so_may_be_whoever_makes_it(
    of_the_service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "new"))
    assert start("up").data_dir == tmp_path / "new"
    monkeypatch.setattr(os, "geteuid", lambda: SERVICE)
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(of_the_service))
    assert start("backup").data_dir == of_the_service


def test_a_number_without_a_name_is_named_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster may run a container as whatever number it likes: a queue can be paused there all the same."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)

    def nobody(_: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert who() == f"{os.geteuid()}@{socket.gethostname()}"
