"""Files into clips: against an independent reference, and against every kind of damage."""

import re
import struct
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import HEVCMP51, UID, CTImageStorage, JPEGLosslessSV1

from config.errors import ClipError
from tests.support.clips import LARGE, SMALL, made_clip, region
from worker.pixels.clip import read_clip

TEN_FRAMES = np.zeros((10, 100, 100), np.uint8)


def test_a_real_clip_is_cropped_to_its_region_sampled_and_resized() -> None:
    clip = read_clip(LARGE)
    # The slow way: every frame by pydicom, the region's central square, Pillow's bicubic filter.
    pixels = pydicom.dcmread(LARGE).pixel_array[0:40:2, 31:415, 84 + 64 : 84 + 64 + 384]
    reference = np.stack([Image.fromarray(frame).resize((224, 224), Image.Resampling.BICUBIC) for frame in pixels])
    assert clip.frames.shape == (20, 224, 224, 3)
    assert clip.frames.dtype == np.uint8
    difference = np.abs(clip.frames.astype(int) - reference.astype(int))
    assert difference.max() <= 2  # levels of 255; two implementations of one filter
    assert clip.frame_numbers == tuple(range(1, 40, 2))
    assert clip.notes == ()


def test_a_clip_shorter_than_the_sampled_span_gives_what_it_has() -> None:
    clip = read_clip(SMALL)
    assert clip.frame_numbers == tuple(range(1, 30, 2))
    assert len(clip.frames) == 15
    assert "outside the picture" in clip.notes[0]


def test_a_broken_frame_is_an_error_only_where_it_is_looked_at(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(SMALL)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=30))
    for broken, readable in ((1, True), (2, False)):
        damaged = [b"\0" * 64 if index == broken else frame for index, frame in enumerate(frames)]
        dataset.PixelData = encapsulate(damaged)
        dataset.save_as(tmp_path / "clip.dcm")
        if readable:
            assert len(read_clip(tmp_path / "clip.dcm").frames) == 15
        else:
            with pytest.raises(ClipError, match="cannot be decoded"):
                read_clip(tmp_path / "clip.dcm")


@pytest.mark.parametrize(
    ("photometric", "sample", "shown"),
    [
        ("RGB", np.array([200, 40, 10], np.uint8), [200, 40, 10]),
        ("MONOCHROME2", np.uint8(90), [90, 90, 90]),
        ("MONOCHROME1", np.uint8(90), [165, 165, 165]),
        ("MONOCHROME2", np.uint16(0x5A00), [0x5A, 0x5A, 0x5A]),
    ],
    ids=["rgb", "grey", "inverted-grey", "16-bit-grey"],
)
def test_every_photometric_interpretation_is_shown_as_a_screen_shows_it(
    tmp_path: Path, photometric: str, sample: np.ndarray, shown: list[int]
) -> None:
    pixels = np.broadcast_to(sample, (10, 100, 120, *sample.shape)).copy()
    clip = read_clip(made_clip(tmp_path / "clip.dcm", pixels, photometric))
    assert np.all(clip.frames == np.array(shown, np.uint8))


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    colours = {"Red": 0x1200, "Green": 0x3400, "Blue": 0x5600}
    palette = {
        f"{colour}PaletteColorLookupTable{kind}": value
        for colour, entry in colours.items()
        for kind, value in (("Descriptor", [256, 0, 16]), ("Data", struct.pack("<256H", *[entry] * 256)))
    }
    clip = read_clip(made_clip(tmp_path / "clip.dcm", TEN_FRAMES, "PALETTE COLOR", **palette))
    assert np.all(clip.frames == np.array([0x12, 0x34, 0x56], np.uint8))


def test_the_region_decides_what_is_seen(tmp_path: Path) -> None:
    pixels = np.zeros((10, 200, 300, 3), np.uint8)
    pixels[:, 50:150, 150:250] = 255
    changes = {"SequenceOfUltrasoundRegions": [region(150, 50, 249, 149)]}
    clip = read_clip(made_clip(tmp_path / "clip.dcm", pixels, "RGB", **changes))
    assert np.all(clip.frames == 255)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("CT_small.dcm", "not an ultrasound clip: CT Image Storage"),
        ("reportsi.dcm", "not an ultrasound clip: Basic Text SR"),
        ("examples_palette.dcm", "a still image"),
        ("OBXXXX1A_2frame.dcm", "too short: 2 frames, 8 are needed"),
    ],
)
def test_what_is_no_clip_says_why(file: str, reason: str) -> None:
    with pytest.raises(ClipError, match=reason):
        read_clip(Path(str(get_testdata_file(file, download=False))))


@pytest.mark.parametrize("transfer_syntax", [JPEGLosslessSV1, HEVCMP51], ids=["jpeg-lossless", "hevc"])
def test_a_compression_that_nothing_here_decodes_is_named(tmp_path: Path, transfer_syntax: UID) -> None:
    dataset = pydicom.dcmread(SMALL)
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    dataset.save_as(tmp_path / "clip.dcm")
    with pytest.raises(ClipError, match=re.escape(f"no decoder for {transfer_syntax.name}")):
        read_clip(tmp_path / "clip.dcm")


def test_a_clip_without_pixels_says_so(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(SMALL)
    del dataset.PixelData
    dataset.save_as(tmp_path / "clip.dcm")
    with pytest.raises(ClipError, match="cannot be decoded"):
        read_clip(tmp_path / "clip.dcm")
    del dataset.Rows
    dataset.save_as(tmp_path / "clip.dcm")
    with pytest.raises(ClipError, match="holds no pixels"):
        read_clip(tmp_path / "clip.dcm")


def test_the_class_of_the_data_set_counts_not_its_pixels(tmp_path: Path) -> None:
    file = made_clip(tmp_path / "clip.dcm", TEN_FRAMES, "MONOCHROME2", SOPClassUID=CTImageStorage)
    with pytest.raises(ClipError, match="CT Image Storage"):
        read_clip(file)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damaged_bytes_give_a_clip_or_a_reason_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(SMALL.read_bytes())
    for _ in range(data.draw(st.integers(0, 8), "bytes changed")):
        content[data.draw(st.integers(0, len(content) - 1), "at")] = data.draw(st.integers(0, 255), "to")
    # Half of the damage where the header is: pixels are most of the file.
    for _ in range(data.draw(st.integers(0, 8), "header bytes changed")):
        content[data.draw(st.integers(132, 3000), "at")] = data.draw(st.integers(0, 255), "to")
    length = data.draw(st.integers(200, len(content)) | st.just(len(content)), "length")
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        file.write(content[:length])
        file.flush()
        try:
            clip = read_clip(Path(file.name))
        except ClipError as error:
            assert str(error)
        else:
            assert clip.frames.shape[1:] == (224, 224, 3)
