"""Headers that end early or inflate without end: a reason, never another exception, nor all the memory."""

import resource
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from config.errors import ClipError
from dicom_node.header import data_set_position
from tests.support.clips import made_clip, region
from worker.pixels.clip import read_clip

pytestmark = pytest.mark.long

FRAMES = np.zeros((10, 64, 64), np.uint8)


def test_a_header_that_is_cut_off_anywhere_is_a_reason(tmp_path: Path) -> None:
    # Inside a sequence pydicom raises an OSError of its own, which would pass for one of the disk, and be tried again.
    whole = made_clip(tmp_path / "whole.dcm", FRAMES, "MONOCHROME2", SequenceOfUltrasoundRegions=[region(0, 0, 63, 63)])
    content, cut = whole.read_bytes(), tmp_path / "cut.dcm"
    for length in range(1, len(content) - FRAMES.size + FRAMES[0].size):
        cut.write_bytes(content[:length])
        with pytest.raises(ClipError):
            read_clip(cut)


def test_a_deflated_file_is_not_inflated_beyond_its_limit(tmp_path: Path) -> None:
    bomb = made_clip(tmp_path / "bomb.dcm", FRAMES, "MONOCHROME2")
    dataset = pydicom.dcmread(bomb)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(bomb)
    start, content = data_set_position(bomb), bomb.read_bytes()
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [deflating.compress(zlib.decompress(content[start:], -zlib.MAX_WBITS)[:-8])]
    parts += [deflating.compress(bytes(1 << 20)) for _ in range(1500)]
    bomb.write_bytes(content[:start] + b"".join([*parts, deflating.flush()]))
    # In a process of its own: of this one, the peak is known already.
    program = "import sys, tests.worker.pixels.test_damaged_header as test; test.read_within_bounds(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, bomb], check=True, cwd=Path(__file__).parents[3])


def read_within_bounds(bomb: str) -> None:
    """Read it, with 1 GiB more of address space than the program has by now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (1 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with pytest.raises(ClipError, match="inflates to more than 256 MiB"):
        read_clip(Path(bomb))
