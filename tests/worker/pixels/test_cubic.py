"""Our bicubic resize against OpenCV itself."""

from collections.abc import Iterator

import cv2
import numpy as np
import pydicom
import pytest

from tests.support.clips import LARGE
from worker.pixels.cubic import resize_cubic

SIZES = [(384, 384), (308, 307), (480, 480), (100, 100), (224, 300), (600, 601), (9, 9), (1, 1), (3, 700), (767, 231)]


@pytest.fixture(params=[True, False], ids=["intel", "own"])
def intel(request: pytest.FixtureRequest) -> Iterator[bool]:
    """OpenCV as it comes, which on Intel machines hands the work to Intel's library; and its own code."""
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(request.param)
    yield bool(cv2.ipp.useIPP())
    cv2.ipp.setUseIPP(before)


def difference(picture: np.ndarray) -> np.ndarray:
    reference = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_CUBIC)
    return np.abs(resize_cubic(picture, 224).astype(int) - reference.astype(int))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_noise_is_resized_as_opencv_does(size: tuple[int, int], intel: bool) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (*size, 3))
    # Noise of all levels, with black and white in it: those leave the range of a byte, and are cut off.
    picture = np.where(levels < 40, 0, np.where(levels > 215, 255, levels)).astype(np.uint8)
    off = difference(picture)
    assert off.max() <= (1 if intel else 0)
    assert np.mean(off > 0) < 0.08


def test_a_real_clip_is_resized_as_opencv_does(intel: bool) -> None:
    frames = pydicom.dcmread(LARGE).pixel_array[:40:4, 48:432, 128:512]
    off = np.stack([difference(frame) for frame in frames])
    assert off.max() <= (1 if intel else 0)
    assert np.mean(off > 0) < 0.01


def test_a_picture_of_the_right_size_is_left_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    assert np.array_equal(resize_cubic(picture, 224), picture)
