"""Stored samples to what a screen shows: RGB, eight bits (PS3.3 sections C.7.6.3.1.2, C.11.1 and C.11.2)."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import convert_color_space

from config.errors import ClipError
from worker.pixels.codecs import Samples
from worker.pixels.image import KNOWN_PHOTOMETRIC, SAMPLES_OF, PixelFormat
from worker.pixels.palette import palette_colours

Frame = npt.NDArray[np.uint8]
"""[rows, columns, 3], RGB."""
_RGB_ONCE_DECODED = ("RGB", "YBR_ICT", "YBR_RCT")
"""The two of JPEG 2000 are undone by its decoder."""


class Colours:
    """Turns the samples of one instance into pictures; its table is made once for all frames."""

    def __init__(self, header: FileDataset, pixel_format: PixelFormat) -> None:
        self._format = pixel_format
        if pixel_format.photometric not in KNOWN_PHOTOMETRIC:
            raise ClipError(f"photometric interpretation {pixel_format.photometric} is not known")
        self._table = _table(header, pixel_format) if pixel_format.photometric in SAMPLES_OF else None

    def picture(self, samples: Samples, photometric: str) -> Frame:
        """One frame as it is shown.

        Parameters
        ----------
        samples
            [rows, columns] or [rows, columns, 3], of 8 or 16 bits.
        photometric
            What they mean, which is not what the header says where a decoder has converted them.
        """
        if self._table is not None:
            stored = samples.view(f"u{samples.dtype.itemsize}")
            if self._format.lowest_bit:
                stored = stored >> self._format.lowest_bit
            stored = stored & stored.dtype.type(min(len(self._table) - 1, np.iinfo(stored.dtype).max))
            shown: npt.NDArray[Any] = np.take(self._table, stored, mode="clip")
            if shown.dtype == np.uint8:  # grey: three channels that are one in memory
                return np.broadcast_to(shown[..., np.newaxis], (*shown.shape, 3))
            return shown.view(np.uint8).reshape(*shown.shape, 4)[..., :3]
        if samples.dtype.itemsize == 2:
            samples = samples >> (self._format.lowest_bit + max(self._format.bits_stored - 8, 0))
        colours = samples.astype(np.uint8, copy=False)
        if photometric in _RGB_ONCE_DECODED:
            return colours
        return np.asarray(convert_color_space(colours, "YBR_FULL", "RGB"), np.uint8)


def _table(header: FileDataset, pixel_format: PixelFormat) -> npt.NDArray[Any]:
    """What each stored value is shown as, [2 to the power of the bits stored].

    Greys as uint8. Colours as uint32: red, green, blue and a spare byte, since one word is looked up several times as
    fast as three bytes are.
    """
    values = np.arange(1 << pixel_format.bits_stored, dtype=np.int32)
    if pixel_format.signed:
        sign = 1 << (pixel_format.bits_stored - 1)
        values = (values ^ sign) - sign
    if pixel_format.photometric == "PALETTE COLOR":
        colours = np.zeros((len(values), 4), np.uint8)
        colours[:, :3] = palette_colours(header, values)
        return colours.view(np.uint32)[:, 0]
    grey = _grey(values, pixel_format)
    return np.uint8(255) - grey if pixel_format.photometric == "MONOCHROME1" else grey


def _grey(values: npt.NDArray[np.int32], pixel_format: PixelFormat) -> npt.NDArray[np.uint8]:
    """Values through rescale and window to 0..255; without a window, the range of the stored bits."""
    if pixel_format.window is None:
        lowest = int(values.min())
        return ((values - lowest) >> max(pixel_format.bits_stored - 8, 0)).astype(np.uint8)
    slope, intercept = pixel_format.rescale
    center, width = pixel_format.window
    rescaled = values * slope + intercept
    match pixel_format.window_function:
        case "SIGMOID":
            shown = 1 / (1 + np.exp(-4 * (rescaled - center) / width))
        case "LINEAR_EXACT":
            shown = (rescaled - center) / width + 0.5
        case _:  # LINEAR, the default; a width of 1 is a threshold
            shown = (rescaled - (center - 0.5)) / max(width - 1, 1e-6) + 0.5
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), np.uint8)
