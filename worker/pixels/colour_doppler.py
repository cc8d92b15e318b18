"""Whether a picture shows colour Doppler: by its pixels, for machines that call everything tissue."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]

BRIGHT = 48
"""Levels; darker pixels have no colour that lossy coding would keep."""
BANDS = 8
"""Of brightness; a tinted picture (sepia, or a map of several hues) has one colour in each."""
UNLIKE = 0.35
"""Of full saturation: so far from the colour of all the other pixels as bright as it."""
PATCH = 5
"""Cells; an ECG, a caliper or the box around the colour is thinner."""
FILLED = 0.5


def is_grey(frames: Sequence[npt.NDArray[np.uint8]]) -> bool:
    """Whether nothing in these pictures, [rows, columns, 3] each, is as coloured as flow is: true of most clips."""
    for frame in frames:
        red, green, blue = (frame[..., channel] for channel in range(3))
        level, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        if ((level - least) >= UNLIKE * BRIGHT).any():
            return False
    return True


def coloured_cells(colours: npt.NDArray[np.uint8], body: Mask) -> Mask:
    """Where the body shows flow or tissue velocities in colour.

    Tinted B-mode is no colour Doppler: in it all pixels of like brightness have one colour.

    Parameters
    ----------
    colours
        [3, K, rows, columns]: planes of red, green and blue, of a grid of cells.
    body
        [rows, columns]: the cells of the sector; colour bars and logos outside it do not count.

    Returns
    -------
    Mask
        [rows, columns]: the cells that are coloured in any of the frames, as patches of some size.
    """
    every = -(-colours.shape[1] // 3)  # flow comes and goes with the beat: frames from all of the clip
    box = ndimage.find_objects(body.astype(np.uint8))[0]
    planes = np.ascontiguousarray(colours[(slice(None), slice(None, None, every), *box)])
    level, least = planes.max(axis=0), planes.min(axis=0)
    inside = body[box]
    coloured = np.zeros_like(body)
    if (((level - least) >= UNLIKE * BRIGHT) & inside).any():  # else grey, as most clips are
        patches = (_unlike(planes, level, inside) & inside).astype(np.float32)
        filled = ndimage.uniform_filter(patches, (1, PATCH, PATCH), mode="constant") >= FILLED
        coloured[box] = filled.any(axis=0) & inside
    return coloured


def _unlike(planes: npt.NDArray[np.uint8], level: npt.NDArray[np.uint8], inside: Mask) -> Mask:
    """Which pixels have another colour than those of like brightness."""
    band = level // (256 // BANDS)
    bright = level >= BRIGHT
    sample = bright[:, ::2, ::2] & inside[::2, ::2]
    bands = band[:, ::2, ::2][sample]
    unlike = np.zeros(level.shape, bool)
    for plane in planes:
        share = plane / np.maximum(level, 1).astype(np.float32)
        sampled = share[:, ::2, ::2][sample]
        usual = [np.median(sampled[bands == index]) if (bands == index).any() else 1 for index in range(BANDS)]
        unlike |= np.abs(share - np.array(usual, np.float32)[band]) >= UNLIKE
    return unlike & bright
