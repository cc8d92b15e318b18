"""What `echoworker doctor` says of the receivers of messages."""

from pathlib import Path

import pytest

from config.errors import EchoWorkerError
from config.sections.messages import MessageSettings
from config.settings import Settings, load_settings
from deploy.doctor.messages import can_be_reached
from tests.support.message_servers import acknowledge, mllp_server
from tests.support.servers import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path)


def receiver(**changes: str) -> MessageSettings:
    return MessageSettings.model_validate({"name": "ris", "kind": "hl7", **changes})


def test_a_folder_that_is_there_and_a_server_that_listens_are_well(settings: Settings, tmp_path: Path) -> None:
    assert can_be_reached(receiver(folder=str(tmp_path)))(settings) == f"hl7 to folder {tmp_path}"
    with mllp_server([acknowledge("AA")]) as server:
        said = can_be_reached(receiver(url=f"mllp://127.0.0.1:{server.port}"))(settings)
    assert said == f"hl7 to 127.0.0.1:{server.port}, which takes connections"
    assert server.messages == []


def test_a_folder_that_is_not_there_and_a_server_that_is_away_are_faults(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(EchoWorkerError, match="is not there: make it, or mount it"):
        can_be_reached(receiver(folder=str(tmp_path / "share")))(settings)
    with pytest.raises(EchoWorkerError, match="takes no connection"):
        can_be_reached(receiver(url=f"mllp://127.0.0.1:{free_port()}"))(settings)
