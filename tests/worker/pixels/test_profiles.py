"""What each profile makes of a frame, against an independent reference."""

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.support.clips import LARGE
from worker.pixels.profiles import FAST, PROFILES, UPSTREAM, central_square
from worker.pixels.regions import Region
from worker.pixels.timing import FrameTimes

CLIP = FrameTimes(milliseconds=tuple(index * 25.0 for index in range(100)), origin="Frame Time", heart_rate=60)


def whole(picture: np.ndarray) -> Region:
    return Region(left=0, top=0, right=picture.shape[1], bottom=picture.shape[0])


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows * columns).integers(0, 256, (rows, columns, 3), np.uint8)


def published(picture: np.ndarray, *, rows: slice, columns: slice) -> np.ndarray:
    """What OpenCV, its own code, makes of this part of a picture, in the order that it reads video in."""
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    blue_first = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)[rows, columns]
    resized = cv2.resize(blue_first, (224, 224), interpolation=cv2.INTER_CUBIC)
    cv2.ipp.setUseIPP(before)
    return resized


def test_names_are_those_of_provenance() -> None:
    assert {name: profile.name for name, profile in PROFILES.items()} == {
        "fast-1": "fast-1",
        "upstream-1": "upstream-1",
    }
    assert (FAST.channel_order, UPSTREAM.channel_order) == ("RGB", "BGR")


def test_each_profile_samples_in_its_own_way() -> None:
    assert UPSTREAM.sample(CLIP).indices == tuple(range(0, 40, 2))
    assert FAST.sample(CLIP).beats == 2
    assert FAST.sample(CLIP).indices == tuple(range(0, 80, 5))


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    # By hand: the margin to a square, half of an odd one to even; then a tenth of the rest, cut off, from each side.
    [
        ((480, 640), slice(48, 432), slice(80 + 48, 560 - 48)),
        ((600, 800), slice(60, 540), slice(100 + 60, 700 - 60)),
        ((640, 480), slice(80 + 48, 560 - 48), slice(48, 432)),
        ((224, 224), slice(22, 202), slice(22, 202)),
        ((300, 303), slice(30, 270), slice(2 + 29, 301 - 29)),  # 1.5 to 2: 299 columns left of 300
        ((300, 305), slice(30, 270), slice(2 + 30, 303 - 30)),  # 2.5 to 2: 301 columns left
        ((108, 109), slice(10, 98), slice(10, 99)),  # 0.5 to 0
    ],
    ids=str,
)
def test_upstream_is_the_published_example(size: tuple[int, int], rows: slice, columns: slice) -> None:
    picture = noise(*size)
    frame = UPSTREAM.model_frame(picture, whole(picture))
    assert frame.shape == (224, 224, 3)
    assert np.array_equal(frame, published(picture, rows=rows, columns=columns))


def test_upstream_never_sees_what_is_outside_the_region() -> None:
    picture = noise(480, 640)
    region = Region(left=150, top=100, right=400, bottom=420)
    elsewhere = np.full_like(picture, 255)
    elsewhere[100:420, 150:400] = picture[100:420, 150:400]
    frame = UPSTREAM.model_frame(picture, region)
    assert np.array_equal(frame, UPSTREAM.model_frame(elsewhere, region))
    blacked = picture.copy()
    blacked[:100], blacked[420:], blacked[:, :150], blacked[:, 400:] = 0, 0, 0, 0
    assert np.array_equal(frame, published(blacked, rows=slice(48, 432), columns=slice(128, 512)))


def test_no_profile_changes_the_picture_it_is_given() -> None:
    picture = noise(300, 400)
    for profile in PROFILES.values():
        before = picture.copy()
        profile.model_frame(picture, Region(left=20, top=20, right=300, bottom=250))
        assert np.array_equal(picture, before)


def test_fast_is_within_a_level_of_pillow_on_a_real_clip() -> None:
    frames = pydicom.dcmread(LARGE).pixel_array[:40:8]
    region = Region(left=84, top=31, right=596, bottom=415)
    for frame in frames:
        square = Image.fromarray(frame[31:415, 84 + 64 : 84 + 64 + 384])
        reference = np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC))
        assert np.abs(FAST.model_frame(frame, region).astype(int) - reference.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("region", "square"),
    [
        (Region(left=0, top=0, right=640, bottom=480), Region(left=80, top=0, right=560, bottom=480)),
        (Region(left=10, top=20, right=111, bottom=220), Region(left=10, top=69, right=111, bottom=170)),
    ],
    ids=["wide", "high"],
)
def test_the_central_square_of_a_region(region: Region, square: Region) -> None:
    assert central_square(region) == square
