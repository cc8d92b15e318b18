"""What real machines, gateways and archives write wrongly: the right picture all the same, and a note of it."""

import struct
import subprocess
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    UID,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from config.errors import ClipError
from tests.support.clips import compressed_clip, made_clip
from tests.support.tools import require_tool
from worker.pixels.frames import frames_of
from worker.pixels.image import MOST_FRAMES
from worker.pixels.source import open_instance

Pixels = npt.NDArray[np.generic]
FRAME, ROW, COLUMN = np.mgrid[0:10, 0:96, 0:128]
COLOUR = np.stack([ROW * 2 + FRAME, COLUMN + 5 * FRAME, 255 - ROW - FRAME], axis=-1).astype(np.uint8)
GREY = np.ascontiguousarray(COLOUR[..., 1])
TWELVE_BITS = ((FRAME + ROW + COLUMN) * 19 % 4096).astype(np.uint16)
JPEG = [bytes(imagecodecs.jpeg8_encode(frame, level=95)) for frame in COLOUR]
FROM_JPEG = np.stack([imagecodecs.jpeg8_decode(stream) for stream in JPEG])


def as_grey(values: Pixels) -> Pixels:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=-1)


def assert_shown(file: Path, expected: Pixels, *notes: str) -> None:
    with open_instance(file) as instance:
        frames = frames_of(instance)
        shown = list(frames.pictures(range(frames.count)))
    assert len(shown) == len(expected)
    for picture, right in zip(shown, expected, strict=True):
        assert picture is not None
        assert np.array_equal(picture, right)
    assert frames.notes == notes


def changed(file: Path, **changes: object) -> Path:
    dataset = pydicom.dcmread(file)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)
    return file


def patched(file: Path, old: bytes, new: bytes) -> Path:
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))
    return file


BITS_STORED, FRAMES = b"\x28\x00\x01\x01US\x02\x00\x08\x00", b"\x28\x00\x08\x00IS\x02\x0010"


@pytest.mark.parametrize(
    ("old", "new", "notes"),
    [
        (BITS_STORED, b"\x28\x00\x01\x01US\x03\x00\x08\x00\x00", ()),  # of an odd length
        (BITS_STORED, b"\x28\x00\x01\x01US\x04\x00\x08\x00\x08\x00", ()),  # twice
        (BITS_STORED, b"\x28\x00\x01\x01IS\x02\x008 ", ()),
        (FRAMES, b"\x28\x00\x08\x00IS\x06\x0010\\10 ", ()),
        (
            FRAMES,
            b"\x28\x00\x08\x00IS\x06\x001e400 ",
            ("NumberOfFrames is missing or wrong: 0 was taken", "the header says nothing of its frames, 10 are stored"),
        ),
        (FRAMES, b"\x28\x00\x08\x00IS\x02\x001 ", ("the header says 1 frames, 10 are stored",)),
    ],
    ids=["odd length", "two values", "as text", "two numbers", "no finite number", "one frame"],
)
def test_a_number_in_another_form(old: bytes, new: bytes, notes: tuple[str, ...], tmp_path: Path) -> None:
    file = patched(made_clip(tmp_path / "clip.dcm", COLOUR, "RGB"), old, new)
    assert_shown(file, COLOUR, *notes)


def test_padding_behind_the_pixels_is_no_frame(tmp_path: Path) -> None:
    file = made_clip(tmp_path / "clip.dcm", COLOUR, "RGB")
    dataset = pydicom.dcmread(file)
    dataset.add_new(0xFFFCFFFC, "OB", bytes(3 * COLOUR[0].size))
    dataset.NumberOfFrames = 13
    dataset.save_as(file)
    assert_shown(file, COLOUR, "the header says 13 frames, 10 are stored")


def test_the_length_of_the_pixels_tells_grey_from_colour(tmp_path: Path) -> None:
    file = changed(made_clip(tmp_path / "clip.dcm", COLOUR, "RGB"), PhotometricInterpretation="MONOCHROME2")
    guessed = "SamplesPerPixel is missing or wrong: {} was taken"
    assert_shown(file, COLOUR, guessed.format(1), "the header says MONOCHROME2, the pixels have 3 samples each")
    file = changed(made_clip(tmp_path / "clip.dcm", GREY, "MONOCHROME2"), PhotometricInterpretation="RGB")
    assert_shown(file, as_grey(GREY), guessed.format(3), "the header says RGB, the pixels have 1 samples each")


def test_values_in_the_upper_bits_are_found_by_the_high_bit(tmp_path: Path) -> None:
    file = made_clip(tmp_path / "clip.dcm", TWELVE_BITS << 4, "MONOCHROME2", BitsStored=12, HighBit=15)
    assert_shown(file, as_grey(TWELVE_BITS >> 4))


