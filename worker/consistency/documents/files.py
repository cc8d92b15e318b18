"""DICOM objects that may be reports, read whole and without trust, out of a file or of bytes that came otherwise."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from config.errors import UnreadableReportError
from worker.consistency.sr.tree import BROKEN_DATA

LARGEST_BYTES = 64 << 20
"""A Structured Report has at most some megabytes, and no PDF above 32 MiB is read."""


def read_report_file(path: Path) -> Dataset:
    """Read an instance with all that is in it; only what may be a report should come here, no images.

    Raises
    ------
    UnreadableReportError
        It is too large for a report, no DICOM file, or damaged or nested so that it cannot be read.
    OSError
        The file is not there, or the disk failed.
    """
    with path.open("rb") as file:
        return _read(file, path.name, size=path.stat().st_size)


def read_report_object(content: bytes) -> Dataset:
    """Read an object out of the bytes of its file.

    Raises
    ------
    UnreadableReportError
        As above.
    """
    return _read(BytesIO(content), "the report", size=len(content))


def _read(file: BinaryIO, name: str, *, size: int) -> Dataset:
    if size > LARGEST_BYTES:
        raise UnreadableReportError(f"{name} has more than {LARGEST_BYTES >> 20} MiB: it is no report")
    try:
        return dcmread(file)
    except (*BROKEN_DATA, InvalidDicomError, BytesLengthException, MemoryError, struct.error, zlib.error) as error:
        raise UnreadableReportError(f"{name} cannot be read as DICOM ({type(error).__name__})") from error
