"""The sector without the machine's word: on made pictures whose truth is known, and against real machines' regions."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from config.errors import ClipError
from tests.support.real_clips import AFFINITI, EPIQ, SONOSITE, SONOSITE_HALVED, TERASON, eight_frames
from tests.support.sectors import Frames, Mask, Screen, around, box, fan, overlap, speckle
from worker.pixels.regions import TEXT_INSIDE, Content, Layout, Region, machine_layout
from worker.pixels.sector import find_sector, refined

ROWS, COLUMNS = 600, 800
APICAL = fan(ROWS, COLUMNS, apex=(400, 60), depth=430, half_angle=42, face=12)
CURVED = fan(ROWS, COLUMNS, apex=(400, -60), depth=380, half_angle=35, face=130)
LINEAR = box(ROWS, COLUMNS, Region(left=150, top=60, right=650, bottom=500))
ECG = Region(left=20, top=520, right=700, bottom=590)
BAR = Region(left=760, top=80, right=780, bottom=250)
FLOW = Region(left=350, top=200, right=480, bottom=330)


def screen(mask: Mask, **kwargs: float) -> Screen:
    """A sector with all that machines draw around one."""
    tissue = Screen(speckle(mask, **kwargs))  # type: ignore[arg-type]
    settings_of_the_machine = "2D 60%\nC 50\nP Low\nHGen\nCF 68%\n3850Hz"
    drawn = tissue.banner(36, "TEST HOSPITAL  ID 0001").text((8, 60), settings_of_the_machine)
    return drawn.clock((640, 570)).ecg(ECG).bar(BAR, coloured=False)


def frozen(frames: Frames) -> Frames:
    return np.repeat(frames[:1], len(frames), axis=0)


def assert_within(region: Region, truth: Region, *, pixels: int) -> None:
    sides = zip(
        (region.left, region.top, region.right, region.bottom),
        (truth.left, truth.top, truth.right, truth.bottom),
        strict=True,
    )
    assert all(abs(found - true) <= pixels for found, true in sides), (region, truth)


@pytest.mark.parametrize("mask", [APICAL, CURVED, LINEAR], ids=["apical", "curved", "linear"])
@pytest.mark.parametrize("brightness", [60.0, 10.0], ids=["bright", "dim"])
def test_the_sector_is_found_and_nothing_drawn_around_it(mask: Mask, brightness: float) -> None:
    layout = find_sector(screen(mask, brightness=brightness).frames)
    assert_within(layout.region, around(mask), pixels=8)
    assert (layout.origin, layout.contents, layout.notes) == ("motion", {Content.TISSUE}, ())


@pytest.mark.parametrize("mask", [APICAL, CURVED, LINEAR], ids=["apical", "curved", "linear"])
def test_a_frozen_sector_is_found_by_its_texture_though_clock_and_ecg_run(mask: Mask) -> None:
    still = Screen(frozen(speckle(mask))).banner(36, "TEST HOSPITAL").clock((640, 570)).ecg(ECG)
    layout = find_sector(still.frames)
    assert_within(layout.region, around(mask), pixels=8)
    assert layout.origin == "picture"
    assert layout.notes == ("nothing moves: the sector was found by its texture",)


def test_an_ecg_that_crosses_the_sector_does_not_widen_it() -> None:
    strip = Region(left=20, top=440, right=700, bottom=560)
    layout = find_sector(Screen(speckle(APICAL)).ecg(strip).frames)
    assert_within(layout.region, around(APICAL), pixels=20)  # its line within a neighbourhood's reach may stay


def test_text_that_touches_the_sector_does_not_widen_it() -> None:
    truth = around(APICAL)
    drawn = (
        Screen(speckle(APICAL)).text((truth.right - 20, truth.bottom - 120), "LV 4.5 cm").clock((truth.left - 90, 300))
    )
    assert_within(find_sector(drawn.frames).region, truth, pixels=20)


@pytest.mark.parametrize("quality", [90, 40])
def test_lossy_coding_around_the_drawn_things_does_not_widen_the_sector(quality: int) -> None:
    frames = screen(APICAL).frames
    for index, frame in enumerate(frames):
        coded = io.BytesIO()
        Image.fromarray(frame).save(coded, "JPEG", quality=quality)
        frames[index] = np.asarray(Image.open(coded))
    assert_within(find_sector(frames).region, around(APICAL), pixels=20)  # a block of JPEG more on each side


@pytest.mark.parametrize("deviation", [1, 4])
def test_a_picture_grabbed_from_a_cable_is_noisy_all_over(deviation: int) -> None:
    frames = screen(APICAL).frames
    noise = np.random.default_rng(0).normal(10, deviation, frames.shape[:3])[..., np.newaxis]
    noisy = np.clip(frames + np.round(noise), 0, 255).astype(np.uint8)
    assert_within(find_sector(noisy).region, around(APICAL), pixels=20)


def test_two_frames_are_enough() -> None:
    assert_within(find_sector(screen(APICAL).frames[:2]).region, around(APICAL), pixels=8)


def test_a_sector_that_fills_the_picture_is_the_whole_picture() -> None:
    mask = fan(480, 640, apex=(300, -10), depth=700, half_angle=60, face=20)
    assert_within(find_sector(speckle(mask)).region, around(mask), pixels=2)


def page_of_text(pitch: int = 24) -> Screen:
    lines = Screen(np.zeros((8, ROWS, COLUMNS, 3), np.uint8))
    for down in range(4, ROWS - pitch, pitch):
        lines.text((10, down), "LV EF 60 % IVSD 9 MM, MWQB#8@%&XK0 " * 4)
    return lines


def page_that_is_turned() -> Screen:
    page = page_of_text()
    page.frames[4:] = 0
    return page


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: Screen(np.zeros((8, ROWS, COLUMNS, 3), np.uint8)), "the picture is empty"),
        (page_of_text, "nothing moves, and only text or graphics show"),
        (lambda: page_of_text(pitch=17), "nothing moves, and only text or graphics show"),
        (lambda: page_of_text().clock((500, 300)).ecg(ECG), "nothing but text, lines or traces"),
        (page_that_is_turned, "nothing but text, lines or traces"),
    ],
    ids=["black", "text", "dense-text", "text-clock-ecg", "text-that-goes"],
)
def test_a_picture_without_a_sector_is_refused_by_reason(made: Callable[[], Screen], reason: str) -> None:
    with pytest.raises(ClipError, match=f"^no ultrasound sector: {reason}$"):
        find_sector(made().frames)


@pytest.mark.parametrize("moves", [True, False], ids=["moving", "frozen"])
def test_a_trace_with_a_small_picture_above_it_is_refused(moves: bool) -> None:
    small = speckle(fan(ROWS, COLUMNS, apex=(400, 20), depth=200, half_angle=40, face=8))
    trace = Region(left=60, top=280, right=740, bottom=560)
    with pytest.raises(ClipError, match=r"^no ultrasound sector: a trace over time"):
        find_sector(Screen(small if moves else frozen(small)).sweep(trace).frames)


def test_a_small_trace_below_the_sector_is_not_joined_to_it() -> None:
    drawn = Screen(speckle(CURVED)).sweep(Region(left=60, top=500, right=740, bottom=580))
    assert_within(find_sector(drawn.frames).region, around(CURVED), pixels=8)


def two_sectors() -> tuple[Mask, Mask, Frames]:
    left, right = (fan(ROWS, COLUMNS, apex=(x, 80), depth=350, half_angle=30, face=8) for x in (210, 600))
    return left, right, np.maximum(speckle(left), speckle(right, seed=1))


def test_of_a_biplane_the_left_picture_is_taken() -> None:
    left, _, frames = two_sectors()
    layout = find_sector(frames)
    assert_within(layout.region, around(left), pixels=8)
    assert layout.biplane
    assert layout.notes == ("2 pictures beside each other: the first was taken",)


def test_of_four_pictures_the_upper_left_is_taken() -> None:
    four = [fan(ROWS, COLUMNS, apex=(x, y), depth=220, half_angle=35, face=8) for x in (210, 600) for y in (40, 330)]
    frames = np.maximum.reduce([speckle(mask, seed=seed) for seed, mask in enumerate(four)])
    layout = find_sector(frames)
    assert_within(layout.region, around(four[0]), pixels=8)
    assert layout.biplane
    assert layout.notes == ("4 pictures beside each other: the first was taken",)


def test_of_a_colour_compare_the_plain_picture_is_taken() -> None:
    _, right, frames = two_sectors()
    layout = find_sector(Screen(frames).flow(Region(left=150, top=200, right=270, bottom=320)).frames)
    assert_within(layout.region, around(right), pixels=8)
    assert layout.contents == {Content.TISSUE, Content.COLOUR_DOPPLER}
    assert not layout.biplane


def test_the_halves_of_a_sector_with_a_shadow_between_are_no_biplane() -> None:
    halves = APICAL.copy()
    halves[:, 370:430] = False
    assert not find_sector(speckle(halves)).biplane


@pytest.mark.parametrize("tint", [(1.0, 1.0, 1.0), (1.0, 0.75, 0.4), (0.5, 0.7, 1.0)], ids=["grey", "sepia", "blue"])
def test_colour_doppler_is_told_from_tinted_tissue_and_a_colour_bar(tint: tuple[float, float, float]) -> None:
    plain = screen(APICAL).tint(tint).bar(BAR, coloured=True)
    assert find_sector(plain.frames).contents == {Content.TISSUE}
    assert find_sector(plain.flow(FLOW).frames).contents == {Content.TISSUE, Content.COLOUR_DOPPLER}


@st.composite
def sectors(draw: st.DrawFn) -> Mask:
    rows, columns = draw(st.sampled_from([(480, 640), (434, 636), (600, 800), (768, 1024)]))
    face = draw(st.sampled_from([0.02, 0.25])) * rows
    depth = draw(st.floats(0.4, 0.65)) * rows
    half_angle = draw(st.floats(25, 45))
    half_width = (face + depth) * np.sin(np.radians(half_angle))
    x = draw(st.floats(half_width + 4, columns - half_width - 4))
    top = draw(st.floats(0.08, 0.2)) * rows
    return fan(
        rows,
        columns,
        apex=(x, top - face * np.cos(np.radians(half_angle))),
        depth=depth,
        half_angle=half_angle,
        face=face,
    )


@pytest.mark.long
@settings(deadline=None, max_examples=15, phases=[Phase.generate])  # to shrink a picture takes minutes
@given(sectors(), st.integers(0, 2**16), st.floats(8, 100))
def test_sectors_of_any_geometry_are_found(mask: Mask, seed: int, brightness: float) -> None:
    layout = find_sector(speckle(mask, seed=seed, brightness=brightness))
    assert overlap(layout.region, around(mask)) >= 0.9  # a cell of 4 pixels more or less on each side, of 170 at least
    assert layout.origin == "motion"
    assert not layout.biplane


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 8), st.integers(64, 300), st.integers(64, 300), st.integers(0, 255), st.integers(0, 2**16))
def test_any_frames_give_a_region_inside_or_a_reason(
    number: int, rows: int, columns: int, most: int, seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, most + 1, (number, rows, columns, 3), dtype=np.uint8)
    try:
        region = find_sector(noise).region
    except ClipError as error:
        assert str(error).startswith("no ultrasound sector: ")
    else:
        assert region.common(Region(left=0, top=0, right=columns, bottom=rows)) == region


def machine(name: str) -> Layout:
    dataset, frames = eight_frames(name)
    layout = machine_layout(dataset, *frames.shape[1:3])
    assert layout is not None
    return layout


# The two of Philips name the whole screen as their region: their sectors were measured by hand.
TRUTH: dict[str, Callable[[], Region]] = {
    SONOSITE: lambda: machine(SONOSITE).region,
    # The machine's region is that of the picture before somebody halved it.
    SONOSITE_HALVED: lambda: Region(left=42, top=15, right=298, bottom=208),
    AFFINITI: lambda: Region(left=76, top=96, right=745, bottom=556),
    EPIQ: lambda: Region(left=99, top=68, right=701, bottom=556),
    TERASON: lambda: machine(TERASON).region,
}


@pytest.mark.parametrize(
    ("name", "least"),
    [(SONOSITE, 0.93), (SONOSITE_HALVED, 0.96), (AFFINITI, 0.94), (EPIQ, 0.98), (TERASON, 0.88)],
)
def test_the_sector_of_real_clips_is_where_the_machine_says(name: str, least: float) -> None:
    layout = find_sector(eight_frames(name)[1])
    assert layout.origin == "motion"
    assert overlap(layout.region, TRUTH[name]()) >= least


@pytest.mark.parametrize(("name", "least"), [(SONOSITE, 0.95), (SONOSITE_HALVED, 0.58), (AFFINITI, 0.96), (EPIQ, 0.93)])
def test_the_sector_of_real_clips_that_stand_still(name: str, least: float) -> None:
    # Terason's is dark below its near field: of that picture frozen, only the near field is found.
    layout = find_sector(frozen(eight_frames(name)[1]))
    assert layout.origin == "picture"
    assert overlap(layout.region, TRUTH[name]()) >= least


@pytest.mark.parametrize("name", [AFFINITI, EPIQ])
def test_a_region_of_the_whole_screen_is_narrowed_to_its_sector(name: str) -> None:
    layout = machine(name)
    assert TEXT_INSIDE in layout.notes
    better = refined(layout, eight_frames(name)[1])
    assert overlap(better.region, TRUTH[name]()) >= 0.94
    assert better.origin == "machine"
    assert better.pixel_spacing_mm == layout.pixel_spacing_mm
    assert TEXT_INSIDE not in better.notes
    assert "the machine's region was narrowed to its sector" in better.notes


def test_colour_that_the_machine_calls_tissue_is_seen_in_the_pixels() -> None:
    seen = {
        name: refined(machine(name), eight_frames(name)[1]).contents for name in (AFFINITI, SONOSITE, EPIQ, TERASON)
    }
    assert seen.pop(AFFINITI) == {Content.TISSUE, Content.COLOUR_DOPPLER}
    assert set(seen.values()) == {frozenset({Content.TISSUE})}


def test_a_region_of_the_sector_alone_is_left_as_the_machine_says() -> None:
    assert refined(machine(SONOSITE), eight_frames(SONOSITE)[1]) == machine(SONOSITE)
    nothing = np.zeros_like(eight_frames(SONOSITE)[1])
    assert refined(machine(SONOSITE), nothing) == machine(SONOSITE)