@pytest.mark.parametrize(
    ("streams", "expected", "header", "note"),
    [
        (JPEG, FROM_JPEG, "MONOCHROME2", "the header says MONOCHROME2, the pixels have 3 samples each"),
        (JPEG, FROM_JPEG, "COLOR", "the header says COLOR, the pixels have 3 samples each"),
        (
            [bytes(imagecodecs.jpeg8_encode(frame, level=100)) for frame in GREY],
            None,
            "YBR_FULL_422",
            "the header says YBR_FULL_422, the pixels have 1 samples each",
        ),
    ],
    ids=["colour as grey", "an unknown name", "grey as colour"],
)
def test_compressed_pixels_know_their_samples(
    streams: list[bytes], expected: Pixels | None, header: str, note: str, tmp_path: Path
) -> None:
    of_header = GREY if header == "MONOCHROME2" else COLOUR
    file = compressed_clip(tmp_path / "clip.dcm", of_header, "RGB", streams, JPEGBaseline8Bit, header)
    if expected is None:
        expected = as_grey(np.stack([imagecodecs.jpeg8_decode(stream) for stream in streams]))
    assert_shown(file, expected, note)


@pytest.mark.parametrize("bits", [12, 16])
def test_compressed_pixels_know_their_bits(bits: int, tmp_path: Path) -> None:
    streams = [bytes(imagecodecs.jpegls_encode(frame)) for frame in GREY]
    wide = GREY.astype(np.uint16)
    file = compressed_clip(tmp_path / "clip.dcm", wide, "MONOCHROME2", streams, JPEGLSLossless, "MONOCHROME2")
    changed(file, BitsStored=bits, HighBit=bits - 1)
    assert_shown(file, as_grey(GREY), f"the header says {bits} bits, the pixels have 8")


@pytest.mark.parametrize("padding", [b"\0" * 64, b"\xff" * 40, b" " * 500], ids=["zeros", "ones", "blanks"])
def test_what_is_behind_the_end_of_a_jpeg_is_padding(padding: bytes, tmp_path: Path) -> None:
    streams = [stream + padding for stream in JPEG]
    file = compressed_clip(tmp_path / "clip.dcm", COLOUR, "RGB", streams, JPEGBaseline8Bit, "YBR_FULL_422")
    assert_shown(file, FROM_JPEG)


