import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from config.errors import UnreadableInstanceError
from dicom_node.deflated import AT_ONCE, inflated
from dicom_node.header import (
    InstanceHeader,
    data_set_position,
    header_alone,
    is_valid_uid,
    read_header,
    read_image_header,
)

CLIP = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("header") / "file.dcm"


def read_changed(path: Path, **attributes: object) -> InstanceHeader:
    dataset = pydicom.dcmread(CLIP)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return read_header(path)


def test_a_real_clip_is_read() -> None:
    header = read_header(CLIP)
    assert header.study_instance_uid == "1.2.840.114340.3.8251017118051.1.20160503.120850.2171"
    assert header.sop_class_uid == "1.2.840.10008.5.1.4.1.1.3.1"
    assert header.transfer_syntax_uid == "1.2.840.10008.1.2.4.50"
    assert header.modality == "US"
    assert header.identity.patient_name == "PLA"
    assert header.identity.accession_number is None


@pytest.mark.parametrize("file", ["US1_J2KR.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm", "CT_small.dcm", "reportsi.dcm"])
def test_whole_files_of_other_kinds_are_read(file: str) -> None:
    path = get_testdata_file(file, download=False)
    if path is None:
        pytest.skip(f"{file} comes with pydicom-data")
    assert is_valid_uid(read_header(Path(str(path))).study_instance_uid)


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(min_value=0, max_value=CLIP.stat().st_size - 1))
def test_a_file_cut_anywhere_inside_an_element_is_refused_with_a_clear_error(scratch: Path, cut: int) -> None:
    content = CLIP.read_bytes()
    scratch.write_bytes(content[:cut])
    before_pixels = content.index(b"\xe0\x7f\x10\x00")
    if cut >= len(content) - 8:  # only the delimiter after the last frame is missing: every frame is whole
        read_header(scratch)
        return
    try:
        read_header(scratch)
    except UnreadableInstanceError:
        return
    # Between two elements nothing tells that more was to come; inside the pixels it must never pass.
    assert cut < before_pixels + 12


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=2000), with_preamble=st.booleans())
def test_arbitrary_bytes_give_the_one_error_and_no_other(scratch: Path, content: bytes, with_preamble: bool) -> None:
    scratch.write_bytes((b"\0" * 128 + b"DICM" if with_preamble else b"") + content)
    with pytest.raises(UnreadableInstanceError):
        read_header(scratch)


@settings(max_examples=200, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(132, 3000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_header_is_read_or_refused_but_raises_nothing_else(
    scratch: Path, flips: list[tuple[int, int]]
) -> None:
    content = bytearray(CLIP.read_bytes())
    for position, value in flips:
        content[position] = value
    scratch.write_bytes(content)
    try:
        header = read_header(scratch)
    except UnreadableInstanceError:
        return
    assert is_valid_uid(header.study_instance_uid)


@pytest.mark.parametrize(
    "uid", ["../../etc/passwd", "1.2/../3", "1..2", "1.02", "", "1." + "2" * 63, "1.2.\n", "1", "a.b"]
)
def test_what_is_not_a_uid_never_becomes_a_path(tmp_path: Path, uid: str) -> None:
    assert not is_valid_uid(uid)
    with pytest.raises(UnreadableInstanceError, match="StudyInstanceUID"):
        read_changed(tmp_path / "x.dcm", StudyInstanceUID=uid)


def test_the_error_never_quotes_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInstanceError) as caught:
        read_changed(tmp_path / "x.dcm", StudyInstanceUID="Doe^Jane")
    assert "Doe" not in str(caught.value)


def test_values_longer_than_their_vr_and_nul_characters_are_cut_to_what_a_database_takes(tmp_path: Path) -> None:
    header = read_changed(tmp_path / "x.dcm", PatientID="9" * 100, AccessionNumber="A\0B")
    assert header.identity.patient_id == "9" * 64
    assert header.identity.accession_number == "AB"


def test_several_values_where_one_is_allowed_are_told_as_they_were_written(tmp_path: Path) -> None:
    header = read_changed(tmp_path / "x.dcm", PatientID=["P1", "P2"], AccessionNumber=["ACC1", "ACC2"])
    assert header.identity.patient_id == "P1\\P2"
    assert header.identity.accession_number == "ACC1\\ACC2"


def test_a_deflated_data_set_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole = BytesIO()
    dataset.save_as(whole)
    path = tmp_path / "deflated.dcm"
    path.write_bytes(whole.getvalue())
    assert read_header(path).modality == "CT"
    path.write_bytes(whole.getvalue()[:-500])
    with pytest.raises(UnreadableInstanceError):
        read_header(path)


def test_a_small_file_that_inflates_beyond_measure_is_refused_without_being_inflated(tmp_path: Path) -> None:
    source = Path(str(get_testdata_file("image_dfl.dcm", download=False))).read_bytes()
    head = source[: 132 + 12 + int.from_bytes(source[140:144], "little")]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(300)) + packer.flush()
    assert len(bomb) < 1_000_000
    (tmp_path / "bomb").write_bytes(head + bomb)
    tracemalloc.start()
    with pytest.raises(UnreadableInstanceError, match="inflates to more than 256 MiB"):
        read_header(tmp_path / "bomb")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_small_file_that_inflates_to_much_is_read_without_being_in_memory_whole(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(CLIP, stop_before_pixels=True)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "whole.dcm")
    head = (tmp_path / "whole.dcm").read_bytes()
    start = data_set_position(tmp_path / "whole.dcm")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(zlib.decompress(head[start:], -zlib.MAX_WBITS))
    packed += packer.compress(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 200 << 20))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    (tmp_path / "whole.dcm").write_bytes(head[:start] + packed)
    tracemalloc.start()
    assert read_header(tmp_path / "whole.dcm").identity.patient_name == "PLA"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000


