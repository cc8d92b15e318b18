"""A synthetic heart: the numbers that its pictures, its report and the truth about it are all made from.

Sizes and their grades follow the recommendations for chamber quantification (Lang et al., J Am Soc Echocardiogr 2015;
28:1-39, values of men, with a body surface area of 1.9 m2 where they are indexed). How the numbers go together, such as
a large, round, thin-walled ventricle with a low ejection fraction, and leaflets that open less the less flows through
them (the E point's separation from the septum; Massie et al., Am J Cardiol 1977; 39:21-26), is plausible and made up:
nothing here was fitted to patients. A frame by itself is to tell of function, as it does in patients: EchoCLIP embeds
single frames.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import cos, exp, pi, sqrt
from typing import Any

import numpy as np


class Device(StrEnum):
    """What may have been implanted; the values are task ids of the catalogue."""

    PACEMAKER = "pacemaker"
    TAVR = "tavr"
    MITRACLIP = "mitraclip"
    IMPELLA = "impella"


class Grade(StrEnum):
    """Size of a chamber; the values are class ids of the catalogue."""

    NORMAL = "normal"
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


LV_VOLUME_ML = (150.0, 175.0, 201.0)
"""End-diastolic volumes from which a left ventricle is mildly, moderately, severely enlarged (Lang 2015, table 2)."""
RV_DIAMETER_MM = (42.0, 47.0, 52.0)
"""Basal diameters of the right ventricle. Above 41 mm it is dilated (Lang 2015); the steps above it are ours."""
LA_VOLUME_ML = (65.0, 80.0, 93.0)
"""Volumes of the left atrium: 35, 42 and 49 ml/m2 (Lang 2015, table 4)."""
RA_AREA_CM2 = (18.0, 22.0, 26.0)
"""Areas of the right atrium. Above 18 cm2 it is dilated (Lang 2015); the steps above it are ours."""
MOST_ENLARGED = {"lv": 270.0, "rv": 60.0, "la": 135.0, "ra": 34.0}
SMALLEST = {"lv": 75.0, "rv": 29.0, "la": 32.0, "ra": 10.0}
PRE_EJECTION_S = 0.04
SYSTOLE_S = 0.30
"""Ejection at a heart rate of 60 a minute; it shortens with the square root of the beat's length."""
EARLY_FILLING_S = 0.19
ATRIAL_KICK_S = 0.12
KICK = 0.2
"""The part of the stroke volume that atrial contraction adds."""
NORMAL_FUNCTION = 60.0
"""The ejection fraction, in percent, from which on leaflets open fully and nothing has remodelled."""
LEAST_REACH = 0.25


@dataclass(frozen=True, kw_only=True)
class Heart:
    """All that is true of one synthetic heart."""

    ejection_fraction: float
    """Percent, of the left ventricle's volumes below."""
    end_diastolic_volume_ml: float
    heart_rate: float
    """Beats a minute; every beat is the same."""
    pa_pressure: float
    """Systolic pressure in the pulmonary artery, mmHg. It shows as the right ventricle's thicker wall, lesser motion
    and, beyond 35 mmHg, a septum that it pushes towards the left ventricle in systole."""
    rv_diameter_mm: float
    """Basal, at end diastole."""
    la_volume_ml: float
    """At end systole, as it is measured."""
    ra_area_cm2: float
    """At end systole."""
    sphericity: float
    """Width of the left ventricle over its length, at end diastole."""
    wall_cm: float
    """Thickness of the left ventricle's wall at end diastole."""
    devices: frozenset[Device] = field(default_factory=frozenset)

    @property
    def stroke_volume_ml(self) -> float:
        """What a beat ejects."""
        return self.end_diastolic_volume_ml * self.ejection_fraction / 100

    @property
    def end_systolic_volume_ml(self) -> float:
        """What it leaves."""
        return self.end_diastolic_volume_ml - self.stroke_volume_ml

    @property
    def lv_size(self) -> Grade:
        """Of the left ventricle, by its end-diastolic volume."""
        return _grade(self.end_diastolic_volume_ml, LV_VOLUME_ML)

    @property
    def rv_size(self) -> Grade:
        """Of the right ventricle, by its basal diameter."""
        return _grade(self.rv_diameter_mm, RV_DIAMETER_MM)

    @property
    def la_size(self) -> Grade:
        """Of the left atrium, by its volume."""
        return _grade(self.la_volume_ml, LA_VOLUME_ML)

    @property
    def ra_size(self) -> Grade:
        """Of the right atrium, by its area."""
        return _grade(self.ra_area_cm2, RA_AREA_CM2)

    @property
    def beat_s(self) -> float:
        """From one R wave to the next."""
        return 60 / self.heart_rate

    @property
    def end_systole_s(self) -> float:
        """When ejection ends, from the R wave."""
        return PRE_EJECTION_S + SYSTOLE_S * sqrt(self.beat_s)

    def contraction(self, phase: float) -> float:
        """How much of the stroke volume is ejected and not yet filled again: 0 at end diastole, 1 at end systole.

        `phase` is the part of a beat that has passed since the R wave, 0..1 (periodic).
        """
        at = (phase % 1.0) * self.beat_s
        kick_begins = self.beat_s - ATRIAL_KICK_S
        filled = min(self.end_systole_s + EARLY_FILLING_S, kick_begins)
        if at < self.end_systole_s:
            return _rise((at - PRE_EJECTION_S) / (self.end_systole_s - PRE_EJECTION_S))
        if at < filled:
            return 1 - (1 - KICK) * _rise((at - self.end_systole_s) / (filled - self.end_systole_s))
        if at < kick_begins:
            return KICK
        return KICK * (1 - _rise((at - kick_begins) / ATRIAL_KICK_S))

    @property
    def leaflets_reach(self) -> float:
        """How far the left heart's leaflets open, 0..1: as the flow through them lets them."""
        return float(np.clip(self.ejection_fraction / NORMAL_FUNCTION, LEAST_REACH, 1.0))

    def aortic_opening(self, phase: float) -> float:
        """How far the aortic valve is open, 0..1: during ejection."""
        is_open = PRE_EJECTION_S < (phase % 1.0) * self.beat_s < self.end_systole_s
        return self.leaflets_reach if is_open else 0.0

    def mitral_opening(self, phase: float) -> float:
        """How far the mitral valve is open, 0..1."""
        return self.leaflets_reach * self.tricuspid_opening(phase)

    def tricuspid_opening(self, phase: float) -> float:
        """How far the valves of filling would open, 0..1: wide early, half closed, wide in atrial contraction."""
        at = (phase % 1.0) * self.beat_s
        since, until = at - self.end_systole_s, self.beat_s - at
        if since < 0 or until < 0.03:
            return 0.0
        early, late = exp(-(((since - 0.09) / 0.07) ** 2)), exp(-(((until - 0.09) / 0.05) ** 2))
        return min(1.0, early + 0.8 * late + 0.25 * min(1.0, since / 0.1))

    def volume_ml(self, phase: float) -> float:
        """The left ventricle's volume."""
        return self.end_diastolic_volume_ml - self.stroke_volume_ml * self.contraction(phase)