def test_the_end_of_a_thumbnail_is_not_the_end_of_its_jpeg(tmp_path: Path) -> None:
    thumbnail = b"Exif\0\0" + JPEG[0]
    streams = [
        stream[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + stream[2:] for stream in JPEG
    ]
    streams[3] = streams[3][:-900]
    file = compressed_clip(tmp_path / "clip.dcm", COLOUR, "RGB", streams, JPEGBaseline8Bit, "YBR_FULL_422")
    with open_instance(file) as instance:
        shown = list(frames_of(instance).pictures(range(10)))
    assert [index for index, picture in enumerate(shown) if picture is None] == [3]
    assert shown[4] is not None
    assert np.array_equal(shown[4], FROM_JPEG[4])


def jpeg_2000(frame: Pixels, *, boxed: bool) -> bytes:
    file = BytesIO()
    Image.fromarray(frame).save(file, "JPEG2000", no_jp2=not boxed, mct=1, irreversible=False)
    return file.getvalue()


@pytest.mark.parametrize("boxed", [False, True], ids=["codestream", "JP2 file"])
@pytest.mark.parametrize("header", ["YBR_RCT", "RGB", "YBR_FULL", "YBR_FULL_422"])
def test_the_colours_of_jpeg_2000_are_those_that_it_transformed(header: str, boxed: bool, tmp_path: Path) -> None:
    streams = [jpeg_2000(frame, boxed=boxed) for frame in COLOUR]
    file = compressed_clip(tmp_path / "clip.dcm", COLOUR, "RGB", streams, JPEG2000Lossless, header, has_table=False)
    assert_shown(file, COLOUR)


@pytest.fixture
def run_lengths(tmp_path: Path) -> list[bytes]:
    """The frames as DCMTK compresses them."""
    plain, made = made_clip(tmp_path / "plain.dcm", COLOUR, "RGB"), tmp_path / "rle.dcm"
    subprocess.run([require_tool("dcmcrle"), plain, made], check=True, capture_output=True)
    return list(generate_frames(pydicom.dcmread(made).PixelData, number_of_frames=10))


def test_run_lengths_in_several_fragments_a_frame(run_lengths: list[bytes], tmp_path: Path) -> None:
    halves = [half for frame in run_lengths for half in (frame[:3000], frame[3000:])]
    file = compressed_clip(tmp_path / "clip.dcm", COLOUR, "RGB", halves, RLELossless, "RGB", has_table=False)
    assert_shown(file, COLOUR)


def test_the_pixels_tell_their_compression_whatever_the_transfer_syntax(
    run_lengths: list[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "clip.dcm"
    compressed_clip(file, COLOUR, "RGB", JPEG, RLELossless, "YBR_FULL_422")
    assert_shown(file, FROM_JPEG, "the transfer syntax is RLE Lossless, the pixels are JPEG")
    compressed_clip(file, COLOUR, "RGB", run_lengths, JPEGBaseline8Bit, "RGB")
    assert_shown(file, COLOUR, "the transfer syntax is JPEG Baseline (Process 1), the pixels are RLE")
    raw = [frame.tobytes() for frame in COLOUR]
    compressed_clip(file, COLOUR, "RGB", raw, JPEGBaseline8Bit, "RGB")
    assert_shown(file, COLOUR, "the transfer syntax is JPEG Baseline (Process 1), the pixels are native")
    compressed_clip(file, COLOUR, "RGB", raw, UID("1.2.840.10008.1.2.1.98"), "RGB")
    assert_shown(file, COLOUR)
    private = UID("1.2.840.113619.5.21")
    made_clip(file, COLOUR, "RGB")
    patched(file, b"1.2.840.10008.1.2.1\0", private.encode() + b"\0")
    assert_shown(file, COLOUR, f"the transfer syntax is {private}, the pixels are native")


def test_items_in_an_element_of_defined_length(tmp_path: Path) -> None:
    file = compressed_clip(tmp_path / "clip.dcm", COLOUR, "RGB", JPEG, JPEGBaseline8Bit, "YBR_FULL_422")
    value = encapsulate(JPEG)
    start = b"\xe0\x7f\x10\x00OB\0\0"
    content = file.read_bytes()
    file.write_bytes(content[: content.index(start)] + start + struct.pack("<L", len(value)) + value)
    assert_shown(file, FROM_JPEG)


def test_an_empty_extended_offset_table(tmp_path: Path) -> None:
    file = compressed_clip(
        tmp_path / "clip.dcm", COLOUR, "RGB", JPEG, JPEGBaseline8Bit, "YBR_FULL_422", has_table=False
    )
    assert_shown(changed(file, ExtendedOffsetTable=b""), FROM_JPEG)


LEVELS = np.arange(256, dtype=np.uint16)
TABLES = (LEVELS, 255 - LEVELS, LEVELS * 3 % 256)


@pytest.mark.parametrize(
    ("bits", "content"),
    [(16, "word 257"), (16, "word 256"), (16, "word 1"), (8, "word 1"), (8, "byte")],
    ids=["16 bits", "upper byte", "8 bits called 16", "8 bits in words", "8 bits"],
)
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
def test_a_palette_however_wide_it_is_called(bits: int, content: str, big: bool, tmp_path: Path) -> None:
    kind, _, factor = content.partition(" ")
    file = made_clip(tmp_path / "clip.dcm", GREY, "PALETTE COLOR")
    dataset = pydicom.dcmread(file)
    for colour, table in zip(("Red", "Green", "Blue"), TABLES, strict=True):
        words = (table * int(factor)).tobytes() if kind == "word" else table.astype(np.uint8).tobytes()
        _describe(dataset, colour, bits, words)
    dataset.save_as(file)
    if big:
        made = tmp_path / "big.dcm"
        subprocess.run([require_tool("dcmconv"), "+tb", file, made], check=True, capture_output=True)
        file = made
    assert_shown(file, np.stack([table.astype(np.uint8)[GREY] for table in TABLES], axis=-1))


@pytest.mark.parametrize(("first", "bits"), [(0, 8), (0, 16), (10, 16)])
def test_a_palette_in_implicit_vr_where_the_dictionary_leaves_two_vrs_to_choose_from(
    first: int, bits: int, tmp_path: Path
) -> None:
    file = made_clip(tmp_path / "clip.dcm", GREY, "PALETTE COLOR")
    dataset = pydicom.dcmread(file)
    for colour, table in zip(("Red", "Green", "Blue"), TABLES, strict=True):
        content = table.astype(np.uint8).tobytes() if bits == 8 else (table * 256).astype("<u2").tobytes()
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, first, bits])
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", content)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(file, implicit_vr=True, little_endian=True)
    entry = np.clip(GREY.astype(int) - first, 0, 255)
    assert_shown(file, np.stack([table.astype(np.uint8)[entry] for table in TABLES], axis=-1))


def _describe(dataset: Dataset, colour: str, bits: int, words: bytes) -> None:
    dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, bits])
    dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", words)


def test_more_frames_than_any_clip_has_whatever_the_header_says(tmp_path: Path) -> None:
    file = made_clip(tmp_path / "clip.dcm", np.zeros((MOST_FRAMES + 2, 1, 1), np.uint8), "MONOCHROME2")
    changed(file, NumberOfFrames=1)
    with open_instance(file) as instance, pytest.raises(ClipError, match="100002 frames are more than a clip has"):
        frames_of(instance)