@pytest.mark.parametrize("size", range(3 * AT_ONCE, 3 * AT_ONCE + 40, 3))
def test_the_last_bytes_of_an_inflated_data_set_are_not_held_back(size: int) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(bytes(size)) + packer.flush()
    file = BytesIO(bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, 0) + packed)
    assert b"".join(inflated(file, must_be_whole=True)) == bytes(size)


@pytest.mark.parametrize("cut", [0, 1])
def test_a_volume_in_a_private_element_before_the_pixels_is_not_read_into_memory(tmp_path: Path, cut: int) -> None:
    path, volume = tmp_path / "volume.dcm", 512 * 1024 * 1024
    dataset = pydicom.dcmread(CLIP, stop_before_pixels=True)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path)
    with path.open("ab") as file:
        file.write(struct.pack("<HH2sHL", 0x200D, 0x1010, b"OB", 0, volume))
        file.truncate(file.tell() + volume - cut)
    tracemalloc.start()
    if cut:
        with pytest.raises(UnreadableInstanceError, match="cut off"):
            read_header(path)
    else:
        assert read_header(path).identity.patient_name == "PLA"
        assert read_image_header(path).PatientName == "PLA"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("has_pixels", [True, False])
def test_a_volume_in_a_private_element_is_no_part_of_the_header_that_is_kept(
    tmp_path: Path, syntax: UID, has_pixels: bool
) -> None:
    dataset = pydicom.dcmread(CLIP, stop_before_pixels=True)
    whole = pydicom.dcmread(CLIP)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.add_new(0x200D1010, "OB", bytes(6 << 20))
    dataset.add_new(0x200D1011, "LO", "behind")
    if has_pixels:
        dataset.add_new(0x7FE00010, "OW", bytes(whole.Rows * whole.Columns * 2))
    pydicom.dcmwrite(tmp_path / "volume.dcm", dataset, implicit_vr=syntax.is_implicit_VR, little_endian=True)
    (tmp_path / "header.dcm").write_bytes(header_alone(tmp_path / "volume.dcm"))
    kept = read_image_header(tmp_path / "header.dcm")
    del dataset[0x200D1010]
    assert (tmp_path / "header.dcm").stat().st_size < 1 << 20
    assert list(kept.keys()) == [tag for tag in dataset.keys() if tag != 0x7FE00010]  # noqa: SIM118
    assert kept.PatientName == dataset.PatientName
