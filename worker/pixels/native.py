"""Uncompressed frames: where they lie, and their bytes as samples (PS3.5 section 8, PS3.3 section C.7.6.3.1)."""

from dataclasses import replace

import numpy as np
from pydicom.pixels.utils import expand_ybr422
from pydicom.uid import ExplicitVRBigEndian

from dicom_node.header import PixelDataStart
from worker.pixels.codecs import Samples
from worker.pixels.image import PixelFormat
from worker.pixels.source import ByteSource


class SwappedPairs:
    """Bytes that were written as big-endian 16-bit words: each pair is the wrong way round."""

    def __init__(self, source: ByteSource, start: int) -> None:
        self._source, self._start, self.size = source, start, source.size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes in their order."""
        before = (start - self._start) % 2
        words = self._source.read(start - before, stop + (stop - self._start) % 2)
        pairs = np.frombuffer(words[: len(words) // 2 * 2], ">u2")
        return pairs.astype("<u2").tobytes()[before : before + stop - start]


def native_source(source: ByteSource, pixels: PixelDataStart, pixel_format: PixelFormat) -> ByteSource:
    """The bytes of the pixel data in the order in which an 8-bit picture has them."""
    if pixel_format.transfer_syntax != ExplicitVRBigEndian or pixel_format.bits_allocated != 8:
        return source
    vr_at = pixels.value_at - 8
    words = source.read(vr_at, vr_at + 2) == b"OW"
    return SwappedPairs(source, pixels.value_at) if words else source


def as_stored(pixels: PixelDataStart, pixel_format: PixelFormat) -> PixelFormat:
    """The format as the length of the pixel data proves it, where the header says another.

    Grey for colour or colour for grey; and YBR_FULL for YBR_FULL_422, when every pixel has its colour, as decompressing
    leaves it.
    """
    if pixel_format.photometric != "YBR_FULL_422":
        return _with_samples_of_length(pixels.length, pixel_format)
    full = replace(pixel_format, photometric="YBR_FULL")
    if pixels.length < full.stored_frame_length * max(pixel_format.number_of_frames, 1):
        return pixel_format
    return replace(full, notes=(*full.notes, "the pixels are YBR_FULL, the header says YBR_FULL_422"))


def _with_samples_of_length(length: int, pixel_format: PixelFormat) -> PixelFormat:
    samples, photometric = (3, "RGB") if pixel_format.samples == 1 else (1, "MONOCHROME2")
    other = replace(pixel_format, samples=samples, photometric=photometric)
    frames = pixel_format.number_of_frames
    if not frames or abs(length - other.stored_frame_length * frames) > 1:
        return pixel_format
    note = f"the header says {pixel_format.photometric}, the pixels have {samples} samples each"
    return replace(other, notes=(*other.notes, note))


def native_samples(stored: bytes | memoryview, pixel_format: PixelFormat) -> tuple[Samples, str]:
    """The samples of one frame, [rows, columns] or [rows, columns, 3], and their photometric interpretation."""
    big = pixel_format.transfer_syntax == ExplicitVRBigEndian
    kind = np.dtype("u1" if pixel_format.bits_allocated == 8 else f"{'>' if big else '<'}u2")
    rows, columns = pixel_format.rows, pixel_format.columns
    if pixel_format.photometric == "YBR_FULL_422":
        full = expand_ybr422(bytes(stored), pixel_format.bits_allocated)
        return np.frombuffer(full, kind).reshape(rows, columns, 3), "YBR_FULL"
    samples = np.frombuffer(stored, kind)
    if kind.byteorder == ">":
        samples = samples.astype("<u2")
    if pixel_format.samples == 1:
        return samples.reshape(rows, columns), pixel_format.photometric
    if pixel_format.by_plane:
        return np.moveaxis(samples.reshape(3, rows, columns), 0, -1), pixel_format.photometric
    return samples.reshape(rows, columns, 3), pixel_format.photometric
