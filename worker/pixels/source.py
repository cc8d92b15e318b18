"""Random access to the bytes of one instance: a file, mapped into memory, or an object in a bucket.

A clip takes 16 frames of a hundred: only what is looked at is read.
"""

import mmap
from bisect import bisect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EPROTONOSUPPORT
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO, RawIOBase
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import fsspec
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from typing_extensions import Buffer

from config.errors import ClipError
from dicom_node.deflated import inflated
from dicom_node.header import DEFERRED_BYTES, PIXEL_DATA, PixelDataStart, read_until_pixels

_FILE_META_GROUP = 0x0002


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
        with _bucket_client(location) as remote:
            yield _opened(remote, _OpenFile(remote))
        return
    with Path(location).open("rb") as file:
        if not file.seek(0, 2):
            raise ClipError("an empty file")
        try:
            instance = _opened(file, _MappedFile(file))
        except OSError as error:
            if error.errno is not None:
                raise  # the system's own; pydicom raises one without a number where a sequence ends too soon
            raise ClipError("cut off inside a sequence of the header") from error
        yield instance


def _bucket_client(url: str) -> Any:
    try:
        return fsspec.open(url, "rb", cache_type="readahead")
    except (ImportError, ValueError) as error:  # nothing of the object's: it must not pass for a damaged one
        scheme, _, _ = url.partition("://")
        raise OSError(EPROTONOSUPPORT, f"no client for {scheme}:// is installed") from error


def _opened(file: BinaryIO, source: ByteSource) -> OpenInstance:
    meta = _file_meta(file)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _inflated(meta, file)  # pydicom itself would inflate it without a limit
    file.seek(0)
    header, pixels = read_until_pixels(file, defer_size=DEFERRED_BYTES)
    return OpenInstance(header=header, pixels=pixels, source=source)


def _file_meta(file: BinaryIO) -> FileMetaDataset:
    """The File Meta Information; empty where it is not where PS3.10 section 7.1 puts it."""
    file.seek(128)
    if file.read(4) != b"DICM":
        return FileMetaDataset()
    meta = read_dataset(
        file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag.group != _FILE_META_GROUP
    )
    return FileMetaDataset(meta)


def _inflated(meta: FileMetaDataset, file: BinaryIO) -> OpenInstance:
    """A deflated data set has no positions to read at: it is inflated whole, within the limit of `inflated`."""
    content = BytesIO()
    for part in inflated(file):
        content.write(part)
    content.seek(0)
    data_set = read_dataset(
        content, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag in PIXEL_DATA
    )
    header = FileDataset(content, data_set, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    head = content.read(12)
    length = int.from_bytes(head[8:], "little")
    start = PixelDataStart(value_at=content.tell(), length=length) if len(head) == 12 else None
    return OpenInstance(header=header, pixels=start, source=_OpenFile(content))
