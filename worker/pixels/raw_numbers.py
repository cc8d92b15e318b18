"""Numbers of a data set as the machine wrote them: what is no number is None, never an exception.

pydicom converts an element when it is looked at, and raises on a decimal string (DS) or integer string (IS) with a
letter in it. Real machines write such strings, and a clip is not worth less for one of them.
"""

import math
import re
import struct

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""PS3.5 section 6.2, DS; an IS is one without point and exponent."""
_BINARY = {"FL": "f", "FD": "d", "US": "H", "SS": "h", "UL": "I", "SL": "i", "US or SS": "H"}
"""The last is what the dictionary says of the descriptors of palettes: their numbers of entries and of bits are US."""


def read_numbers(header: Dataset, keyword: str) -> tuple[float | None, ...]:
    """The values of an attribute, None for each that is no finite number; empty when it is absent or has no value.

    A comma in place of the decimal point is understood: machines write the one of their own language.
    """
    element = _element(header, keyword)
    if element is None:
        return ()
    if isinstance(element, RawDataElement):
        return _decoded(element, keyword)
    value = element.value
    values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    return () if values in ([], [None], [""]) else tuple(_number(str(one)) for one in values)


def read_number(header: Dataset, keyword: str) -> float | None:
    """The first value of an attribute; None when there is none, or it is no finite number."""
    return next(iter(read_numbers(header, keyword)), None)


def read_tags(header: Dataset, keyword: str) -> tuple[int, ...]:
    """The tags that an attribute with VR AT names, each as one integer of 32 bits."""
    element = _element(header, keyword)
    if isinstance(element, RawDataElement):
        content, order = element.value or b"", "<" if element.is_little_endian else ">"
        pairs = struct.iter_unpack(f"{order}HH", content[: len(content) // 4 * 4])
        return tuple(group << 16 | number for group, number in pairs)
    if element is None or element.value is None:
        return ()
    values = element.value if isinstance(element.value, MultiValue | list | tuple) else [element.value]
    return tuple(int(value) for value in values if isinstance(value, int))


def _element(header: Dataset, keyword: str) -> DataElement | RawDataElement | None:
    # Neither converts the value nor reads one that was left in its file.
    return header.get_item(Tag(keyword), keep_deferred=True) if keyword in header else None


def _decoded(element: RawDataElement, keyword: str) -> tuple[float | None, ...]:
    content = element.value or b""
    # Implicit VR gives none, and a gateway that does not know the attribute gives UN.
    stated = element.VR if element.VR not in (None, "UN") else dictionary_VR(keyword)
    if (code := _BINARY.get(str(stated))) is not None:
        order, size = "<" if element.is_little_endian else ">", struct.calcsize(code)
        whole = len(content) // size
        numbers = struct.unpack(f"{order}{whole}{code}", content[: whole * size])
        cut_off = (None,) if len(content) % size else ()
        return tuple(float(number) if math.isfinite(number) else None for number in numbers) + cut_off
    text = content.decode("ascii", "replace").strip(" \0")
    return tuple(_number(part) for part in text.split("\\")) if text else ()


def _number(text: str) -> float | None:
    text = text.strip(" \0").replace(",", ".")
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    return number if math.isfinite(number) else None
