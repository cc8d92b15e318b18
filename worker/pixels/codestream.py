"""What the head of a compressed frame says: JPEG and its relatives (ITU-T T.81, T.87), JPEG 2000 (T.800, T.814).

Read before decoding, for two reasons: a damaged head can ask a decoder for any amount of memory, and machines name
another compression or colour model in the data set than the one they used.
"""

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
)

from config.errors import ClipError
from config.reasons import Reason, ReasonKind

_START_OF_IMAGE, _START_OF_SCAN, _END_OF_IMAGE = 0xD8, 0xDA, 0xD9
_JPEG_LS_FRAME, _ADOBE, _JFIF = 0xF7, 0xEE, 0xE0
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {_JPEG_LS_FRAME}
"""Start-of-frame markers; the three left out define tables or are reserved."""
_LOSSLESS_FRAMES = {0xC3, 0xC7, 0xCB, 0xCF}
_NO_LENGTH = {0x01, *range(0xD0, 0xD8)}
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_CODING_STYLE, _TILE_PART_LENGTHS, _START_OF_TILE_PART = 0x52, 0x55, 0x90
_OF_MAIN_HEADER = frozenset(
    (0x50, 0x51, _CODING_STYLE, 0x53, _TILE_PART_LENGTHS, 0x57, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x63, 0x64)
) | {0x74, 0x75, 0x77, 0x78}
"""Markers of T.800 (table A.2), T.814 and T.801 that may stand before the first tile-part, and that OpenJPEG knows."""
_JP2_START = b"\0\0\0\x0cjP  "
_HEAD_OF_RLE = 64
"""Bytes, and so where the first segment begins (PS3.5 section G.5)."""
_MOST_SEGMENTS = 15


class Coding(StrEnum):
    """The families that need decoders of their own."""

    JPEG = "JPEG"
    JPEG_LOSSLESS = "JPEG lossless"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"


TRANSFER_SYNTAXES: dict[Coding, Collection[UID]] = {
    Coding.JPEG: {JPEGBaseline8Bit, JPEGExtended12Bit},
    Coding.JPEG_LOSSLESS: {JPEGLossless, JPEGLosslessSV1},
    Coding.JPEG_LS: JPEGLSTransferSyntaxes,
    Coding.JPEG_2000: JPEG2000TransferSyntaxes,
}
"""Which name which coding; JPEG 2000's include the high-throughput ones."""


@dataclass(frozen=True, kw_only=True)
class CodestreamHead:
    """Size and colour of a compressed frame."""

    coding: Coding
    rows: int
    columns: int
    samples: int
    precision: int
    """Bits of a sample."""
    colour: str | None = None
    """`RGB` or `YBR` when the stream itself says which; None when it does not."""


def start_of_frame(fragment: bytes) -> bytes | None:
    """The mark that begins a compressed picture, where these 8 bytes are its first; None for the rest of one."""
    if starts_run_lengths(fragment):
        return b"RLE"
    marks = (b"\xff\xd8\xff", _JPEG_2000_START, _JP2_START)
    return next((mark for mark in marks if fragment.startswith(mark)), None)


def starts_run_lengths(frame: bytes) -> bool:
    """Whether a frame begins as one of RLE does: with 1 to 15 segments, of which the first is behind the head."""
    if len(frame) < 8:
        return False
    segments, first = struct.unpack_from("<2L", frame)
    return bool(1 <= segments <= _MOST_SEGMENTS and first == _HEAD_OF_RLE)


def codestream_of(frame: bytes) -> bytes:
    """A frame without the JP2 file format around it: PS3.5 section 8.2.4 has none, and some machines write it."""
    if not frame.startswith(_JP2_START):
        return frame
    start = frame.find(b"jp2c" + _JPEG_2000_START)
    return frame if start < 0 else frame[start + 4 :]


def read_head(stream: bytes) -> CodestreamHead:
    """Read the head of a compressed frame.

    Raises
    ------
    ClipError
        These are none of the codings that are known, or they end within the head.
    """
    try:
        stream = codestream_of(stream)
        if stream[:4] == _JPEG_2000_START:
            return _jpeg_2000(stream)
        if stream[:3] == b"\xff\xd8\xff":
            return _jpeg(stream)
    except (struct.error, IndexError) as error:
        raise ClipError(Reason(ReasonKind.PICTURE_CUT_OFF)) from error
    raise ClipError("not a compressed picture of a known kind")


