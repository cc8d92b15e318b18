"""The machine's regions as real machines write them: which picture is taken, and what is said of the rest."""

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from config.errors import ClipError
from tests.support.clips import LARGE, SMALL, region
from worker.pixels.regions import TEXT_INSIDE, Content, Layout, Region, machine_layout

NO_SPACING = "the picture is not calibrated in cm: no pixel spacing"
SCREEN = Region(left=0, top=0, right=800, bottom=600)
SECTOR = region(100, 50, 699, 549)


def layout_of(*regions: Dataset, columns: int = 800, rows: int = 600) -> Layout | None:
    header = Dataset()
    if regions:
        header.SequenceOfUltrasoundRegions = list(regions)
    return machine_layout(header, rows, columns)


def chosen(*regions: Dataset) -> Layout:
    layout = layout_of(*regions)
    assert layout is not None
    return layout


def calibrated(item: Dataset, *, units: int = 3, delta_x: float = 0.03, delta_y: float = 0.02) -> Dataset:
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = delta_x, delta_y
    return item


def test_a_real_machine_says_where_the_tissue_is_and_how_large_a_pixel() -> None:
    layout = machine_layout(pydicom.dcmread(LARGE, stop_before_pixels=True), 480, 640)
    assert layout is not None
    assert layout.region == Region(left=84, top=31, right=596, bottom=415)
    assert layout.pixel_spacing_mm == pytest.approx((0.5105, 0.5105), abs=1e-4)
    assert (layout.origin, layout.contents, layout.notes) == ("machine", {Content.TISSUE}, ())


def test_a_real_ecg_below_the_picture_is_recognised() -> None:
    file = Path(str(get_testdata_file("OBXXXX1A_2frame.dcm", download=False)))
    layout = machine_layout(pydicom.dcmread(file, stop_before_pixels=True), 600, 800)
    assert layout is not None
    assert layout.region == Region(left=120, top=60, right=800, bottom=519)  # it writes one past the last column
    assert layout.contents == {Content.TISSUE, Content.ECG}


def test_two_real_pictures_and_a_grey_bar() -> None:
    file = Path(str(get_testdata_file("gdcm-US-ALOKA-16.dcm", download=False)))
    layout = machine_layout(pydicom.dcmread(file, stop_before_pixels=True), 480, 640)
    assert layout is not None
    assert layout.biplane
    assert layout.region == Region(left=32, top=24, right=336, bottom=416)
    assert layout.contents == {Content.TISSUE, Content.BAR}
    assert layout.notes == ("2 pictures beside each other: the first was taken",)


@pytest.mark.parametrize(
    ("spatial", "data", "shown"),
    [
        (3, 3, Content.SPECTRAL_DOPPLER),
        (3, 4, Content.SPECTRAL_DOPPLER),
        (4, 7, Content.SPECTRAL_DOPPLER),
        (1, 4, Content.SPECTRAL_DOPPLER),
        (2, 1, Content.M_MODE),
        (2, 2, Content.M_MODE),
        (4, 10, Content.ECG),
        (4, 11, Content.WAVE_FORM),
        (4, 18, Content.WAVE_FORM),
        (4, 0, Content.WAVE_FORM),
        (0, 13, Content.BAR),
        (5, 14, Content.BAR),
        (5, 0, Content.GRAPHICS),
    ],
)
def test_what_stands_beside_the_picture_is_named(spatial: int, data: int, shown: Content) -> None:
    layout = chosen(SECTOR, region(100, 560, 699, 590, spatial=spatial, data=data))
    assert layout.region == Region(left=100, top=50, right=700, bottom=550)
    assert layout.contents == {Content.TISSUE, shown}


def test_colour_over_the_tissue_leaves_the_tissue_chosen() -> None:
    layout = chosen(region(300, 150, 499, 349, data=2), SECTOR)
    assert layout.region == Region(left=100, top=50, right=700, bottom=550)
    assert layout.contents == {Content.TISSUE, Content.COLOUR_DOPPLER}
    assert not layout.biplane


