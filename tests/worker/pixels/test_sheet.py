"""The contact sheet, by what can be found on it."""

import numpy as np
import pytest
from PIL import Image

from worker.pixels.clip import Clip
from worker.pixels.look import Look
from worker.pixels.profiles import FAST, UPSTREAM
from worker.pixels.regions import Content, Region
from worker.pixels.sheet import contact_sheet

GREY = np.full((300, 400, 3), 90, np.uint8)
REGION = Region(left=100, top=50, right=300, bottom=200)
GREEN, YELLOW, RED = (64, 220, 130), (255, 206, 60), (255, 110, 100)


def clip_of(number: int, *, profile: str = FAST.name, notes: tuple[str, ...] = ()) -> Clip:
    """Frames of one colour each: no two alike, and red above blue."""
    frames = np.zeros((number, 224, 224, 3), np.uint8)
    frames[..., 0] = 200
    frames[..., 1] = 5 * np.arange(number, dtype=np.uint8)[:, None, None]
    return Clip(
        sop_instance_uid="1.2.3",
        frames=frames if profile == FAST.name else frames[..., ::-1],
        frame_numbers=tuple(range(1, 2 * number, 2)),
        frame_times_ms=tuple(33.3 * index for index in range(0, 2 * number, 2)),
        time_origin="Frame Time",
        heart_rate=None,
        region=REGION,
        region_origin="machine",
        pixel_spacing_mm=None,
        contents=frozenset({Content.TISSUE}),
        notes=notes,
        profile=profile,
        rows=300,
        columns=400,
        transfer_syntax="1.2.840.10008.1.2.1",
        number_of_frames=100,
    )


def look_of(clip: Clip | None, *, skip_reason: str | None = None) -> Look:
    return Look(
        sop_instance_uid="1.2.3",
        transfer_syntax="1.2.840.10008.1.2.1",
        rows=300,
        columns=400,
        number_of_frames=100,
        profile=clip.profile if clip else FAST.name,
        clip=clip,
        skip_reason=skip_reason,
    )


def box_of(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of all pixels of this colour, the last two one past."""
    red, green, blue = (np.asarray(channel) for channel in sheet.split())
    rows, columns = np.nonzero((red == colour[0]) & (green == colour[1]) & (blue == colour[2]))
    assert rows.size, f"nothing on the sheet is {colour}"
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize("profile", [FAST.name, UPSTREAM.name])
@pytest.mark.parametrize("number", [1, 6, 7, 16, 20])
def test_each_sampled_frame_is_there_once_in_reading_order_and_in_its_colours(number: int, profile: str) -> None:
    sheet = contact_sheet(look_of(clip_of(number, profile=profile)), GREY)
    boxes = [box_of(sheet, (200, 5 * index, 0)) for index in range(number)]
    assert all((right - left, bottom - top) == (224, 224) for left, top, right, bottom in boxes)
    places = [(top, left) for left, top, _, _ in boxes]
    assert places == sorted(set(places))


def test_the_region_and_what_the_model_sees_of_it_are_outlined_in_the_picture() -> None:
    sheet = contact_sheet(look_of(clip_of(8)), GREY)
    scale = 480 / 300
    picture = sheet.crop((24, 24, 24 + round(400 * scale), 24 + 480))
    assert box_of(picture, YELLOW) == tuple(round(side * scale) for side in (125, 50, 275, 200))  # the central square
    left, top, right, bottom = box_of(picture, GREEN)  # above and below, the square covers its line
    assert (left, right) == (100 * scale, 300 * scale)
    assert (top, bottom) == (50 * scale, 200 * scale)


def test_the_published_crop_is_outlined_where_it_is() -> None:
    sheet = contact_sheet(look_of(clip_of(8, profile=UPSTREAM.name)), GREY)
    scale = 480 / 300
    picture = sheet.crop((24, 24, 24 + round(400 * scale), 24 + 480))
    assert box_of(picture, YELLOW) == tuple(round(side * scale) for side in (80, 30, 320, 270))


def test_what_is_outside_the_region_cannot_be_read_unless_it_is_asked_for() -> None:
    text = GREY.copy()
    text[::4, ::4] = 255  # as fine as letters
    contrast = {
        uncovered: np.asarray(contact_sheet(look_of(clip_of(8)), text, uncovered=uncovered).convert("L"))[24:80, 24:600]
        for uncovered in (False, True)
    }
    assert np.ptp(contrast[False]) <= 4
    assert np.ptp(contrast[True]) > 20
    skipped = contact_sheet(look_of(None, skip_reason="a still image"), text).convert("L")
    assert np.ptp(np.asarray(skipped)[24:500, 24:600]) <= 4


def test_the_picture_within_the_region_is_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)  # a size that is not scaled
    clip = clip_of(8)
    sheet = contact_sheet(look_of(clip), noise)
    inside = np.s_[REGION.top + 4 : REGION.bottom - 4, REGION.left + 4 : REGION.left + 20]  # left of the square
    assert np.array_equal(np.asarray(sheet.crop((24, 24, 24 + 640, 24 + 480)))[inside], noise[inside])


def test_a_skipped_file_shows_its_picture_and_the_reason_in_red() -> None:
    sheet = contact_sheet(look_of(None, skip_reason="no picture of the heart, only M-mode"), GREY)
    box_of(sheet, RED)
    assert sheet.getpixel((24 + 320, 24 + 240)) == (90, 90, 90)


def test_a_file_without_any_picture_has_a_sheet() -> None:
    box_of(contact_sheet(look_of(None, skip_reason="cannot be decoded"), None), RED)


@pytest.mark.parametrize("note", ["long " * 200, "1." * 300], ids=["words", "one-word"])
def test_long_notes_stay_on_the_sheet_and_off_the_frames(note: str) -> None:
    short, long = (contact_sheet(look_of(clip_of(6, notes=notes)), GREY) for notes in ((), (note,) * 3))
    assert long.height > short.height
    assert len(np.unique(np.asarray(long)[:, -24:].reshape(-1, 3), axis=0)) == 1  # the margin
    for index in range(6):
        left, top, right, bottom = box_of(long, (200, 5 * index, 0))
        assert (np.asarray(long)[top:bottom, left:right] == (200, 5 * index, 0)).all()
