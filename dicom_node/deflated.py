"""Deflated data sets (PS3.5 section A.5): inflated part by part, and not beyond measure."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from config.errors import UnreadableInstanceError

LARGEST_INFLATED = 256 * 1024 * 1024
AT_ONCE = 64 * 1024
_META_GROUP_LENGTH_AT = 128 + 4 + 8
"""Behind preamble, prefix and the head of (0002,0000)."""


def data_set_start(file: BinaryIO) -> int:
    """Where the data set begins in a file, behind preamble and File Meta Information (PS3.10 section 7.1)."""
    file.seek(_META_GROUP_LENGTH_AT)
    (length,) = struct.unpack("<L", file.read(4))
    return int(_META_GROUP_LENGTH_AT + 4 + length)


def inflated(file: BinaryIO, *, must_be_whole: bool = False) -> Iterator[bytes]:
    """The data set of a deflated file, part by part; one that is cut off as far as it goes.

    Raises
    ------
    UnreadableInstanceError
        It becomes larger than `LARGEST_INFLATED`: a few kilobytes could ask for more memory than the machine has. Or it
        is cut off, and must not be: the stream's own end mark is missing.
    """
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    file.seek(data_set_start(file))
    while not inflater.eof:
        compressed = inflater.unconsumed_tail or file.read(AT_ONCE)
        part = inflater.decompress(compressed, AT_ONCE)  # also of nothing more: zlib may hold the last bytes back
        if not (compressed or part):
            break
        size += len(part)
        if size > LARGEST_INFLATED:
            raise UnreadableInstanceError(f"deflated, and inflates to more than {LARGEST_INFLATED >> 20} MiB")
        yield part
    if must_be_whole and not inflater.eof:
        raise UnreadableInstanceError("cut off inside a deflated data set")