def test_a_picture_that_is_called_colour_throughout_is_taken() -> None:
    layout = chosen(region(100, 50, 699, 549, data=2))
    assert layout.region == Region(left=100, top=50, right=700, bottom=550)
    assert layout.contents == {Content.COLOUR_DOPPLER}


@pytest.mark.parametrize("colour_first", [True, False])
def test_of_a_colour_compare_the_plain_picture_is_taken(colour_first: bool) -> None:
    left, right = (0, 50, 389, 439), (400, 50, 789, 439)
    plain, coloured = (right, left) if colour_first else (left, right)
    as_type = chosen(region(*plain), region(*coloured, data=2))
    inside = chosen(region(*plain), region(*coloured), region(coloured[0] + 100, 150, coloured[0] + 250, 300, data=2))
    for layout in (as_type, inside):
        assert layout.region.left == plain[0]
        assert not layout.biplane
        assert layout.notes[-1] == "colour compare: the picture without colour was taken"


def test_of_a_biplane_the_left_picture_is_taken_however_they_are_listed() -> None:
    left, right = region(0, 50, 389, 439), region(400, 60, 769, 429)
    for pair in ((left, right), (right, left)):
        layout = chosen(*pair)
        assert layout.biplane
        assert layout.region == Region(left=0, top=50, right=390, bottom=440)


def test_a_thumbnail_beside_the_picture_makes_no_biplane() -> None:
    layout = chosen(region(0, 0, 99, 99), SECTOR)
    assert layout.region == Region(left=100, top=50, right=700, bottom=550)
    assert not layout.biplane


@pytest.mark.parametrize(
    ("spatial", "data", "said"), [(2, 1, "M-mode"), (3, 3, "spectral Doppler")], ids=["m-mode", "doppler"]
)
def test_traces_alone_are_no_clip(spatial: int, data: int, said: str) -> None:
    trace, ecg = region(0, 0, 799, 599, spatial=spatial, data=data), region(0, 560, 799, 599, spatial=4, data=10)
    with pytest.raises(ClipError, match=f"^no picture of the heart, only {said}$"):
        layout_of(trace, ecg)
    del trace.RegionLocationMinX0
    with pytest.raises(ClipError, match=f"^no picture of the heart, only {said}$"):
        layout_of(trace)


def test_a_small_picture_above_a_trace_makes_a_doppler_study() -> None:
    small, trace = region(300, 20, 549, 219), region(50, 240, 749, 579, spatial=3, data=4)
    with pytest.raises(ClipError, match="spectral Doppler with a small picture beside it"):
        layout_of(small, trace)


def test_a_picture_larger_than_its_trace_is_kept_and_said_to_be_doubtful() -> None:
    layout = chosen(region(100, 0, 699, 399), region(0, 420, 799, 579, spatial=3, data=3))
    assert layout.region == Region(left=100, top=0, right=700, bottom=400)
    assert "often frozen" in layout.notes[-1]


def test_a_trace_inside_the_region_is_cut_off() -> None:
    screen, trace = region(0, 0, 799, 599), region(0, 400, 799, 579, spatial=2)
    assert chosen(screen, trace).region == Region(left=0, top=0, right=800, bottom=400)
    trace.RegionFlags = 1  # low priority: what lies over it is the picture's
    assert chosen(screen, trace).region == SCREEN


@pytest.mark.parametrize(
    ("item", "region_read", "note"),
    [
        (region(100, 50, 800, 600), Region(left=100, top=50, right=800, bottom=600), None),
        (region(699, 549, 100, 50), Region(left=100, top=50, right=700, bottom=550), "swapped"),
        (region(0, 0, 799, 599), SCREEN, TEXT_INSIDE),
    ],
    ids=["one-past-the-last-pixel", "swapped-corners", "the-whole-screen"],
)
def test_an_odd_location_is_understood(item: Dataset, region_read: Region, note: str | None) -> None:
    layout = chosen(calibrated(item))
    assert layout.region == region_read
    assert (note is None and not layout.notes) or any(str(note) in said for said in layout.notes)