def sample_heart(random: np.random.Generator, **fixed: Any) -> Heart:
    """A heart like those that come to an echo laboratory: half of them normal in most respects.

    Parameters
    ----------
    fixed
        Fields that are given and not drawn, as `ejection_fraction=30.0`; what depends on them is drawn to fit.
    """

    def drawn(name: str, value: float) -> float:
        return float(fixed[name]) if name in fixed else float(value)

    ejection_fraction = drawn("ejection_fraction", random.uniform(12, 76))
    lost = max(0.0, NORMAL_FUNCTION - ejection_fraction)
    volume = drawn("end_diastolic_volume_ml", _between("lv", random.normal(98 + 1.5 * lost, 28)))
    pressure = drawn("pa_pressure", 18 + random.gamma(1.7, 14))
    pressure = min(pressure, 92.0)
    rv = drawn("rv_diameter_mm", _between("rv", random.normal(34 + 0.2 * max(0.0, pressure - 25), 5.5)))
    la = drawn("la_volume_ml", _between("la", random.normal(50 + 0.5 * lost, 19)))
    ra = drawn("ra_area_cm2", _between("ra", random.normal(14 + 0.6 * (rv - 34), 3.5)))
    rounder = 0.5 + 0.0011 * (volume - 110) + 0.002 * lost
    return Heart(
        ejection_fraction=ejection_fraction,
        end_diastolic_volume_ml=volume,
        heart_rate=drawn("heart_rate", np.clip(random.normal(72, 13), 45, 120)),
        pa_pressure=pressure,
        rv_diameter_mm=rv,
        la_volume_ml=la,
        ra_area_cm2=ra,
        sphericity=drawn("sphericity", np.clip(random.normal(rounder, 0.03), 0.42, 0.8)),
        wall_cm=drawn("wall_cm", np.clip(random.normal(0.98 - 0.003 * lost, 0.09), 0.6, 1.4)),
        devices=frozenset(fixed["devices"]) if "devices" in fixed else _sample_devices(random),
    )


def _sample_devices(random: np.random.Generator, chance: float = 0.2) -> frozenset[Device]:
    """Each with the same chance; no pump through a prosthesis that was just put there."""
    there = {device for device in Device if random.random() < chance}
    if {Device.TAVR, Device.IMPELLA} <= there:
        there.remove(Device(random.choice([Device.TAVR, Device.IMPELLA])))
    return frozenset(there)


def _between(chamber: str, value: float) -> float:
    return float(np.clip(value, SMALLEST[chamber], MOST_ENLARGED[chamber]))


def _grade(value: float, steps: Sequence[float]) -> Grade:
    return list(Grade)[bisect_right(steps, value)]


def _rise(part: float) -> float:
    """From 0 to 1 as `part` does, smoothly at both ends."""
    return 0.5 - 0.5 * cos(pi * min(max(part, 0.0), 1.0))
