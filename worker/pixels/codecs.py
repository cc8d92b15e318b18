"""One compressed frame to its samples. Every decoder here is imagecodecs', which lets other threads run meanwhile."""

from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.uid import RLELossless

from config.errors import ClipError
from worker.pixels.codestream import CodestreamHead, Coding, read_head
from worker.pixels.image import PixelFormat

Samples = npt.NDArray[Any]
"""uint8 or uint16 (int16 where they are signed), [rows, columns] or [rows, columns, 3]."""


def decode_compressed(stored: bytes | memoryview, pixel_format: PixelFormat) -> tuple[Samples, str]:
    """Decode a frame; returns its samples and their photometric interpretation, which decoding may have changed.

    Raises
    ------
    ClipError
        The stream is none, or its picture is not the one of the header.
    Exception
        Whatever imagecodecs raises on damaged bytes.
    """
    stream = bytes(stored)  # of a mapped file: the heads are parsed piece by piece
    if pixel_format.transfer_syntax == RLELossless:
        return _run_lengths(stream, pixel_format), pixel_format.photometric
    head = read_head(stream)
    if (head.rows, head.columns, head.samples) != (pixel_format.rows, pixel_format.columns, pixel_format.samples):
        raise ClipError(f"holds a picture of {head.columns} x {head.rows} pixels, {head.samples} samples each")
    if head.coding in (Coding.JPEG, Coding.JPEG_LOSSLESS):
        return _jpeg(stream, head, pixel_format.photometric)
    shape = (head.rows, head.columns, head.samples) if head.samples > 1 else (head.rows, head.columns)
    decode = imagecodecs.jpegls_decode if head.coding is Coding.JPEG_LS else imagecodecs.jpeg2k_decode
    samples = decode(stream).reshape(shape)
    # JPEG 2000 undoes its own colour transform.
    undone = pixel_format.photometric in ("YBR_ICT", "YBR_RCT")
    return samples, "RGB" if undone else pixel_format.photometric


def _jpeg(stream: bytes, head: CodestreamHead, photometric: str) -> tuple[Samples, str]:
    """JPEG by libjpeg-turbo, which converts to RGB on the way.

    What the stream says of its colours comes first, then what the data set says: libjpeg alone would take any three
    components for YBR, and machines that write RGB so lose their colours to it.
    """
    if b"\xff\xd9" not in stream[-16:]:
        raise ClipError("the compressed picture is cut off")  # libjpeg would fill up with grey
    if head.samples == 1:
        return imagecodecs.jpeg8_decode(stream), photometric
    is_rgb = (head.colour or ("RGB" if photometric == "RGB" else "YBR")) == "RGB"
    if head.coding is Coding.JPEG_LOSSLESS:  # nothing is converted there
        return imagecodecs.jpeg8_decode(stream, colorspace="RGB", outcolorspace="RGB"), photometric
    space = imagecodecs.JPEG8.CS.RGB if is_rgb else imagecodecs.JPEG8.CS.YCbCr
    return imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace="RGB"), "RGB"


def _run_lengths(stream: bytes, pixel_format: PixelFormat) -> Samples:
    """RLE (PS3.5 annex G): a segment for each byte of each sample, always by plane."""
    kind = np.dtype("<u2" if pixel_format.bits_allocated == 16 else "u1")
    rows, columns, samples = pixel_format.rows, pixel_format.columns, pixel_format.samples
    expected = rows * columns * samples * kind.itemsize
    unpacked = imagecodecs.dicomrle_decode(stream, kind, out=expected)
    if len(unpacked) != expected:
        raise ClipError(f"holds {len(unpacked)} bytes of pixels instead of {expected}")
    planes = np.frombuffer(unpacked, kind).reshape(samples, rows, columns)
    return planes[0] if samples == 1 else np.moveaxis(planes, 0, -1)