def without_tile_part_lengths(stream: bytes) -> bytes:
    """A JPEG 2000 stream without its TLM segments (T.800 annex A.7.1), which say again how long each tile-part is.

    OpenJPEG up to 2.5.4, which imagecodecs brings, writes behind its memory where they lie (OSV-2025-219); nothing
    that is decoded whole needs them. A segment of an unknown kind could hide one: a decoder may not skip all of it.

    Raises
    ------
    ClipError
        The head is cut off, or has a segment of a kind that no part of the standard knows there.
    """
    try:
        segments = list(_main_header(stream))
    except (struct.error, IndexError) as error:
        raise ClipError(Reason(ReasonKind.PICTURE_CUT_OFF)) from error
    if any(marker not in _OF_MAIN_HEADER for marker, _, _ in segments):
        raise ClipError(Reason(ReasonKind.PICTURE_DAMAGED))
    for marker, begins, ends in reversed(segments):
        if marker == _TILE_PART_LENGTHS:
            stream = stream[:begins] + stream[ends:]
    return stream


def head_of(stream: bytes) -> CodestreamHead | None:
    """The head of a compressed frame; None when it is damaged, or of no kind that is known."""
    try:
        return read_head(stream)
    except ClipError:
        return None


def _jpeg_2000(stream: bytes) -> CodestreamHead:
    right, bottom, left, top = struct.unpack_from(">4L", stream, 8)
    (samples,) = struct.unpack_from(">H", stream, 40)
    precision = (stream[42] & 0x7F) + 1
    return CodestreamHead(
        coding=Coding.JPEG_2000,
        rows=bottom - top,
        columns=right - left,
        samples=samples,
        precision=precision,
        colour="RGB" if _transforms_colours(stream) else None,
    )


def _transforms_colours(stream: bytes) -> bool:
    """Whether the coding style (T.800 annex A.6.1) says that the first three components were transformed together."""
    return next((stream[at + 8] == 1 for marker, at, _ in _main_header(stream) if marker == _CODING_STYLE), False)


def _main_header(stream: bytes) -> Iterator[tuple[int, int, int]]:
    """Of each segment of a JPEG 2000 stream before its first tile-part: the marker, where it begins, where it ends."""
    at = 2
    while stream[at] == 0xFF and stream[at + 1] != _START_OF_TILE_PART:
        (length,) = struct.unpack_from(">H", stream, at + 2)
        yield stream[at + 1], at, at + 2 + length
        at += 2 + length


def _jpeg(stream: bytes) -> CodestreamHead:
    at, says = 2, None
    while True:
        while stream[at] == 0xFF:  # any marker may be padded
            at += 1
        marker = stream[at]
        at += 1
        if marker in _NO_LENGTH:
            continue
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            raise ClipError("the compressed picture has no frame header")
        (length,) = struct.unpack_from(">H", stream, at)
        if marker == _JFIF and stream[at + 2 : at + 7] == b"JFIF\0":
            says = "YBR"  # JFIF 1.02: three components are Y, Cb and Cr
        if marker == _ADOBE and stream[at + 2 : at + 7] == b"Adobe":
            says = "YBR" if stream[at + 13] else "RGB"  # the transform flag of Adobe's segment
        if marker in _FRAMES:
            return _jpeg_frame(stream, at, marker, says)
        at += max(length, 2)
        if stream[at] != 0xFF:
            raise ClipError(Reason(ReasonKind.PICTURE_DAMAGED))


def _jpeg_frame(stream: bytes, at: int, marker: int, says: str | None) -> CodestreamHead:
    precision, rows, columns, samples = struct.unpack_from(">BHHB", stream, at + 2)
    components = [stream[at + 8 + 3 * n : at + 11 + 3 * n] for n in range(samples)]
    if any(len(component) < 3 for component in components):
        raise ClipError(Reason(ReasonKind.PICTURE_CUT_OFF))
    if len({component[1] for component in components}) > 1:
        says = says or "YBR"  # nobody samples red and green differently
    if bytes(component[0] for component in components) == b"RGB":
        says = "RGB"
    coding = _coding(marker)
    return CodestreamHead(coding=coding, rows=rows, columns=columns, samples=samples, precision=precision, colour=says)


def _coding(frame_marker: int) -> Coding:
    if frame_marker == _JPEG_LS_FRAME:
        return Coding.JPEG_LS
    return Coding.JPEG_LOSSLESS if frame_marker in _LOSSLESS_FRAMES else Coding.JPEG
