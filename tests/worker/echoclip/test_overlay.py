import numpy as np
import pytest

from worker.echoclip.overlay import jet, overlay


@pytest.mark.parametrize(
    ("value", "colour"),
    [
        (0, (0, 0, 0.5)),  # dark blue
        (1 / 8, (0, 0, 1)),  # blue
        (2 / 8, (0, 0.5, 1)),
        (3 / 8, (0, 1, 1)),  # cyan
        (4 / 8, (0.5, 1, 0.5)),
        (5 / 8, (1, 1, 0)),  # yellow
        (6 / 8, (1, 0.5, 0)),
        (7 / 8, (1, 0, 0)),  # red
        (1, (0.5, 0, 0)),  # dark red
        (1 / 16, (0, 0, 0.75)),
        (9 / 16, (0.75, 1, 0.25)),
    ],
)
def test_the_colours_are_jets(value: float, colour: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(jet(np.array([value], np.float32)), [colour], atol=1e-7)


def test_between_its_corners_every_colour_changes_evenly() -> None:
    eighths = np.linspace(0, 1, 9, dtype=np.float32)
    fine = np.linspace(0, 1, 801, dtype=np.float32)
    straight = [np.interp(fine, eighths, jet(eighths)[:, channel]) for channel in range(3)]
    np.testing.assert_allclose(jet(fine), np.stack(straight, axis=-1), atol=1e-6)


def test_a_cold_place_shows_the_frame_and_a_hot_one_the_colour_alone() -> None:
    frames = np.random.default_rng(5).integers(0, 256, (2, 3, 4, 3), np.uint8)
    assert (overlay(frames, np.zeros((2, 3, 4), np.float32)) == frames).all()
    hot = overlay(frames, np.ones((2, 3, 4), np.float32))
    assert hot.dtype == np.uint8
    assert (hot == (128, 0, 0)).all()


def test_in_between_the_colour_is_as_opaque_as_the_map_is_hot() -> None:
    frames = np.full((1, 1, 2, 3), (100, 200, 40), np.uint8)
    maps = np.array([[[5 / 8, 2 / 8]]], np.float32)
    # 3/8 of the frame and 5/8 of yellow; 3/4 of the frame and 1/4 of half green, full blue.
    expected = [(37.5 + 159.375, 75 + 159.375, 15), (75, 150 + 31.875, 30 + 63.75)]
    np.testing.assert_array_equal(overlay(frames, maps)[0, 0], np.rint(expected))


def test_the_frames_are_left_as_they_are() -> None:
    frames = np.full((1, 2, 2, 3), 7, np.uint8)
    frames.setflags(write=False)
    overlay(frames, np.ones((1, 2, 2), np.float32))
    assert (frames == 7).all()


def test_maps_that_do_not_belong_to_the_frames_are_refused() -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="a map for each"):
        overlay(frames, np.zeros((1, 4, 4), np.float32))
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"within 0\.\.1"):
            overlay(frames, np.full((2, 4, 4), wrong, np.float32))
