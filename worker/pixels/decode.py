"""Sampled frames of a DICOM file, decoded to RGB."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from config.errors import ClipError

Frame = npt.NDArray[np.uint8]
"""[rows, columns, 3], RGB."""


def require_decoder(transfer_syntax: UID) -> None:
    """Say so before reading on when no installed decoder knows this compression.

    Raises
    ------
    ClipError
        Naming the transfer syntax.
    """
    try:
        available = get_decoder(transfer_syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise ClipError(f"no decoder for {transfer_syntax.name}")


def decode_frames(path: Path, indices: Sequence[int]) -> Iterator[Frame]:
    """Decode the frames at `indices` (from 0, ascending) and no other.

    Only these frames are read and decompressed: a clip of 120 frames costs what its 20 sampled ones cost.

    Raises
    ------
    Exception
        Whatever pydicom's decoders raise on damaged bytes; callers turn it into an error of ours.
    """
    # Filled by iter_pixels with the attributes that say what the samples mean, palettes included.
    meaning = Dataset()
    for frame in iter_pixels(path, ds_out=meaning, indices=indices):
        yield _rgb(frame, meaning)


def _rgb(frame: npt.NDArray[np.generic], meaning: Dataset) -> Frame:
    photometric = meaning.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        return _eight_bits(apply_color_lut(frame, meaning), stored=16)
    frame = _eight_bits(frame, stored=int(meaning.BitsStored))
    if photometric == "MONOCHROME1":
        frame = np.uint8(255) - frame
    return np.repeat(frame[:, :, np.newaxis], 3, axis=2) if frame.ndim == 2 else frame


def _eight_bits(samples: npt.NDArray[Any], *, stored: int) -> npt.NDArray[np.uint8]:
    """The high byte of wider samples, as a screen of 256 levels shows them."""
    return (samples >> max(stored - 8, 0)).astype(np.uint8)
