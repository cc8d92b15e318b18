"""A PACS that takes no JPEG gets the same heat map with plain samples, and the same bytes each time."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from config.catalogue import load_catalogue
from config.errors import NoPresentationContextError
from config.sections.dicomweb import DicomWebSettings
from config.settings import load_settings
from db.results.runs import TaskResult, Verdict
from dicom_node.calling import Peer
from dicom_node.report.companions import file_of
from dicom_node.report.heat_map import DECOMPRESSING, TRANSFER_SYNTAX, HeatMapFrames, build_heat_map
from dicom_node.send import Decompressing, send_files
from dicom_node.stow import stow_files
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.results import INSTANCE, run_of
from tests.support.servers import Orthanc, StoreSCP, storescp
from tests.support.tools import said_by


@pytest.fixture
def heat_map(tmp_path: Path) -> Path:
    """As it lies in the spool."""
    rows, columns = np.mgrid[0:48, 0:64]
    frames = [np.stack([rows * 4, columns * 3, rows + columns + 20 * number], axis=-1) for number in range(3)]
    run = run_of(load_catalogue(), (TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53),))
    shown = HeatMapFrames(
        pictures=np.stack(frames).astype(np.uint8), times_ms=(0.0, 50.0, 100.0),
        sop_instance_uid=str(INSTANCE.SOPInstanceUID), frame_numbers=(1, 3, 5), said="Ejection fraction: 54.5 %",
    )  # fmt: skip
    made = build_heat_map(run, [INSTANCE], shown)
    made.PatientName = "Doe^Jane"  # dciodvfy warns of a name without ^, as the clip has it
    file = tmp_path / "heat.dcm"
    file.write_bytes(file_of(made, TRANSFER_SYNTAX))
    return file


def sent_to(pacs: StoreSCP, *files: Path) -> Path:
    """What lies at the PACS behind it."""
    peer = Peer(host="127.0.0.1", port=pacs.port, ae_title=pacs.ae_title, calling_ae_title="US")
    assert [str(answer) for answer in send_files(files, peer, decompressing=DECOMPRESSING)] == ["0x0000"] * len(files)
    (received,) = pacs.folder.iterdir()
    return received


@pytest.mark.parametrize(
    ("options", "arrives"),
    [
        (["--prefer-uncompr", "--bit-preserving"], ExplicitVRLittleEndian),
        (["--implicit", "--bit-preserving"], ImplicitVRLittleEndian),
        (["+xa", "--bit-preserving"], JPEGBaseline8Bit),
    ],
)
def test_it_goes_as_the_peer_takes_it_in_the_same_bytes_each_time(
    heat_map: Path, tmp_path: Path, options: list[str], arrives: UID
) -> None:
    with storescp(tmp_path, options=options) as pacs:
        received = sent_to(pacs, heat_map)
        once = received.read_bytes()
        assert sent_to(pacs, heat_map).read_bytes() == once
    own, held = pydicom.dcmread(heat_map), pydicom.dcmread(received)
    assert held.file_meta.TransferSyntaxUID == arrives
    assert held.SOPInstanceUID == own.SOPInstanceUID
    if arrives == JPEGBaseline8Bit:
        assert held == own
        return
    judged = said_by("dciodvfy", "-new", received)
    assert len(judged.splitlines()) == 1, judged  # the name of the IOD, and no error or warning
    changed = ("PhotometricInterpretation", "PixelData")
    assert _without(held, changed) == _without(own, changed)
    assert (held.LossyImageCompression, held.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert held.PhotometricInterpretation == "RGB"
    by_another_decoder = own.pixel_array.astype(int)
    assert np.abs(held.pixel_array.astype(int) - by_another_decoder).max() <= 2


def _without(dataset: Dataset, keywords: tuple[str, ...]) -> Dataset:
    return Dataset({element.tag: element for element in dataset if element.keyword not in keywords})


def test_what_is_not_ours_is_never_decompressed(tmp_path: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path / "clips")
    with storescp(tmp_path) as pacs:
        peer = Peer(host="127.0.0.1", port=pacs.port, ae_title=pacs.ae_title, calling_ae_title="US")
        with pytest.raises(NoPresentationContextError):
            list(send_files([clip], peer, decompressing=DECOMPRESSING))


@pytest.mark.parametrize(
    ("decompressing", "arrives"), [({}, JPEGBaseline8Bit), (DECOMPRESSING, ExplicitVRLittleEndian)]
)
def test_a_dicomweb_server_that_takes_no_jpeg_gets_plain_samples_in_the_same_bytes_each_time(
    heat_map: Path, tmp_path: Path, orthanc: Orthanc, decompressing: Decompressing, arrives: UID
) -> None:
    server = DicomWebSettings(name="vna", url=orthanc.dicomweb)
    settings = load_settings(data_dir=tmp_path / "data")
    own = pydicom.dcmread(heat_map)
    held = []
    for _ in range(2):
        (answer,) = stow_files([heat_map], server, settings.tls, decompressing=decompressing)
        assert (answer.accepted, answer.sop_instance_uid) == (True, own.SOPInstanceUID)
        held += orthanc.instance_files(own.SOPInstanceUID)
        orthanc.forget(own.StudyInstanceUID)
    once, again = held
    assert once == again
    there = pydicom.dcmread(BytesIO(once))
    assert (there.file_meta.TransferSyntaxUID, there.SOPInstanceUID) == (arrives, own.SOPInstanceUID)
    assert np.abs(there.pixel_array.astype(int) - own.pixel_array.astype(int)).max() <= 2
