"""Headers with the very bytes that a machine wrote, right or not."""

import struct
from io import BytesIO

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset


def as_read(*, vr: dict[str, str] | None = None, big_endian: bool = False, **values: bytes) -> Dataset:
    """A header as it comes from a file: elements in Explicit VR with these very bytes, none of them converted yet."""
    order, content = ">" if big_endian else "<", b""
    for keyword in sorted(values, key=lambda keyword: tag_for_keyword(keyword) or 0):
        tag, value = tag_for_keyword(keyword) or 0, values[keyword]
        stated = (vr or {}).get(keyword, dictionary_VR(keyword))
        length = struct.pack(
            f"{order}HL" if stated == "UN" else f"{order}H", *((0,) if stated == "UN" else ()), len(value)
        )
        content += struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + stated.encode() + length + value
    return read_dataset(BytesIO(content), is_implicit_VR=False, is_little_endian=not big_endian)


def floats(*values: float) -> bytes:
    """A value of VR FL."""
    return struct.pack(f"<{len(values)}f", *values)