@pytest.mark.parametrize(
    "item",
    [
        region(84, 31, 995, 414),
        region(100, 100, 100, 100),
        region(0, 0, 0, 599),
        region(0, 0, 40, 599),
        Dataset(),
    ],
    ids=["outside-the-picture", "one-point", "no-width", "too-narrow", "nothing-said"],
)
def test_a_region_of_no_use_leaves_the_others(item: Dataset) -> None:
    assert layout_of(item) is None
    assert chosen(item, SECTOR).region == Region(left=100, top=50, right=700, bottom=550)


def test_without_a_described_picture_there_is_no_layout() -> None:
    assert layout_of() is None
    assert layout_of(region(0, 560, 799, 599, spatial=4, data=10), region(780, 0, 799, 99, spatial=0, data=14)) is None
    header = pydicom.dcmread(SMALL, stop_before_pixels=True)  # its region is that of a picture twice as large
    assert machine_layout(header, 240, 320) is None


def test_what_was_left_out_is_said() -> None:
    nowhere = region(0, 0, 799, 599)
    del nowhere.RegionLocationMaxX1
    formless = region(100, 560, 699, 590, data=10)
    del formless.RegionSpatialFormat
    layout = chosen(nowhere, formless, SECTOR, region(0, 0, 3000, 3000, data=2))
    assert layout.contents == {Content.TISSUE, Content.ECG, Content.COLOUR_DOPPLER}
    assert layout.notes == (
        "a region of tissue without a location was left out",
        "a region without a spatial format was taken for ECG",
        NO_SPACING,
        "a region of colour Doppler lies outside the picture and was left out",
    )


def test_the_pixel_spacing_is_given_down_and_across_in_mm() -> None:
    layout = chosen(calibrated(region(100, 50, 699, 549)))
    assert layout.pixel_spacing_mm == pytest.approx((0.2, 0.3))
    assert layout.notes == ()


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"units": 4}, NO_SPACING),
        ({"units": 0}, NO_SPACING),
        ({"delta_x": 0.0}, "not credible"),
        ({"delta_y": -0.02}, "not credible"),
        ({"delta_x": 2.0}, "not credible"),
        ({"delta_y": float("nan")}, "not credible"),
    ],
)
def test_a_calibration_that_cannot_be_believed_gives_no_spacing(changes: dict[str, float], note: str) -> None:
    layout = chosen(calibrated(region(100, 50, 699, 549), **changes))  # type: ignore[arg-type]
    assert layout.pixel_spacing_mm is None
    assert note in layout.notes[0]


NUMBERS = st.none() | st.integers(0, 2**16 - 1) | st.integers(0, 900)


@st.composite
def anything(draw: st.DrawFn) -> Dataset:
    item = Dataset()
    keywords = ("RegionSpatialFormat", "RegionDataType", "PhysicalUnitsXDirection", "PhysicalUnitsYDirection")
    corners = [f"RegionLocation{name}" for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
    for keyword in (*keywords, "RegionFlags", *corners):
        value = draw(st.integers(0, 6) if keyword in keywords else NUMBERS)
        if value is not None:
            setattr(item, keyword, value)
    item.PhysicalDeltaX, item.PhysicalDeltaY = draw(st.floats(width=64)), draw(st.floats(width=64))
    return item


@given(st.lists(anything(), max_size=5))
def test_whatever_is_written_gives_a_region_inside_the_picture_or_a_reason(items: list[Dataset]) -> None:
    try:
        layout = layout_of(*items)
    except ClipError as error:
        assert str(error)
        return
    if layout is not None:
        assert layout.region.common(SCREEN) == layout.region
        assert min(layout.region.width, layout.region.height) >= 64
        assert layout.pixel_spacing_mm is None or all(0.01 <= side <= 5 for side in layout.pixel_spacing_mm)
