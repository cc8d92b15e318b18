"""Palette Color Lookup Tables (PS3.3 sections C.7.6.3.1.5 and C.7.6.3.1.6), read as real machines write them.

Their descriptor names 8 bits an entry over words, or 16 over values that never exceed 255. So the length of the data
tells how wide an entry is, and the largest value of all three tables how bright they are meant.
"""

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRBigEndian

from config.errors import ClipError
from worker.pixels.raw_numbers import read_numbers

_COLOURS = ("Red", "Green", "Blue")
_MOST_ENTRIES = 1 << 16


def palette_colours(header: FileDataset, values: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """What stored values [n] are shown as: [n, 3], red, green and blue.

    Raises
    ------
    ClipError
        There is no table, or one without an entry.
    """
    if "RedPaletteColorLookupTableData" not in header:
        if "SegmentedRedPaletteColorLookupTableData" not in header:
            raise ClipError("PALETTE COLOR without a palette")
        colours = apply_color_lut(values[np.newaxis], header)[0]
        return np.asarray(colours >> 8 if colours.dtype.itemsize == 2 else colours, np.uint8)
    tables, firsts = zip(*(_table(header, colour) for colour in _COLOURS), strict=True)
    # One factor for all three: a blue that stays dark beside a bright red is a colour, and no table of 8 bits.
    shift = 8 if max(int(table.max()) for table in tables) > 255 else 0
    planes = [
        table[np.clip(values - first, 0, len(table) - 1)] >> shift
        for table, first in zip(tables, firsts, strict=True)
    ]  # fmt: skip
    return np.stack(planes, axis=-1).astype(np.uint8)


def _table(header: FileDataset, colour: str) -> tuple[npt.NDArray[np.uint16], int]:
    """The entries of one colour, and the stored value that the first is for."""
    described = read_numbers(header, f"{colour}PaletteColorLookupTableDescriptor")
    stated = int(described[0] or 0) if described else 0
    first = int(described[1] or 0) if len(described) > 1 else 0
    content = header.get(f"{colour}PaletteColorLookupTableData") or b""
    entries = stated or (_MOST_ENTRIES if len(content) >= _MOST_ENTRIES else len(content) // 2)
    wide = len(content) >= 2 * entries
    # Words (OW) in the order of the transfer syntax: pydicom leaves the bytes as they are in the file.
    big = header.file_meta.get("TransferSyntaxUID") == ExplicitVRBigEndian
    words = np.frombuffer(content[: len(content) // 2 * 2], ">u2" if big else "<u2").astype("<u2")
    table = (words if wide else words.view(np.uint8))[:entries]
    if not table.size:
        raise ClipError("PALETTE COLOR with an empty palette")
    return table.astype(np.uint16), first
