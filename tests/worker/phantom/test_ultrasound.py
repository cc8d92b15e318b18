"""The pictures of a synthetic heart are ultrasound: speckle that interferes and moves along, shadows, a fan."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from worker.phantom.acquisition import Acquisition, PhantomView, sample_acquisition
from worker.phantom.heart import Device, Heart, sample_heart
from worker.phantom.tissue import Slice
from worker.phantom.ultrasound import BEAMS, BRIGHTEST_DB, SAMPLES, Machine, image_clip

ACQUISITION = Acquisition(view=PhantomView.APICAL_FOUR_CHAMBER, seed=5, number_of_frames=12, frame_rate=12.0)


def heart(**fixed: object) -> Heart:
    return sample_heart(np.random.default_rng(2), **{"heart_rate": 60.0, "devices": (), **fixed})


def test_a_seed_decides_every_pixel() -> None:
    one = image_clip(heart(), ACQUISITION, rows=150, columns=200, only=[0, 4])
    same = image_clip(heart(), ACQUISITION, rows=150, columns=200, only=[0, 4])
    other = image_clip(heart(), replace(ACQUISITION, seed=6), rows=150, columns=200, only=[0, 4])
    assert np.array_equal(one.frames, same.frames)
    assert not np.array_equal(one.frames, other.frames)


def test_nothing_is_drawn_outside_the_fan() -> None:
    clip = image_clip(heart(), ACQUISITION, rows=150, columns=200, only=[0])
    assert not clip.frames[:, ~clip.fan].any()
    assert 0.4 < clip.fan.mean() < 0.8
    assert clip.cm_per_pixel * 150 >= ACQUISITION.depth_cm


def test_r_waves_are_where_the_ventricle_is_full() -> None:
    clip = image_clip(
        heart(), replace(ACQUISITION, first_phase=0.25, number_of_frames=30), rows=64, columns=64, only=[0]
    )
    assert clip.r_wave_times_ms == pytest.approx((750.0, 1750.0))


def envelope(machine: Machine) -> npt.NDArray[np.float32]:
    """Of homogeneous tissue, in amplitude."""
    tissue = Slice.of(machine.x, machine.z, 0.0)
    grey = (machine.level(tissue) / 255) ** (1 / 1.3)
    decibels = (grey - 1) * LOOKED_AT.dynamic_range_db + BRIGHTEST_DB
    amplitude: npt.NDArray[np.float32] = (10 ** (decibels / 20)).astype(np.float32)
    return amplitude


LOOKED_AT = replace(ACQUISITION, dropout=0.0, attenuation_db_per_cm=0.0, noise_db=-90.0, dynamic_range_db=120.0)


def test_speckle_of_homogeneous_tissue_is_fully_developed() -> None:
    """The envelope of many scatterers in a resolution cell is Rayleigh distributed: mean over deviation is 1.91
    (Burckhardt, IEEE Trans Sonics Ultrason 1978)."""
    machine = Machine(LOOKED_AT, np.random.default_rng(1))
    machine.patches[:] = 0
    part = envelope(machine)[SAMPLES // 3 : -SAMPLES // 6, BEAMS // 4 : -BEAMS // 4]
    assert part.mean() / part.std() == pytest.approx(1.91, abs=0.15)


def test_speckle_is_finer_at_the_focus_than_away_from_it() -> None:
    def across(focus_cm: float) -> float:
        """How alike two neighbouring beams are around 9 cm."""
        machine = Machine(replace(LOOKED_AT, focus_cm=focus_cm), np.random.default_rng(1))
        at = round(9 / LOOKED_AT.depth_cm * SAMPLES)
        part = envelope(machine)[at - 40 : at + 40, BEAMS // 4 : -BEAMS // 4]
        return float(np.corrcoef(part[:, :-2].ravel(), part[:, 2:].ravel())[0, 1])

    assert across(9.0) < across(3.0) - 0.1


def test_speckle_moves_with_the_tissue() -> None:
    machine = Machine(LOOKED_AT, np.random.default_rng(1))
    machine.passes[:] = 1
    at_rest = Slice.of(machine.x, machine.z, 0.0)
    moved = Slice.of(machine.x, machine.z, 0.0)
    samples = 14
    shift = samples * LOOKED_AT.depth_cm / SAMPLES
    moved.source_z = moved.source_z - np.float32(shift)  # the tissue has come down by half a centimetre
    middle = slice(BEAMS // 2 - 8, BEAMS // 2 + 8)
    before, after = (gaussian_filter(machine.level(each)[:, middle], 1) for each in (at_rest, moved))

    def alike(by: int) -> float:
        return float(np.corrcoef(before[100 : 300 - by].ravel(), after[100 + by : 300].ravel())[0, 1])

    assert alike(samples) > 0.5
    assert alike(0) < 0.3


@pytest.mark.parametrize("device", [Device.PACEMAKER, Device.MITRACLIP, Device.IMPELLA])
def test_a_device_is_the_brightest_thing_around_it(device: Device) -> None:
    acquisition = replace(ACQUISITION, dropout=0.1)
    without = image_clip(heart(), acquisition, rows=200, columns=260, only=[0])
    clip = image_clip(heart(devices=[device]), acquisition, rows=200, columns=260, only=[0])
    there = clip.devices[0]
    assert 0.0005 < there.sum() / clip.fan.sum() < 0.06
    assert clip.frames[0][there].mean() > without.frames[0][there].mean() + 40
    far = clip.fan & (gaussian_filter(there.astype(float), 12) < 1e-3)
    assert np.abs(clip.frames[0][far].astype(int) - without.frames[0][far]).mean() < 4


def test_the_depth_takes_in_the_whole_heart() -> None:
    for seed in range(40):
        random = np.random.default_rng(seed)
        large = sample_heart(random, end_diastolic_volume_ml=250.0, la_volume_ml=120.0)
        acquisition = sample_acquisition(random, PhantomView.APICAL_FOUR_CHAMBER, large)
        assert 15 < acquisition.depth_cm < 25
