"""The same report as Comprehensive SR: valid, with the same content, and always the same object."""

import subprocess
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, UltrasoundMultiFrameImageStorage
from pynetdicom import AE, evt

from dicom_node.calling import Peer
from dicom_node.report.checking.check import check_file
from dicom_node.report.comprehensive import OTHER_CLASSES, as_comprehensive, comprehensive_uid
from dicom_node.send import send_files
from tests.support.scps import serving
from tests.support.structured_reports import our_report
from tests.support.tools import require_tool

OWN_UIDS = {"SOPClassUID", "SOPInstanceUID"}


@pytest.fixture(scope="module")
def report() -> Dataset:
    return our_report()


def written(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_it_is_another_object_of_the_same_content_and_always_the_same(report: Dataset) -> None:
    before = report.to_json()
    first, second = as_comprehensive(report), as_comprehensive(report)
    assert report.to_json() == before
    assert first == second
    assert (first.SOPClassUID, first.SOPInstanceUID) == (
        ComprehensiveSRStorage,
        comprehensive_uid(report.SOPInstanceUID),
    )
    assert first.SOPInstanceUID != report.SOPInstanceUID
    differ = {element.keyword for element in report if first[element.tag] != element}
    assert (differ, len(first)) == (OWN_UIDS, len(report))


def test_validators_find_nothing(report: Dataset, tmp_path: Path) -> None:
    file = written(as_comprehensive(report), tmp_path / "sr.dcm")
    said = subprocess.run([require_tool("dciodvfy"), "-new", file], capture_output=True, text=True, check=True)
    assert not [line for line in said.stderr.splitlines() if line.startswith("Error")]
    subprocess.run([require_tool("dsrdump"), file], capture_output=True, check=True)
    assert check_file(file).findings == ()


def test_what_it_supersedes_is_named_as_the_pacs_has_it(report: Dataset) -> None:
    reference, other = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = Comprehensive3DSRStorage, "2.25.7"
    other.ReferencedSOPClassUID, other.ReferencedSOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.3"
    series, study, changed = Dataset(), Dataset(), Dataset()
    series.ReferencedSOPSequence = [reference, other]
    study.ReferencedSeriesSequence = [series]
    changed.update(report)
    changed.PredecessorDocumentsSequence = [study]
    named = as_comprehensive(changed).PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert [(item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in named] == [
        (ComprehensiveSRStorage, comprehensive_uid("2.25.7")),
        (UltrasoundMultiFrameImageStorage, "1.2.3"),
    ]


@pytest.mark.parametrize(
    ("taken", "arrives"),
    [
        ([Comprehensive3DSRStorage, ComprehensiveSRStorage], Comprehensive3DSRStorage),
        ([ComprehensiveSRStorage], ComprehensiveSRStorage),
    ],
)
def test_it_goes_where_the_peer_takes_no_other(report: Dataset, tmp_path: Path, taken: list[str], arrives: str) -> None:
    got: list[Dataset] = []

    def keep(event: evt.Event) -> int:
        got.append(pydicom.dcmread(BytesIO(event.encoded_dataset())))
        return 0x0000

    ae = AE(ae_title="SCP")
    for sop_class in taken:
        ae.add_supported_context(sop_class)
    file = written(report, tmp_path / "own.dcm")
    with serving(ae, [(evt.EVT_C_STORE, keep)]) as port:
        peer = Peer(host="127.0.0.1", port=port, ae_title="SCP", calling_ae_title="US")
        (answer,) = send_files([file], peer, other_classes=OTHER_CLASSES)
    own = report.SOPInstanceUID
    assert answer.accepted
    assert (answer.sop_instance_uid, answer.sent_as) == (
        own,
        "" if arrives == Comprehensive3DSRStorage else comprehensive_uid(own),
    )
    assert got == [report if arrives == Comprehensive3DSRStorage else as_comprehensive(report)]
