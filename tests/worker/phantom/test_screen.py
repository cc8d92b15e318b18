"""A screen holds its sector pixel for pixel, and draws around it what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.phantoms import ACQUISITION, BEAT_MS, FIRST_R_WAVE_MS, noise_in_a_fan, words
from worker.phantom.acquisition import sample_acquisition
from worker.phantom.coding import jpeg_round_trip
from worker.phantom.heart import sample_heart
from worker.phantom.screen import Screen, compose
from worker.phantom.screen_parts import Electrocardiogram, VendorStyle
from worker.phantom.styles import HELD_OUT_STYLE, STYLES, TRAINING_STYLES
from worker.pixels.regions import Region

DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "phantom.md").read_text()
every_style = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
AT_THE_R_WAVE, BETWEEN_BEATS = FIRST_R_WAVE_MS, FIRST_R_WAVE_MS + 0.65 * BEAT_MS


def shown(style: VendorStyle, *times_ms: float, **changes: object) -> Screen:
    return compose(noise_in_a_fan(style, times_ms=times_ms), style, words(**changes))


def inside(frame: npt.NDArray[np.uint8], box: Region) -> npt.NDArray[np.uint8]:
    return frame[box.top : box.bottom, box.left : box.right]


@every_style
def test_the_sector_is_the_clips_in_the_machines_colours(style: VendorStyle) -> None:
    clip = noise_in_a_fan(style, times_ms=(0.0,))
    screen = compose(clip, style, words())
    assert screen.frames.shape == (1, style.rows, style.columns, 3)
    coloured = style.colours()[clip.frames[0]]
    same = (inside(screen.frames[0], screen.sector) == coloured).all(axis=-1)[clip.fan]
    assert same.mean() > 0.98  # an ECG may lie over the rest
    levels = style.colours().astype(int).sum(axis=1)
    assert (np.diff(levels) >= 0).all()
    assert levels[0] == 0
    assert levels[-1] == 3 * 255


@every_style
def test_the_widest_and_the_narrowest_sector_fit(style: VendorStyle) -> None:
    for angle in (30.0, 45.0, 60.0):
        rows, columns = style.sector_shape(angle)
        assert rows <= style.sector.height
        assert columns <= style.sector.width
        assert rows == style.sector.height or columns >= style.sector.width - 2  # as large as it can be
        assert columns / rows == pytest.approx(2 * np.sin(np.radians(angle)), rel=0.01)


@every_style
def test_only_text_depends_on_who_is_examined(style: VendorStyle) -> None:
    one, other = (shown(style, 0.0, patient_name=name) for name in ("PHANTOM, A", "PHANTOM, WIDER NAME"))
    changed = (one.frames[0] != other.frames[0]).any(axis=-1)
    assert changed.any()
    assert not inside(changed, one.sector)[noise_in_a_fan(style, times_ms=(0.0,)).fan].any()


@every_style
def test_the_heart_rate_or_the_depth_is_written_on_it(style: VendorStyle) -> None:
    one, other = shown(style, 0.0), shown(style, 0.0, heart_rate=111.0, depth_cm=22.0)
    assert (one.frames != other.frames).any()


def trace_of(style: VendorStyle, time_ms: float) -> tuple[npt.NDArray[np.bool_], Electrocardiogram]:
    """Where the ECG's colour is at this time, in a clip of which three beats are shown."""
    assert style.ecg is not None
    # On an empty sector, since it may lie over it; in a colour of its own, without the cursor over it.
    ecg = replace(style.ecg, colour=(255, 0, 255), cursor=(0, 0, 0), width=1)
    plain = replace(style, ecg=ecg)
    clip = noise_in_a_fan(plain, times_ms=(0.0, time_ms, 1600.0))
    frame = compose(clip, plain, words()).frames[1]
    return (inside(frame, ecg.box) == (255, 0, 255)).all(axis=-1), ecg


