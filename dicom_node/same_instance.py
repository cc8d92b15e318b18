"""Whether two files hold the same instance: byte for byte, or encoded otherwise without a difference in content.

A sender may send an instance a second time in another uncompressed transfer syntax, or with sequences of another kind
of length, as an archive that converts does. Its bytes are others, its elements are not (PS3.5 sections A.1 to A.3).
Pixel data are compared piece by piece, whatever their size; what stands before and behind them has to be of a size for
the memory, or counts as different.
"""

from array import array
from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.values import convert_SQ

from config.errors import UnreadableInstanceError
from dicom_node.header import PixelDataStart, data_set_position, read_file_meta, read_until_pixels

COMPARED_AT_ONCE = 1024 * 1024
LARGEST_IN_MEMORY = 4 * 1024 * 1024
"""Bytes before the pixel data, and behind them; no ultrasound machine writes nearly as many."""
UNCOMPRESSED = {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian}
_WORDS = dict.fromkeys(("US", "SS", "OW", "AT"), "H") | dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), "I")
_WORDS |= dict.fromkeys(("FD", "OD", "SV", "UV", "OV"), "Q")
"""What the byte ordering is about (PS3.5 section 7.3), as `array` names words of 2, 4 and 8 bytes."""


def is_same_instance(one: Path, other: Path) -> bool:
    """Whether two files hold the same instance, whoever sent each: the File Meta Information may differ."""
    try:
        syntaxes = {read_file_meta(path).TransferSyntaxUID for path in (one, other)}
    except UnreadableInstanceError:
        return False
    if len(syntaxes) == 1 and _have_same_bytes(one, other):
        return True
    return syntaxes <= UNCOMPRESSED and _have_same_elements(one, other)


def _have_same_bytes(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        first.seek(data_set_position(one))
        second.seek(data_set_position(other))
        while (part := first.read(COMPARED_AT_ONCE)) == second.read(COMPARED_AT_ONCE):
            if not part:
                return True
    return False


def _have_same_elements(one: Path, other: Path) -> bool:
    try:
        with one.open("rb") as first, other.open("rb") as second:
            return _Encoded(first).equals(_Encoded(second))
    except OSError:
        raise
    except Exception:  # noqa: BLE001  damage leads pydicom to whatever; what cannot be compared is not the same
        return False


class _Encoded:
    """An uncompressed data set in a file: its elements in memory, but for the pixel data."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        beginning = BytesIO(file.read(LARGEST_IN_MEMORY))
        dataset, self._pixels = read_until_pixels(beginning)
        if self._pixels is None and file.read(1):
            raise ValueError("too large for the memory")
        self._parts: list[Dataset] = [dataset]
        if self._pixels is not None:
            file.seek(self._pixels.end)
            rest = file.read(LARGEST_IN_MEMORY + 1)
            if len(rest) > LARGEST_IN_MEMORY:
                raise ValueError("too large for the memory")
            self._parts.append(read_dataset(BytesIO(rest), *dataset.original_encoding))
            self._pixel_words = self._words_of(self._pixels, *dataset.original_encoding)

    def equals(self, other: "_Encoded") -> bool:
        """Whether all elements are there in both, with the same values."""
        same_parts = len(self._parts) == len(other._parts)
        return (
            same_parts
            and all(_is_same_data_set(*pair) for pair in zip(self._parts, other._parts, strict=True))
            and all(mine == theirs for mine, theirs in zip_longest(self._pieces(), other._pieces()))
        )

    def _words_of(self, pixels: PixelDataStart, is_implicit: bool, is_little_endian: bool) -> str | None:
        """The words that the pixel data are to be swapped by; None in little endian, and of bytes."""
        if is_implicit or is_little_endian:
            return None
        self._file.seek(pixels.value_at - 8)  # the VR, two reserved bytes, the length
        return _WORDS.get(self._file.read(2).decode())

    def _pieces(self) -> Iterator[bytes]:
        if self._pixels is None:
            return
        self._file.seek(self._pixels.value_at)
        left = self._pixels.length
        while left:
            piece = self._file.read(min(left, COMPARED_AT_ONCE))
            if not piece:
                raise ValueError("the pixel data are cut off")
            left -= len(piece)
            yield _swapped(piece, self._pixel_words)


def _is_same_data_set(one: Dataset, other: Dataset) -> bool:
    # Group lengths are about the encoding; all but those of the file and the command are retired (PS3.5 section 7.2).
    tags = [[tag for tag in part.keys() if tag.element != 0] for part in (one, other)]  # noqa: SIM118  undecoded
    return sorted(tags[0]) == sorted(tags[1]) and all(
        _is_same_element(one.get_item(tag), other.get_item(tag)) for tag in tags[0]
    )


def _is_same_element(one: "_Element", other: "_Element") -> bool:
    if any(_is_sequence(element) for element in (one, other)):
        mine, theirs = _items(one), _items(other)
        return len(mine) == len(theirs) and all(_is_same_data_set(*pair) for pair in zip(mine, theirs, strict=True))
    return _value(one) == _value(other)


_Element = RawDataElement | DataElement | None


def _is_sequence(element: _Element) -> bool:
    if element is None:
        return False
    vr = element.VR
    if vr is None and dictionary_has_tag(element.tag):
        vr = dictionary_VR(element.tag)
    return vr == "SQ"


def _items(element: _Element) -> list[Dataset]:
    if not isinstance(element, RawDataElement):
        return list(element.value or ()) if element else []
    # Of unknown VR is what was implicit VR little endian before it was converted (PS3.5 section 6.2.2).
    is_implicit = element.is_implicit_VR or element.VR == "UN"
    is_little_endian = element.is_little_endian or element.VR == "UN"
    return list(convert_SQ(element.value or b"", is_implicit, is_little_endian))


def _value(element: _Element) -> object:
    """As little endian bytes; of the few elements that pydicom has decoded already, as it has."""
    if not isinstance(element, RawDataElement):
        return element.value if element else None
    words = None if element.is_little_endian else _WORDS.get(element.VR or "")
    return _swapped(element.value or b"", words)


def _swapped(value: bytes, words: str | None) -> bytes:
    if words is None:
        return value
    swapped = array(words, value)
    swapped.byteswap()
    return swapped.tobytes()
