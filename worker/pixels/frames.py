"""The frames of one instance, read and decoded when they are asked for."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BufferedReader
from itertools import repeat
from typing import BinaryIO, Protocol

from pydicom.dataset import FileDataset
from pydicom.uid import RLELossless, UncompressedTransferSyntaxes

from config.errors import ClipError, TimeLimitError
from config.reasons import Reason, ReasonKind
from dicom_node.fragments import UNDEFINED_LENGTH
from dicom_node.header import PixelDataStart
from worker.pixels.codecs import Samples, as_coded, decode_compressed, decode_run_lengths, plain_jpeg
from worker.pixels.codestream import TRANSFER_SYNTAXES, head_of, starts_run_lengths
from worker.pixels.colour import Colours, Frame
from worker.pixels.image import MOST_FRAMES, PixelFormat, read_pixel_format
from worker.pixels.native import as_stored, native_samples, native_source
from worker.pixels.offsets import (
    FrameLocations,
    locate_encapsulated,
    locate_native,
    locate_stream,
    other_count,
    starts_with_an_item,
)
from worker.pixels.source import ByteSource, JoinedParts, OpenInstance
from worker.pixels.video import CODEC_OF, count_frames, decode_video

_ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
_Decode = Callable[[bytes | memoryview, PixelFormat], tuple[Samples, str]]


class Frames(Protocol):
    """The pictures of an open instance."""

    header: FileDataset
    format: PixelFormat
    count: int
    """How many are stored, whatever the header says."""
    notes: tuple[str, ...]

    def pictures(self, indices: Sequence[int]) -> Iterator[Frame | None]:
        """The pictures at these indices (from 0, ascending), one by one; None for each that is damaged."""

    def as_browsers_show(self, index: int) -> bytes | None:
        """One frame as it was stored, where that is a JPEG which any browser shows with the same colours as `pictures`
        has it; else None."""


def frames_of(instance: OpenInstance) -> Frames:
    """The frames of an open instance.

    Raises
    ------
    ClipError
        It holds no pixels, pixels of a kind that is not known, or more frames than any clip.
    """
    frames = _stored_frames(instance)
    if frames.count > MOST_FRAMES:  # of one pixel each, a small file has millions, and each has its time
        raise ClipError(f"{frames.count} frames are more than a clip has")
    return frames


def _stored_frames(instance: OpenInstance) -> Frames:
    pixel_format = read_pixel_format(instance.header)
    if instance.pixels is None:
        raise ClipError(Reason(ReasonKind.NO_PIXELS))
    # Some archives write items into an element of defined length, which only native pixels have (PS3.5 annex A.4).
    if instance.pixels.length == UNDEFINED_LENGTH or starts_with_an_item(instance.source, instance.pixels.value_at):
        return _encapsulated(instance, instance.pixels, pixel_format)
    return _native(instance, instance.pixels, pixel_format)


def _native(instance: OpenInstance, pixels: PixelDataStart, pixel_format: PixelFormat) -> Frames:
    pixel_format = as_stored(pixels, pixel_format)
    source = native_source(instance.source, pixels, pixel_format)
    locations = locate_native(
        source, pixels.value_at, pixels.end, pixel_format.stored_frame_length, pixel_format.number_of_frames
    )
    notes = () if pixel_format.transfer_syntax in UncompressedTransferSyntaxes else _overruled(pixel_format, "native")
    return _Pictures(instance.header, pixel_format, source, locations, native_samples, notes)


def _encapsulated(instance: OpenInstance, pixels: PixelDataStart, pixel_format: PixelFormat) -> Frames:
    if pixel_format.transfer_syntax in CODEC_OF:
        parts = locate_stream(instance.source, pixels.value_at)
        return _Video(instance.header, pixel_format, BufferedReader(JoinedParts(instance.source, parts)))
    locations = locate_encapsulated(
        instance.source,
        pixels.value_at,
        pixel_format.number_of_frames,
        extended=instance.header.get("ExtendedOffsetTable") or b"",
    )
    first = bytes(locations.read(instance.source, 0))
    head, syntax = head_of(first), pixel_format.transfer_syntax
    notes: tuple[str, ...] = ()
    decode: _Decode = decode_compressed
    if head is not None:
        pixel_format = as_coded(pixel_format, head)
        notes = () if syntax in TRANSFER_SYNTAXES[head.coding] else _overruled(pixel_format, head.coding)
    elif syntax == RLELossless or starts_run_lengths(first):
        decode = decode_run_lengths
        notes = () if syntax == RLELossless else _overruled(pixel_format, "RLE")
    elif 0 <= len(first) - pixel_format.stored_frame_length <= 1:
        decode = _item_samples
        notes = () if syntax == _ENCAPSULATED_UNCOMPRESSED else _overruled(pixel_format, "native")
    return _Pictures(instance.header, pixel_format, instance.source, locations, decode, notes)


def _item_samples(stored: bytes | memoryview, pixel_format: PixelFormat) -> tuple[Samples, str]:
    """A frame that is not compressed, in an item, whose length is even."""
    return native_samples(stored[: pixel_format.stored_frame_length], pixel_format)


def _overruled(pixel_format: PixelFormat, coding: str) -> tuple[str]:
    return (f"the transfer syntax is {pixel_format.transfer_syntax.name}, the pixels are {coding}",)


class _Pictures:
    """Frames that are each compressed by itself, or not at all: any can be read without the others."""

    def __init__(
        self,
        header: FileDataset,
        pixel_format: PixelFormat,
        source: ByteSource,
        locations: FrameLocations,
        decode: _Decode,
        notes: tuple[str, ...],
    ) -> None:
        self.header, self.format = header, pixel_format
        self.count = locations.count
        self.notes = (*pixel_format.notes, *locations.notes, *notes)
        self._read: Callable[[int], bytes | memoryview] = partial(locations.read, source)
        self._decode = decode
        self._colours = Colours(header, pixel_format)

    def pictures(self, indices: Sequence[int]) -> Iterator[Frame | None]:
        for index in indices:
            stored = self._read(index)
            try:
                samples, photometric = self._decode(stored, self.format)
                yield self._colours.picture(samples, photometric)
            except (MemoryError, TimeLimitError):
                raise  # the machine's, or the step's, not the frame's
            except Exception:  # noqa: BLE001  damaged bytes lead decoders to any error; the caller counts them
                yield None

    def as_browsers_show(self, index: int) -> bytes | None:
        return plain_jpeg(self._read(index), self.format)


class _Video:
    """Frames of one stream, each of which depends on those before it."""

    def __init__(self, header: FileDataset, pixel_format: PixelFormat, stream: BinaryIO) -> None:
        self.header, self.format, self._stream = header, pixel_format, stream
        held = count_frames(stream, transfer_syntax=pixel_format.transfer_syntax)
        self.count = min(held, pixel_format.number_of_frames or held)
        self.notes = (*pixel_format.notes, *other_count(self.count, pixel_format.number_of_frames))

    def as_browsers_show(self, index: int) -> bytes | None:
        return None

    def pictures(self, indices: Sequence[int]) -> Iterator[Frame | None]:
        """Up to the first that is damaged: those after it need it.

        Raises
        ------
        ClipError
            Already the first of them cannot be decoded; the message says why.
        """
        pixel_format, given = self.format, 0
        decoded = decode_video(
            self._stream,
            indices,
            transfer_syntax=pixel_format.transfer_syntax,
            rows=pixel_format.rows,
            columns=pixel_format.columns,
        )
        try:
            for picture in decoded:
                yield picture
                given += 1
        except ClipError:
            if not given:
                raise
        yield from repeat(None, len(indices) - given)
