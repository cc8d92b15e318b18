"""Whatever windows a file comes in, its header and its wholeness are judged as from the file itself."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian

from config.errors import UnreadableInstanceError
from dicom_node.fragments import FragmentWalk
from dicom_node.header import InstanceHeader, read_header
from dicom_node.reception.file_head import file_head
from dicom_node.reception.streamed_header import StreamedHeader
from tests.support.clips import SMALL

OTHERS = ["US1_J2KR.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm", "CT_small.dcm", "reportsi.dcm"]


def judged(file: Path, content: bytes, window: int) -> InstanceHeader | str:
    file.write_bytes(content)
    streamed = StreamedHeader()
    for start in range(0, len(content), window):
        streamed.see(memoryview(content)[start : start + window], start)
    try:
        return streamed.finish(file, len(content))
    except UnreadableInstanceError as error:
        return type(error).__name__


def judged_from_file(file: Path) -> InstanceHeader | str:
    try:
        return read_header(file)
    except UnreadableInstanceError as error:
        return type(error).__name__


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_stream_is_judged_as_the_file_is_wherever_it_ends(tmp_path: Path, data: st.DataObject) -> None:
    content = SMALL.read_bytes()
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(1, len(content))))
    window = data.draw(st.integers(4096, 200_000))
    streamed = judged(tmp_path / "file", content[:cut], window)
    assert streamed == judged_from_file(tmp_path / "file")


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_of_files_are_judged_alike(tmp_path: Path, name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"{name} comes with pydicom-data")
    content = Path(str(path)).read_bytes()
    for cut in (len(content), len(content) - 1000, len(content) // 2):
        assert judged(tmp_path / "file", content[:cut], 8192) == judged_from_file(tmp_path / "file")


def test_a_deflated_window_is_not_inflated() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(50)) + packer.flush()
    syntax = DeflatedExplicitVRLittleEndian
    head = file_head(sop_class_uid="1.2", sop_instance_uid="1.2.3", transfer_syntax_uid=syntax, calling_ae_title="A")
    streamed = StreamedHeader(syntax)
    tracemalloc.start()
    streamed.see(memoryview(head + packed), 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


items = st.lists(st.integers(0, 40).map(lambda n: n * 2), max_size=12)


@given(sizes=items, window=st.integers(1, 64), ends=st.sampled_from(["delimited", "forgotten", "cut"]))
def test_any_fragmentation_is_walked_through_any_windows(sizes: list[int], window: int, ends: str) -> None:
    content = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, size) + b"\xaa" * size for size in sizes)
    if ends == "delimited":
        content += struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    if ends == "cut" and sizes and sizes[-1]:
        content = content[:-1]
    walk = FragmentWalk(0)
    for start in range(0, len(content), window):
        walk.see(memoryview(content)[start : start + window], start)
    if ends == "cut" and sizes and sizes[-1]:
        with pytest.raises(UnreadableInstanceError):
            walk.require_whole(len(content))
    else:
        walk.require_whole(len(content))
