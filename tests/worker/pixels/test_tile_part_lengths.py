"""JPEG 2000 streams that say the lengths of their tile-parts (TLM), with which a decoder has been attacked."""

import struct

import imagecodecs
import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless

from config.errors import ClipError
from worker.pixels import codecs
from worker.pixels.codecs import decode_compressed
from worker.pixels.codestream import without_tile_part_lengths
from worker.pixels.image import PixelFormat

PICTURE = np.random.default_rng(5).integers(0, 256, (64, 80), dtype=np.uint8)
PLAIN = bytes(imagecodecs.jpeg2k_encode(PICTURE, codecformat="j2k", reversible=True, numthreads=1))
FIRST_TILE_PART = PLAIN.index(b"\xff\x90")

GREY = PixelFormat(
    transfer_syntax=JPEG2000Lossless,
    rows=PICTURE.shape[0],
    columns=PICTURE.shape[1],
    samples=1,
    photometric="MONOCHROME2",
    by_plane=False,
    bits_allocated=8,
    bits_stored=8,
    lowest_bit=0,
    signed=False,
    number_of_frames=1,
)


def with_segment(marker: int, content: bytes) -> bytes:
    """The same stream, with one more segment at the end of its main header."""
    segment = struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
    return PLAIN[:FIRST_TILE_PART] + segment + PLAIN[FIRST_TILE_PART:]


LENGTHS = struct.pack(">BBHL", 0, 0x60, 0, 0xFFFFFF)
"""T.800 table A.33: of tile 0, a tile-part of 16 MB that there is not."""


def test_a_decoder_is_never_shown_them(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bytes] = []
    decode = imagecodecs.jpeg2k_decode
    monkeypatch.setattr(codecs.imagecodecs, "jpeg2k_decode", lambda stream: shown.append(stream) or decode(stream))
    samples, _ = decode_compressed(with_segment(0x55, LENGTHS), GREY)
    assert shown == [PLAIN]
    assert np.array_equal(samples, PICTURE)


def test_what_stands_around_them_stays() -> None:
    comment = struct.pack(">BBH", 0xFF, 0x64, 6) + b"\0\x01hi"
    among_others = with_segment(0x55, LENGTHS).replace(b"\xff\x90", comment + b"\xff\x90", 1)
    assert without_tile_part_lengths(among_others) == PLAIN.replace(b"\xff\x90", comment + b"\xff\x90", 1)
    assert without_tile_part_lengths(PLAIN) is PLAIN


def test_none_can_hide_in_a_segment_of_an_unknown_kind() -> None:
    hidden = struct.pack(">BBH", 0xFF, 0x55, len(LENGTHS) + 2) + LENGTHS
    with pytest.raises(ClipError):
        without_tile_part_lengths(with_segment(0x30, hidden))


def test_a_head_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ClipError):
        without_tile_part_lengths(with_segment(0x55, LENGTHS)[: FIRST_TILE_PART + 6])
