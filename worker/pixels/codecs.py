"""One compressed frame to its samples. Every decoder here is imagecodecs', which lets other threads run meanwhile."""

from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from config.errors import ClipError
from config.reasons import Reason, ReasonKind
from worker.pixels.codestream import (
    CodestreamHead,
    Coding,
    codestream_of,
    head_of,
    read_head,
    without_tile_part_lengths,
)
from worker.pixels.image import KNOWN_PHOTOMETRIC, SAMPLES_OF, PixelFormat

Samples = npt.NDArray[Any]
"""uint8 or uint16 (int16 where they are signed), [rows, columns] or [rows, columns, 3]."""


def as_coded(pixel_format: PixelFormat, head: CodestreamHead) -> PixelFormat:
    """The format of a header as the compressed pixels have it: they know how many samples they hold, and their bits."""
    coded, notes = pixel_format, list(pixel_format.notes)
    photometric = pixel_format.photometric
    fits = photometric in KNOWN_PHOTOMETRIC and (photometric in SAMPLES_OF) == (head.samples == 1)
    if head.samples in (1, 3) and not fits:
        # Of these codings, JPEG's is the one whose three components are YBR where nothing else is said.
        colours = "YBR_FULL" if head.coding is Coding.JPEG else "RGB"
        coded = replace(coded, samples=head.samples, photometric="MONOCHROME2" if head.samples == 1 else colours)
        notes.append(f"the header says {photometric}, the pixels have {head.samples} samples each")
    if head.precision < pixel_format.bits_stored or head.precision > pixel_format.bits_allocated:
        coded = replace(coded, bits_stored=head.precision, lowest_bit=0)
        notes.append(f"the header says {pixel_format.bits_stored} bits, the pixels have {head.precision}")
    elif head.precision <= pixel_format.lowest_bit + pixel_format.bits_stored - 1:
        coded = replace(coded, lowest_bit=0)
    return replace(coded, notes=tuple(notes))


def decode_compressed(stored: bytes | memoryview, pixel_format: PixelFormat) -> tuple[Samples, str]:
    """Decode a frame; returns its samples and their photometric interpretation, which decoding may have changed.

    Raises
    ------
    ClipError
        The stream is none, or its picture is not the one of the header.
    Exception
        Whatever imagecodecs raises on damaged bytes.
    """
    stream = codestream_of(bytes(stored))  # of a mapped file: the heads are parsed piece by piece
    head = read_head(stream)
    if (head.rows, head.columns, head.samples) != (pixel_format.rows, pixel_format.columns, pixel_format.samples):
        raise ClipError(f"holds a picture of {head.columns} x {head.rows} pixels, {head.samples} samples each")
    if head.coding in (Coding.JPEG, Coding.JPEG_LOSSLESS):
        return _jpeg(stream, head, pixel_format.photometric)
    shape = (head.rows, head.columns, head.samples) if head.samples > 1 else (head.rows, head.columns)
    if head.coding is Coding.JPEG_LS:
        samples = imagecodecs.jpegls_decode(stream).reshape(shape)
    else:
        samples = imagecodecs.jpeg2k_decode(without_tile_part_lengths(stream)).reshape(shape)
    # JPEG 2000 undoes its own colour transform, whatever the header calls it.
    undone = head.colour == "RGB" or pixel_format.photometric in ("YBR_ICT", "YBR_RCT")
    return samples, "RGB" if undone and head.samples == 3 else pixel_format.photometric


def _jpeg(stream: bytes, head: CodestreamHead, photometric: str) -> tuple[Samples, str]:
    """JPEG by libjpeg-turbo, which converts to RGB on the way.

    What the stream says of its colours comes first, then what the data set says: libjpeg alone would take any three
    components for YBR, and machines that write RGB so lose their colours to it.
    """
    # Behind the end mark, machines pad; before the last scan, a thumbnail has one of its own.
    if stream.rfind(b"\xff\xd9") < stream.rfind(b"\xff\xda"):
        raise ClipError(Reason(ReasonKind.PICTURE_CUT_OFF))  # libjpeg would fill up with grey
    if head.samples == 1:
        return imagecodecs.jpeg8_decode(stream), photometric
    if head.coding is Coding.JPEG_LOSSLESS:  # nothing is converted there
        return imagecodecs.jpeg8_decode(stream, colorspace="RGB", outcolorspace="RGB"), photometric
    is_rgb = (head.colour or ("RGB" if photometric == "RGB" else "YBR")) == "RGB"
    space = imagecodecs.JPEG8.CS.RGB if is_rgb else imagecodecs.JPEG8.CS.YCbCr
    return imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace="RGB"), "RGB"


def plain_jpeg(stored: bytes | memoryview, pixel_format: PixelFormat) -> bytes | None:
    """The stream of a frame, where it is a whole JPEG of eight bits in YBR that is as large as the header says: every
    browser shows it as `decode_compressed` would; None of any other."""
    stream = bytes(stored)
    head = head_of(stream)
    if head is None or head.coding is not Coding.JPEG or (head.precision, head.samples) != (8, 3):
        return None
    is_ybr = (head.colour or ("RGB" if pixel_format.photometric == "RGB" else "YBR")) == "YBR"
    is_right = (head.rows, head.columns) == (pixel_format.rows, pixel_format.columns)
    is_whole = stream.rfind(b"\xff\xd9") > stream.rfind(b"\xff\xda")
    return stream if is_ybr and is_right and is_whole else None


def decode_run_lengths(stored: bytes | memoryview, pixel_format: PixelFormat) -> tuple[Samples, str]:
    """RLE (PS3.5 annex G): a segment for each byte of each sample, always by plane; as `decode_compressed`."""
    kind = np.dtype("<u2" if pixel_format.bits_allocated == 16 else "u1")
    rows, columns, samples = pixel_format.rows, pixel_format.columns, pixel_format.samples
    expected = rows * columns * samples * kind.itemsize
    unpacked = imagecodecs.dicomrle_decode(bytes(stored), kind, out=expected)
    if len(unpacked) != expected:
        raise ClipError(f"holds {len(unpacked)} bytes of pixels instead of {expected}")
    planes = np.frombuffer(unpacked, kind).reshape(samples, rows, columns)
    return (planes[0] if samples == 1 else np.moveaxis(planes, 0, -1)), pixel_format.photometric
