"""Instances of the spool that may be reports, read whole and without trust."""

import struct
import zlib
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from config.errors import UnreadableReportError
from worker.consistency.sr_tree import BROKEN_DATA

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
    if path.stat().st_size > LARGEST_BYTES:
        raise UnreadableReportError(f"{path.name} has more than {LARGEST_BYTES >> 20} MiB: it is no report")
    with path.open("rb") as file:
        try:
            return dcmread(file)
        except (*BROKEN_DATA, InvalidDicomError, BytesLengthException, MemoryError, struct.error, zlib.error) as error:
            kind = type(error).__name__
            raise UnreadableReportError(f"{path.name} cannot be read as DICOM ({kind}): it is kept as it is") from error