@pytest.mark.parametrize("style", [style for style in STYLES.values() if style.ecg], ids=lambda style: style.name)
def test_the_ecg_is_in_step_with_the_r_waves(style: VendorStyle) -> None:
    assert style.ecg is not None
    if style.ecg.kind == "sweep":
        # The pen: the last column that is drawn before the gap.
        for time_ms, high in ((AT_THE_R_WAVE, True), (BETWEEN_BEATS, False)):
            trace, ecg = trace_of(style, time_ms)
            drawn = trace.any(axis=0)
            columns = np.flatnonzero(drawn)
            gaps = np.flatnonzero(np.diff(columns) > 5)
            pen = columns[gaps[0]] if gaps.size else columns[-1]
            top = np.flatnonzero(trace[:, pen - 2 : pen + 1].any(axis=1))[0]
            assert bool(top < 0.25 * ecg.box.height) is high
    else:
        trace, ecg = trace_of(style, 0.0)
        tops = np.where(trace.any(axis=0), trace.argmax(axis=0), ecg.box.height)
        peaks = np.flatnonzero(tops < 0.15 * ecg.box.height)
        begins, ends = min(0.0, 1.63 - ecg.span_s), 1.63
        at = (FIRST_R_WAVE_MS / 1000 - begins) / (ends - begins) * (ecg.box.width - 1)
        assert np.abs(peaks - at).min() <= 2


@pytest.mark.parametrize("style", [style for style in STYLES.values() if style.ecg], ids=lambda style: style.name)
def test_the_cursor_of_the_ecg_runs(style: VendorStyle) -> None:
    assert style.ecg is not None
    screen = shown(style, 0.0, 400.0)
    one, other = (inside(frame, style.ecg.box) for frame in screen.frames)
    assert (one != other).any()


@pytest.mark.parametrize(
    "style", [s for s in STYLES.values() if s.depth.where != "along the edge"], ids=lambda s: s.name
)
def test_the_marks_of_depth_are_where_the_centimetres_are(style: VendorStyle) -> None:
    screen = shown(style, 0.0)
    rows, _ = style.sector_shape(40.0)
    x = screen.sector.right + 10 if style.depth.where == "right" else screen.sector.left - 10
    for depth in (1, 6, 11):
        y = int(screen.sector.top + depth * rows / 16.0)
        assert tuple(screen.frames[0, y, x]) == style.depth.colour


@every_style
def test_the_documentation_has_every_machine(style: VendorStyle) -> None:
    (row,) = (line for line in DOCUMENTATION.splitlines() if line.startswith(f"| `{style.name}` |"))
    assert f"| {style.columns} x {style.rows} |" in row
    assert ("| none |" in row) is (style.region == "none")
    assert ("held out" in row) is (style is HELD_OUT_STYLE)


def test_a_sector_too_large_for_its_place_is_refused() -> None:
    large, small = STYLES["quarry"], STYLES["meadow"]
    with pytest.raises(ValueError, match="meadow has place for"):
        compose(noise_in_a_fan(large, times_ms=(0.0,)), small, words())


def test_the_held_out_machine_is_like_no_other() -> None:
    assert HELD_OUT_STYLE not in TRAINING_STYLES
    assert len(TRAINING_STYLES) >= 5
    others = TRAINING_STYLES
    assert (HELD_OUT_STYLE.rows, HELD_OUT_STYLE.columns) not in {(style.rows, style.columns) for style in others}
    assert HELD_OUT_STYLE.tint not in {style.tint for style in others}
    assert len({style.manufacturer for style in STYLES.values()}) == len(STYLES)
    assert sum(style.region == "none" for style in STYLES.values()) == 2


def test_jpeg_leaves_the_picture_and_takes_its_edges() -> None:
    style = STYLES["meadow"]
    frames = shown(style, 0.0, 25.0).frames // 2
    coded = jpeg_round_trip(frames, quality=75)
    assert coded.shape == frames.shape
    error = np.abs(coded.astype(int) - frames)
    assert 0 < error.mean() < 20
    worse = np.abs(jpeg_round_trip(frames, quality=30).astype(int) - frames)
    assert worse.mean() > error.mean()


def test_settings_as_they_come_fit_every_machine() -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        acquisition = sample_acquisition(random, ACQUISITION.view, sample_heart(random))
        for style in STYLES.values():
            rows, columns = style.sector_shape(acquisition.half_angle_deg)
            assert min(rows, columns) > 224
