"""Heat maps over the frames that they belong to."""

import numpy as np
import numpy.typing as npt

_MIDDLES = np.array([0.75, 0.5, 0.25], np.float32)
"""At which value red, green and blue are in the middle of their plateau."""


def overlay(
    frames: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32], *, strongest: float = 1.0
) -> npt.NDArray[np.uint8]:
    """Lay a map over each frame in the colours of `jet`, as opaque as it is hot: 0 shows the frame, 1 the colour alone.

    Parameters
    ----------
    frames
        uint8 [T, H, W, 3], RGB.
    maps
        float32 [T, H, W], 0..1.
    strongest
        0..1: how opaque the hottest place is; below 1 the tissue shows through everywhere.

    Returns
    -------
    NDArray
        uint8 [T, H, W, 3], RGB.

    Raises
    ------
    ValueError
        The shapes do not fit each other, or a map has values outside 0..1.
    """
    if frames.shape != (*maps.shape, 3):
        raise ValueError(f"frames are {list(frames.shape)} and maps {list(maps.shape)}: there must be a map for each")
    if not ((maps >= 0) & (maps <= 1)).all():
        raise ValueError("a map must be within 0..1")
    opacity = strongest * maps[..., None]
    mixed = (1 - opacity) * frames + opacity * (255 * jet(maps))
    return np.rint(mixed).astype(np.uint8)


def jet(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The colour map "jet" of MATLAB: from dark blue over blue, cyan, yellow and red to dark red.

    Red, green and blue are the same trapezium, moved along: 1 within an eighth of its middle, and from there falling to
    0 within the next quarter.

    Parameters
    ----------
    values
        float32 [...], 0..1.

    Returns
    -------
    NDArray
        float32 [..., 3], RGB, 0..1.
    """
    away = np.abs(values[..., None] - _MIDDLES)
    colours: npt.NDArray[np.float32] = np.clip(1.5 - 4 * away, 0, 1)
    return colours
