"""Random access to the bytes of one instance: a file, mapped into memory, or an object in a bucket.

A clip takes 16 frames of a hundred: only what is looked at is read.
"""

import mmap
from bisect import bisect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO, RawIOBase
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Protocol

import fsspec
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from typing_extensions import Buffer

from config.errors import ClipError
from dicom_node.header import PIXEL_DATA, PixelDataStart, inflated, read_until_pixels


class ByteSource(Protocol):
    """Bytes that can be read from any position."""

    size: int

    def read(self, start: int, stop: int) -> bytes | memoryview:
        """The bytes from `start` up to `stop`; fewer where the source ends."""


class _MappedFile:
    """A file whose bytes are copied by nobody: of an uncompressed frame, only the part that is looked at is read."""

    def __init__(self, file: BinaryIO) -> None:
        # Never closed by us: pictures may still look into it. It goes with the last of them.
        self._bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.size = len(self._bytes)

    def read(self, start: int, stop: int) -> memoryview:
        return self._bytes[start:stop]


class _OpenFile:
    """Whatever seeks and reads: an object in a bucket, read through its block cache; or an inflated data set."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)

    def read(self, start: int, stop: int) -> bytes:
        self._file.seek(start)
        return self._file.read(max(stop - start, 0))


class JoinedParts(RawIOBase):
    """Parts of a source as one file."""

    def __init__(self, source: ByteSource, parts: Sequence[tuple[int, int]]) -> None:
        self._source, self._parts = source, parts
        self._starts = list(accumulate((stop - start for start, stop in parts), initial=0))
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move to a position of the joined parts, and say which."""
        self._at = max(offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._starts[-1]}[whence], 0)
        return self._at

    def tell(self) -> int:
        """The position in the joined parts."""
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """As much as the part has in which the position is."""
        target = memoryview(buffer)
        number = bisect(self._starts, self._at) - 1
        if number >= len(self._parts):
            return 0
        start, stop = self._parts[number]
        start += self._at - self._starts[number]
        read = self._source.read(start, min(start + len(target), stop))
        target[: len(read)] = read
        self._at += len(read)
        return len(read)


@dataclass(frozen=True, kw_only=True)
class OpenInstance:
    """An instance whose header is read, and whose pixels can be."""

    header: FileDataset
    """Everything before the pixel data, with the File Meta Information."""
    pixels: PixelDataStart | None
    """None when it has no pixel data."""
    source: ByteSource


@contextmanager
def open_instance(location: Path | str) -> Iterator[OpenInstance]:
    """Open a DICOM file, or an object in a bucket by its URL (`s3://bucket/key`, anything that fsspec knows).

    Raises
    ------
    ClipError
        It is empty.
    OSError
        It is not there, or cannot be read.
    Exception
        Whatever pydicom raises on damaged bytes; its texts quote the data set.
    """
    if isinstance(location, str) and "://" in location:
        with fsspec.open(location, "rb", cache_type="readahead") as remote:
            yield _opened(remote, _OpenFile(remote))
        return
    with Path(location).open("rb") as file:
        if not file.seek(0, 2):
            raise ClipError("an empty file")
        yield _opened(file, _MappedFile(file))


def _opened(file: BinaryIO, source: ByteSource) -> OpenInstance:
    file.seek(0)
    header, pixels = read_until_pixels(file)
    if header.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _inflated(header, file)
    return OpenInstance(header=header, pixels=pixels, source=source)


def _inflated(header: FileDataset, file: BinaryIO) -> OpenInstance:
    """A deflated data set has no positions to read at: it is inflated whole, within the limit of `inflated`."""
    content = BytesIO(b"".join(inflated(file)))
    read_dataset(content, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag in PIXEL_DATA)
    head = content.read(12)
    length = int.from_bytes(head[8:], "little")
    start = PixelDataStart(value_at=content.tell(), length=length) if len(head) == 12 else None
    return OpenInstance(header=header, pixels=start, source=_OpenFile(content))
