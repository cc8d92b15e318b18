"""An instance that comes again in another encoding is the same one; one whose content differs is not."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from dicom_node.header import read_header
from dicom_node.same_instance import LARGEST_IN_MEMORY, is_same_instance
from dicom_node.spool import Kept, Spool
from tests.support.clips import made_clip, region
from tests.support.tools import require_tool

ENCODINGS = {"+ti": "implicit", "+te": "explicit", "+tb": "big endian"}


@pytest.fixture(params=[np.uint8, np.uint16], ids=["8 bits", "16 bits"])
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """More pixels than are compared at once; text, sequences, private elements of several kinds."""
    pixels = np.random.default_rng(1).integers(0, 256, (30, 200, 201), request.param)
    file = made_clip(
        tmp_path / "clip.dcm",
        pixels,
        "MONOCHROME2",
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Dö^Jane",
        SequenceOfUltrasoundRegions=[region(0, 0, 3, 3), region(1, 1, 5, 5)],
    )
    dataset = pydicom.dcmread(file)
    private = dataset.private_block(0x1311, "VENDOR", create=True)
    private.add_new(1, "LO", "text")
    private.add_new(2, "UL", 5)
    private.add_new(3, "SQ", [region(0, 0, 7, 7)])
    dataset.DataSetTrailingPadding = b"\0" * 8
    dataset.save_as(file)
    return file


def converted(file: Path, *options: str) -> Path:
    copy = file.with_name("".join(options) + ".dcm")
    subprocess.run([require_tool("dcmconv"), *options, str(file), str(copy)], check=True, capture_output=True)
    return copy


@pytest.mark.parametrize("lengths", ["+e", "-e"], ids=["explicit lengths", "undefined lengths"])
@pytest.mark.parametrize("groups", ["+g", "-g"], ids=["group lengths", "no group lengths"])
@pytest.mark.parametrize("syntax", ENCODINGS, ids=lambda option: ENCODINGS[option])
def test_the_same_elements_are_the_same_instance_however_they_are_encoded(
    clip: Path, syntax: str, lengths: str, groups: str
) -> None:
    copy = converted(clip, syntax, lengths, groups)
    assert is_same_instance(clip, copy)
    assert is_same_instance(copy, clip)


def other_pixel(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-1] + bytes([dataset.PixelData[-1] ^ 1])


def other_item(dataset: Dataset) -> None:
    dataset.SequenceOfUltrasoundRegions[1].RegionDataType = 2


def other_private_item(dataset: Dataset) -> None:
    dataset[0x1311, 0x1003].value[0].RegionDataType = 2


def other_ending(dataset: Dataset) -> None:
    dataset.DataSetTrailingPadding = b"\0" * 6


def one_more(dataset: Dataset) -> None:
    dataset.PatientComments = "x"


def one_less(dataset: Dataset) -> None:
    del dataset.PatientName


CHANGES = [other_pixel, other_item, other_private_item, other_ending, one_more, one_less]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_difference_in_content_is_seen_across_encodings(clip: Path, change: Callable[[Dataset], None]) -> None:
    dataset = pydicom.dcmread(clip)
    change(dataset)
    dataset.save_as(clip.with_name("changed.dcm"))
    for syntax in ENCODINGS:
        assert not is_same_instance(clip, converted(clip.with_name("changed.dcm"), syntax))


def test_a_compressed_copy_is_another(clip: Path) -> None:
    dataset = pydicom.dcmread(clip)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(clip.with_name("compressed.dcm"))
    assert not is_same_instance(clip, clip.with_name("compressed.dcm"))


def test_a_header_too_large_for_the_memory_counts_as_different(clip: Path) -> None:
    dataset = pydicom.dcmread(clip)
    dataset.private_block(0x1311, "VENDOR").add_new(4, "OB", bytes(LARGEST_IN_MEMORY))
    dataset.save_as(clip.with_name("large.dcm"))
    assert not is_same_instance(clip.with_name("large.dcm"), converted(clip.with_name("large.dcm"), "+ti"))


def test_the_spool_keeps_the_first_and_takes_the_other_as_a_repetition(clip: Path, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.create()
    implicit, first = converted(clip, "+ti"), clip.read_bytes()
    header = read_header(clip)
    assert spool.keep(clip, header) is Kept.STORED
    assert spool.keep(implicit, read_header(implicit)) is Kept.REPEATED
    assert spool.instance_path(header.study_instance_uid, header.sop_instance_uid).read_bytes() == first
