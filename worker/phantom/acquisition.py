"""How a synthetic heart is scanned: the view, the machine's settings, and how well the window is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from worker.phantom.heart import Heart
from worker.phantom.ventricle import LeftVentricle

APEX_CM = 2.7
"""How far from the probe the apex of a heart of usual size is, in the apical views."""
USUAL_RADIUS_CM = 2.4
FURTHER_AWAY = 1.2
"""The larger the left ventricle, the further from its apex the probe is held, so that the fan takes in the whole heart:
cm for each of its excess radius."""


class PhantomView(StrEnum):
    """What a synthetic clip shows; the values are view ids of the catalogue."""

    APICAL_FOUR_CHAMBER = "apical_four_chamber"
    APICAL_FIVE_CHAMBER = "apical_five_chamber"
    APICAL_TWO_CHAMBER = "apical_two_chamber"
    PARASTERNAL_LONG_AXIS = "parasternal_long_axis"
    PARASTERNAL_SHORT_AXIS = "parasternal_short_axis"
    SUBCOSTAL = "subcostal"
    ABDOMEN = "abdomen"


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """One clip's settings."""

    view: PhantomView
    seed: int
    """Of the speckle, the noise and the drop-out."""
    depth_cm: float = 16.0
    half_angle_deg: float = 42.0
    """Of the sector."""
    frame_rate: float = 50.0
    """Frames a second."""
    number_of_frames: int = 60
    gain_db: float = 0.0
    dynamic_range_db: float = 58.0
    frequency_mhz: float = 2.5
    aperture_cm: float = 1.9
    focus_cm: float = 9.0
    attenuation_db_per_cm: float = 0.35
    """What is left of it after the machine's compensation, with depth."""
    noise_db: float = -46.0
    """Of the electronics, against the myocardium's echo near the probe."""
    clutter_db: float = -15.0
    """At the probe, against the myocardium: sound that went to and fro in the chest wall veils what lies near."""
    dropout: float = 0.5
    """How much of the sector the ribs and the lung take away: 0 nothing, 1 a poor window."""
    tilt_deg: float = 0.0
    """How far the heart's long axis is turned in the picture."""
    shift_cm: tuple[float, float] = (0.0, 0.0)
    """How far the heart lies to the right, and deeper."""
    first_phase: float = 0.0
    """The part of a beat that has passed when the clip begins, 0..1."""
    persistence: float = 0.25
    """How much of a frame's brightness stays in the next."""


def sample_acquisition(random: np.random.Generator, view: PhantomView, heart: Heart, **fixed: Any) -> Acquisition:
    """Settings and a window as they come; `fixed` are fields that are given and not drawn.

    The depth is set as a sonographer would: the whole heart is in the picture.
    """
    drawn: dict[str, Any] = {
        "seed": int(random.integers(2**31)),
        "depth_cm": _needed_depth(heart, view) * random.uniform(1.0, 1.15),
        "half_angle_deg": random.uniform(36, 45),
        "frame_rate": float(random.choice([30, 40, 50, 60])),
        "gain_db": random.normal(0, 3),
        "dynamic_range_db": random.uniform(50, 66),
        "frequency_mhz": random.uniform(2.0, 3.4),
        "aperture_cm": random.uniform(1.6, 2.2),
        "focus_cm": random.uniform(6, 12),
        "attenuation_db_per_cm": random.uniform(0.15, 0.6),
        "noise_db": random.uniform(-52, -40),
        "clutter_db": random.uniform(-20, -7),
        "dropout": random.beta(1.5, 2.5),
        "tilt_deg": random.normal(0, 5),
        "shift_cm": (random.normal(0, 0.45), random.normal(0, 0.35)),
        "first_phase": random.uniform(0, 1),
        "persistence": random.uniform(0.0, 0.4),
    }
    return Acquisition(view=view, **{**drawn, **fixed})


def _needed_depth(heart: Heart, view: PhantomView) -> float:
    """Centimetres down to the atria's roofs, in the apical views."""
    if view is PhantomView.ABDOMEN:
        return 15.0
    atrium = max(2 * 1.12 * (heart.la_volume_ml / 4.69) ** (1 / 3), 2.2 * (heart.ra_area_cm2 / 3.46) ** 0.5)
    ventricle = LeftVentricle.of(heart, 0.0)
    apex = APEX_CM + FURTHER_AWAY * max(0.0, ventricle.radius - USUAL_RADIUS_CM)
    return float(max(14.5, apex + ventricle.length + 0.9 * atrium))
