"""Frames out of every compression, against decoders of other people: DCMTK's, and Pillow's OpenJPEG."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from tests.support.clips import LARGE, compressed_clip, made_clip
from tests.support.tools import require_tool
from worker.pixels.colour import Frame
from worker.pixels.frames import Frames, frames_of
from worker.pixels.source import open_instance

Pixels = npt.NDArray[np.generic]


@contextmanager
def open_frames(file: Path | str) -> Iterator[Frames]:
    with open_instance(file) as instance:
        yield frames_of(instance)


def pictures_of(file: Path | str) -> tuple[list[Frame], tuple[str, ...]]:
    """All pictures, none damaged, and what was noted."""
    with open_frames(file) as frames:
        pictures = list(frames.pictures(range(frames.count)))
        assert all(picture is not None for picture in pictures)
        return [picture for picture in pictures if picture is not None], frames.notes


def colour_source(*, columns: int = 130) -> npt.NDArray[np.uint8]:
    """Ten frames of odd width in which every row, column and frame can be told from its neighbours."""
    frame, row, column = np.mgrid[0:10, 0:96, 0:columns]
    return np.stack([row * 2 + frame, column + 5 * frame, 255 - row - frame], axis=-1).astype(np.uint8)


def grey_source(bits: int) -> npt.NDArray[np.generic]:
    frame, row, column = np.mgrid[0:10, 0:96, 0:130]
    values = (row * 7 + column * 13 + frame * 50) % (1 << bits)
    return values.astype(np.uint16 if bits > 8 else np.uint8)


def by(tool: str, *options: str, source: Path, made: Path) -> Path:
    subprocess.run([require_tool(tool), *options, source, made], check=True, capture_output=True)
    return made


DCMTK = {
    "implicit little endian": ("dcmconv", ["+ti"], "dcmconv", "colour"),
    "explicit big endian": ("dcmconv", ["+tb"], "dcmconv", "colour"),
    "deflated": ("dcmconv", ["+td"], "dcmconv", "colour"),
    "rle": ("dcmcrle", [], "dcmdrle", "colour"),
    "rle 16 bit": ("dcmcrle", [], "dcmdrle", "grey 12"),
    "jpeg baseline 4:2:2": ("dcmcjpeg", ["+eb"], "dcmdjpeg", "colour"),
    "jpeg baseline 4:4:4": ("dcmcjpeg", ["+eb", "+s4"], "dcmdjpeg", "colour"),
    "jpeg baseline in rgb": ("dcmcjpeg", ["+eb", "+cr"], "dcmdjpeg", "colour"),
    "jpeg baseline grey": ("dcmcjpeg", ["+eb"], "dcmdjpeg", "grey 8"),
    "jpeg extended 12 bit": ("dcmcjpeg", ["+ee", "+bt"], "dcmdjpeg", "grey 12"),
    "jpeg lossless": ("dcmcjpeg", ["+el", "+sv", "4"], "dcmdjpeg", "colour"),
    "jpeg lossless sv1": ("dcmcjpeg", ["+e1"], "dcmdjpeg", "colour"),
    "jpeg lossless sv1 16 bit": ("dcmcjpeg", ["+e1"], "dcmdjpeg", "grey 16"),
    "jpeg-ls": ("dcmcjpls", ["+el"], "dcmdjpls", "colour"),
    "jpeg-ls near lossless": ("dcmcjpls", ["+en"], "dcmdjpls", "colour"),
    "jpeg-ls 12 bit": ("dcmcjpls", ["+el"], "dcmdjpls", "grey 12"),
    "fragments of 1 kbyte, no offset table": ("dcmcjpeg", ["+eb", "+fs", "1", "-ot"], "dcmdjpeg", "colour"),
    "fragments of 1 kbyte, offset table": ("dcmcjpeg", ["+eb", "+fs", "1", "+ot"], "dcmdjpeg", "colour"),
}


@pytest.mark.parametrize("name", DCMTK)
def test_what_dcmtk_encodes_looks_as_dcmtk_decodes_it(name: str, tmp_path: Path) -> None:
    encoder, options, decoder, kind = DCMTK[name]
    plain = tmp_path / "plain.dcm"
    if kind == "colour":
        made_clip(plain, colour_source(), "RGB")
    else:
        bits = int(kind.removeprefix("grey "))
        made_clip(plain, grey_source(bits), "MONOCHROME2", BitsStored=bits, HighBit=bits - 1)
    encoded = by(encoder, *options, source=plain, made=tmp_path / "encoded.dcm")
    back = ["+te"] if decoder == "dcmconv" else ["+te", *(["+ca"] if "4:" in name or "fragment" in name else [])]
    decoded = by(decoder, *back, source=encoded, made=tmp_path / "decoded.dcm")
    shown, notes = pictures_of(encoded)
    assert notes == ()
    assert len(shown) == 10
    expected = as_shown(pydicom.dcmread(decoded))
    # Two decoders of one lossy stream may round differently; what is lossless has one right answer.
    lossy = "baseline" in name or "extended" in name or "fragment" in name
    assert np.abs(np.stack(shown).astype(int) - expected).max() <= (4 if lossy else 0)


def as_shown(dataset: pydicom.Dataset) -> Pixels:
    pixels = dataset.pixel_array.astype(int)
    if dataset.SamplesPerPixel == 1:
        pixels = np.repeat((pixels >> max(dataset.BitsStored - 8, 0))[..., np.newaxis], 3, axis=-1)
    return pixels


def jpeg_2000(**options: object) -> Callable[[Pixels], bytes]:
    def encode(frame: Pixels) -> bytes:
        file = BytesIO()
        Image.fromarray(frame).save(file, "JPEG2000", no_jp2=True, **options)
        return file.getvalue()

    return encode


def by_pillow(stream: bytes) -> Pixels:
    return np.asarray(Image.open(BytesIO(stream)))


PILLOW: dict[str, tuple[UID, Callable[[Pixels], bytes], str]] = {
    "jpeg 2000 lossless": (JPEG2000Lossless, jpeg_2000(irreversible=False), "YBR_RCT"),
    "jpeg 2000": (JPEG2000, jpeg_2000(irreversible=True, quality_mode="rates", quality_layers=[6]), "YBR_ICT"),
    "ht-j2k lossless": (HTJ2KLossless, imagecodecs.htj2k_encode, "YBR_RCT"),
    "ht-j2k lossless rpcl": (HTJ2KLosslessRPCL, imagecodecs.htj2k_encode, "YBR_RCT"),
    "ht-j2k": (HTJ2K, lambda frame: imagecodecs.htj2k_encode(frame, level=0.01, reversible=False), "YBR_ICT"),
}


@pytest.mark.parametrize("name", PILLOW)
def test_jpeg_2000_of_both_kinds_looks_as_openjpeg_decodes_it(name: str, tmp_path: Path) -> None:
    syntax, encode, photometric = PILLOW[name]
    streams = [encode(frame) for frame in colour_source()]
    file = compressed_clip(tmp_path / "clip.dcm", colour_source(), "RGB", streams, syntax, photometric)
    shown, notes = pictures_of(file)
    assert notes == ()
    expected = np.stack([by_pillow(stream) for stream in streams])
    assert np.abs(np.stack(shown).astype(int) - expected).max() <= (0 if "lossless" in name else 1)


def jpeg(frame: Pixels, **options: object) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(frame, level=95, **options))


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
def test_each_kind_of_offset_table_leads_to_the_same_pictures(table: str, tmp_path: Path) -> None:
    streams = [jpeg(frame) for frame in colour_source()]
    file = compressed_clip(
        tmp_path / "clip.dcm",
        colour_source(),
        "RGB",
        streams,
        JPEGBaseline8Bit,
        "YBR_FULL_422",
        extended=table == "extended",
        has_table=table == "basic",
    )
    shown, notes = pictures_of(file)
    assert notes == ()
    assert np.array_equal(np.stack(shown), np.stack([imagecodecs.jpeg8_decode(stream) for stream in streams]))


def without_application_markers(stream: bytes) -> bytes:
    """A JPEG stream that says nothing of its colours, as many machines write it."""
    at, kept = 2, [stream[:2]]
    while stream[at + 1] != 0xDA:
        length = 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at + 1] not in (0xE0, 0xEE):
            kept.append(stream[at : at + length])
        at += length
    return b"".join([*kept, stream[at:]])


PLAIN_COLOURS = np.broadcast_to(np.array([200, 60, 20], np.uint8), (10, 96, 128, 3)).copy()


@pytest.mark.parametrize(
    ("stored_as", "says", "header"),
    [
        ("RGB", True, "RGB"),
        ("RGB", True, "YBR_FULL_422"),  # the stream's own word comes first
        ("RGB", False, "RGB"),
        ("YCbCr", True, "RGB"),
        ("YCbCr", True, "YBR_FULL_422"),
        ("YCbCr", False, "YBR_FULL_422"),
        ("YCbCr subsampled", False, "RGB"),  # nobody samples red and green differently
    ],
)
def test_jpeg_colours_are_right_whoever_names_them(stored_as: str, says: bool, header: str, tmp_path: Path) -> None:
    space, _, subsampled = stored_as.partition(" ")
    options = {"outcolorspace": space, "subsampling": "422" if subsampled else "444"}
    stream = jpeg(PLAIN_COLOURS[0], **options)
    stream = stream if says else without_application_markers(stream)
    file = compressed_clip(tmp_path / "clip.dcm", PLAIN_COLOURS, "RGB", [stream] * 10, JPEGBaseline8Bit, header)
    shown, _ = pictures_of(file)
    assert np.abs(shown[3].astype(int) - PLAIN_COLOURS[3]).max() <= 3


@pytest.mark.parametrize("said", [JPEG2000Lossless, ExplicitVRLittleEndian], ids=["other-compression", "none"])
def test_a_transfer_syntax_that_is_not_that_of_the_pixels_is_overruled(said: UID, tmp_path: Path) -> None:
    streams = [jpeg(frame) for frame in colour_source()]
    file = compressed_clip(tmp_path / "clip.dcm", colour_source(), "RGB", streams, JPEGBaseline8Bit, "YBR_FULL_422")
    right, wrong = (uid.encode().ljust(22, b"\0") for uid in (JPEGBaseline8Bit, said))
    file.write_bytes(file.read_bytes().replace(right, wrong, 1))
    shown, notes = pictures_of(file)
    assert np.array_equal(shown[7], imagecodecs.jpeg8_decode(streams[7]))
    assert notes == (f"the transfer syntax is {said.name}, the pixels are JPEG",)


def test_a_damaged_frame_is_none_and_the_others_are_there(tmp_path: Path) -> None:
    streams = [jpeg(frame) for frame in colour_source()]
    streams[2] = b"\0" * 60  # no JPEG at all
    streams[4] = streams[4][:900]  # ends in the midst
    streams[6] = jpeg(colour_source(columns=64)[0])  # the picture of another
    file = compressed_clip(tmp_path / "clip.dcm", colour_source(), "RGB", streams, JPEGBaseline8Bit, "YBR_FULL_422")
    with open_frames(file) as frames:
        assert frames.count == 10
        missing = [index for index, picture in enumerate(frames.pictures(range(10))) if picture is None]
    assert missing == [2, 4, 6]


def test_only_what_is_asked_for_is_read() -> None:
    with open_instance(LARGE) as instance:
        source, read = instance.source, []

        class Counted:
            size = source.size

            def read(self, start: int, stop: int) -> bytes:
                read.append(stop - start)
                return source.read(start, stop)

        object.__setattr__(instance, "source", Counted())
        (picture,) = frames_of(instance).pictures([50])
        assert picture is not None
    assert sum(read) < 120_000 < source.size / 40  # the heads of 120 items, and one frame


def test_an_object_in_a_bucket_is_a_file_like_any_other() -> None:
    import fsspec  # noqa: PLC0415

    with fsspec.open("memory://echo/clip.dcm", "wb") as bucket:
        bucket.write(LARGE.read_bytes())
    with open_frames(LARGE) as local, open_frames("memory://echo/clip.dcm") as remote:
        for one, other in zip(local.pictures([0, 60, 119]), remote.pictures([0, 60, 119]), strict=True):
            assert one is not None
            assert np.array_equal(one, other)
