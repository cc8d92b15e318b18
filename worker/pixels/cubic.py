"""OpenCV's bicubic resize (INTER_CUBIC) of uint8 pictures, without OpenCV: what the published example resizes with.

No antialiasing: each sample of the result is made of 4 x 4 samples around its place, however much smaller the result
is. OpenCV's own code is matched bit for bit (`tests/worker/pixels/test_cubic.py`: versions 4.8.0.76, which the example
pins, and 5.0.0.93, with Intel's library switched off). On Intel machines OpenCV hands the work to that library, which
calculates in floating point: there 0.16 % (480 to 224) and 0.66 % (384 to 224) of the samples of two real clips are
one level off, none more.
"""

import numpy as np
import numpy.typing as npt
import torch

_SHARPNESS = np.float32(-0.75)
_ONE = np.float32(1 << 11)
"""OpenCV's fixed point: a weight of 1."""


def resize_cubic(picture: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """A picture [rows, columns, channels] as a square [side, side, channels]."""
    if picture.shape[:2] == (side, side):
        return picture.copy()
    columns, across = _taps(picture.shape[1], side)
    rows, down = _taps(picture.shape[0], side)
    matrix = np.zeros((picture.shape[1], side), np.float32)
    np.add.at(matrix, (columns, np.arange(side)), across)
    # OpenCV sums integers here. They stay below 2 to the 24th, so that floating point is exact, and much faster. By
    # torch: numpy's matrix threads, beside torch's, made this ten times as slow on two busy cores.
    channels_first = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
    lines = (torch.from_numpy(channels_first) @ torch.from_numpy(matrix)).numpy()
    # OpenCV's vector code leaves fixed point here itself: the order of these sums decides the last bit.
    weights = (down * (1 / (_ONE * _ONE)))[:, :, None]
    total = lines[:, rows[3]] * weights[3]
    for tap in (2, 1, 0):
        total = lines[:, rows[tap]] * weights[tap] + total
    planes: npt.NDArray[np.uint8] = np.clip(np.rint(total), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _taps(source: int, target: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """For each sample of the result: the four samples it is made of, and their weights; both [4, target].

    Centres of samples lie at half numbers; beyond the border, the border's sample goes on.
    """
    scale = 1 / (target / source)
    at = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    before = np.floor(at)
    offset = at - before
    weights = np.empty((4, target), np.float32)
    weights[0] = _outer(offset + np.float32(1))
    weights[1] = _inner(offset)
    weights[2] = _inner(np.float32(1) - offset)
    weights[3] = np.float32(1) - weights[0] - weights[1] - weights[2]
    places = before.astype(np.intp) + np.arange(-1, 3)[:, None]
    return np.clip(places, 0, source - 1), np.rint(weights * _ONE)


def _inner(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Keys' cubic convolution kernel (1981) up to a distance of 1, by Horner's rule."""
    return ((_SHARPNESS + np.float32(2)) * x - (_SHARPNESS + np.float32(3))) * x * x + np.float32(1)


def _outer(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The same kernel from a distance of 1 to 2."""
    a = _SHARPNESS
    return ((a * x - np.float32(5) * a) * x + np.float32(8) * a) * x - np.float32(4) * a
