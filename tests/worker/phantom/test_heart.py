"""A synthetic heart keeps its numbers: in its curves, in its shape, and in what a slice of it holds."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.phantom.acquisition import Acquisition, PhantomView
from worker.phantom.heart import Device, Grade, Heart, sample_heart
from worker.phantom.long_axis import Plane, paint_long_axis
from worker.phantom.slices import slice_at
from worker.phantom.tissue import BLOOD, Slice
from worker.phantom.ventricle import LeftVentricle

seeds = st.integers(min_value=0, max_value=2**32 - 1)


def heart_of(seed: int, **fixed: object) -> Heart:
    return sample_heart(np.random.default_rng(seed), **fixed)


def volume_by_discs(half_widths: npt.NDArray[np.floating], length: float) -> float:
    """The method of discs in one plane: millilitres of half widths, in cm, at equal steps along a length in cm."""
    return float(np.pi * np.sum(np.asarray(half_widths, np.float64) ** 2) * length / len(half_widths))


@given(seeds)
def test_its_volumes_give_its_ejection_fraction(seed: int) -> None:
    heart = heart_of(seed)
    moments = [heart.volume_ml(phase) for phase in np.linspace(0, 1, 400, endpoint=False)]
    assert moments[0] == max(moments) == pytest.approx(heart.end_diastolic_volume_ml)
    ejected = 100 * (max(moments) - min(moments)) / max(moments)
    assert ejected == pytest.approx(heart.ejection_fraction, abs=0.05)


@given(seeds, st.floats(min_value=0, max_value=1))
def test_the_discs_of_its_left_ventricle_add_up_to_the_volume_of_the_moment(seed: int, phase: float) -> None:
    heart = heart_of(seed)
    left = LeftVentricle.of(heart, phase)
    middles = ((np.arange(400) + 0.5) / 400 * left.length).astype(np.float32)
    assert volume_by_discs(left.half_width(middles), left.length) == pytest.approx(heart.volume_ml(phase), rel=1e-3)


@given(seeds, st.floats(min_value=0, max_value=1))
def test_its_muscle_thickens_and_loses_nothing(seed: int, phase: float) -> None:
    heart = heart_of(seed)
    relaxed, now = LeftVentricle.of(heart, 0.0), LeftVentricle.of(heart, phase)

    def muscle(left: LeftVentricle) -> float:
        outer = (left.radius + left.wall) ** 2 * (left.length + left.wall)
        return outer - left.radius**2 * left.length

    assert muscle(now) == pytest.approx(muscle(relaxed), rel=1e-3)
    assert now.wall >= relaxed.wall - 1e-3


@pytest.mark.parametrize("pressure", [20.0, 80.0])
@pytest.mark.parametrize("phase", [0.0, 0.36])
def test_the_cavity_of_a_painted_slice_measures_what_is_true(pressure: float, phase: float) -> None:
    """As a sonographer would trace it: discs across the long axis, also where pressure bends the septum."""
    heart = heart_of(1, ejection_fraction=50.0, pa_pressure=pressure, heart_rate=60.0, devices=())
    left = LeftVentricle.of(heart, phase)
    x, z = np.meshgrid(np.linspace(-6, 6, 1201, dtype=np.float32), np.linspace(0.02, left.length - 0.02, 300))
    picture = Slice.of(x, z.astype(np.float32), 0.0)
    paint_long_axis(picture, heart, phase, Plane(right_heart=False))
    # Valves and papillary muscles count as cavity (Lang et al. 2015): filled between the outermost points of blood.
    widths = [x[row][cavity][-1] - x[row][cavity][0] for row, cavity in enumerate(picture.echo_db == BLOOD)]
    assert volume_by_discs(np.array(widths) / 2, left.length) == pytest.approx(heart.volume_ml(phase), rel=0.03)


def test_pressure_pushes_the_septum_to_the_left() -> None:
    def septum(pressure: float) -> float:
        heart = heart_of(1, pa_pressure=pressure, heart_rate=60.0, rv_diameter_mm=40.0)
        x, z = np.linspace(-6, 6, 1201, dtype=np.float32)[None, :], np.full((1, 1201), 3.5, np.float32)
        picture = Slice.of(x, z, 0.0)
        paint_long_axis(picture, heart, 0.3, Plane())
        return float(x[picture.echo_db == BLOOD].max())

    assert septum(80) > septum(25) + 0.3


@given(seeds)
def test_grades_are_those_of_the_numbers(seed: int) -> None:
    heart = heart_of(seed)
    assert (heart.lv_size is Grade.NORMAL) == (heart.end_diastolic_volume_ml < 150)
    assert (heart.rv_size is Grade.SEVERE) == (heart.rv_diameter_mm >= 52)
    assert (heart.la_size is Grade.NORMAL) == (heart.la_volume_ml < 65)
    assert (heart.ra_size is Grade.SEVERE) == (heart.ra_area_cm2 >= 26)


def test_every_grade_and_device_comes_up() -> None:
    hearts = [heart_of(seed) for seed in range(400)]
    for size in ("lv_size", "rv_size", "la_size", "ra_size"):
        assert {getattr(heart, size) for heart in hearts} == set(Grade)
    for device in Device:
        assert 0.1 < np.mean([device in heart.devices for heart in hearts]) < 0.3


@pytest.mark.parametrize(
    ("device", "shown_in"),
    [
        (Device.PACEMAKER, {PhantomView.APICAL_FOUR_CHAMBER, PhantomView.APICAL_FIVE_CHAMBER, PhantomView.SUBCOSTAL}),
        (Device.TAVR, {PhantomView.APICAL_FIVE_CHAMBER, PhantomView.PARASTERNAL_LONG_AXIS}),
        (Device.MITRACLIP, set(PhantomView) - {PhantomView.PARASTERNAL_SHORT_AXIS, PhantomView.ABDOMEN}),
        (Device.IMPELLA, set(PhantomView) - {PhantomView.PARASTERNAL_SHORT_AXIS, PhantomView.ABDOMEN}),
    ],
)
def test_a_device_is_in_the_slices_that_cut_it(device: Device, shown_in: set[PhantomView]) -> None:
    down, across = np.mgrid[0.5:20:0.1, -10:10:0.1].astype(np.float32)
    for view in PhantomView:
        with_it = slice_at(heart_of(3, devices=[device]), Acquisition(view=view, seed=1), 0.0, across, down)
        without = slice_at(heart_of(3, devices=[]), Acquisition(view=view, seed=1), 0.0, across, down)
        assert with_it.device.any() == (view in shown_in)
        assert not without.device.any()
