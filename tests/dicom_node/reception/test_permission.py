"""What an association was negotiated for is all that it may bring."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import Verification

from config.settings import load_settings
from dicom_node.reception.receiver import Receiver
from tests.support.clips import data_set_of
from tests.support.receivers import small_clips
from tests.support.waiting import wait_until

SITE = """
[node]
unknown_peers = "refuse"
port = 0
receive_path = "{path}"
[[peers]]
name = "stills"
ae_title = "STILLS"
roles = ["sender"]
sop_classes = ["UltrasoundImageStorage"]
[[peers]]
name = "pacs"
ae_title = "PACS"
roles = ["destination"]
host = "127.0.0.1"
storage_commitment = true
"""


@pytest.fixture(params=["fast", "stock"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    (tmp_path / "site.toml").write_text(SITE.format(path=request.param))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(tmp_path / "site.toml"))
    running = Receiver(load_settings(data_dir=tmp_path / "data"))
    running.start()
    yield running
    running.stop()


def associate(receiver: Receiver, calling: str, abstract_syntax: str) -> Association:
    ae = AE(ae_title=calling)
    ae.add_requested_context(abstract_syntax, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", receiver.port)
    assert association.is_established
    return association


def status_of_store(association: Association, file: Path, sop_class: str) -> int | None:
    """C-STORE on the association's only context, whatever that was accepted for."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID
    request.DataSet = BytesIO(data_set_of(file))
    association._reactor_checkpoint.clear()
    wait_until(lambda: association._is_paused, 5, "the reactor to pause")
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    association.dimse_timeout = 5
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.abort()
    return None if response is None else int(response.Status)


def kept(tmp_path: Path) -> list[Path]:
    spool = tmp_path / "data/spool"
    return [path for folder in ("studies", "quarantine", "incoming") for path in (spool / folder).rglob("*.dcm")]


@pytest.mark.parametrize("sop_class", [UltrasoundMultiFrameImageStorage, CTImageStorage])
def test_a_class_that_was_not_negotiated_is_refused_and_not_kept(
    receiver: Receiver, tmp_path: Path, sop_class: str
) -> None:
    (file,) = small_clips(tmp_path / "sent", 1)
    association = associate(receiver, "STILLS", UltrasoundImageStorage)
    assert status_of_store(association, file, sop_class) == 0x0122
    assert kept(tmp_path) == []


def test_a_peer_that_is_no_sender_stores_nothing(receiver: Receiver, tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path / "sent", 1)
    association = associate(receiver, "PACS", Verification)
    assert status_of_store(association, file, UltrasoundMultiFrameImageStorage) in (0x0124, 0x0122)
    assert kept(tmp_path) == []
