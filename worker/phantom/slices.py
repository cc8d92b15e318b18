"""Where the probe is: each view's slice of the body, in the probe's coordinates.

The probe is the origin; x runs to the right of the picture, z away from the probe, in cm. The heart is placed as a
sonographer would have it: in the apical views its apex towards the probe and the left ventricle on the right.
"""

from dataclasses import dataclass

import numpy as np

from worker.phantom.acquisition import APEX_CM, FURTHER_AWAY, USUAL_RADIUS_CM, Acquisition, PhantomView
from worker.phantom.heart import Heart
from worker.phantom.long_axis import Plane, paint_long_axis
from worker.phantom.other_slices import paint_abdomen, paint_short_axis
from worker.phantom.tissue import FAT, LIVER, LUNG, Slice
from worker.phantom.ventricle import Grid, LeftVentricle


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How a long-axis slice lies in the picture."""

    plane: Plane
    apex: tuple[float, float]
    """Where the left ventricle's apex is: (x, z)."""
    turn_deg: float
    """Of the long axis, from straight away from the probe towards the right of the picture."""
    mirrored: bool = False
    """Whether the lateral wall is to the left of the axis' direction, instead of to its right."""
    around: float = LUNG


PLACEMENTS = {
    PhantomView.APICAL_FOUR_CHAMBER: Placement(plane=Plane(), apex=(-0.1, APEX_CM), turn_deg=7),
    PhantomView.APICAL_FIVE_CHAMBER: Placement(plane=Plane(aorta=True), apex=(-0.2, APEX_CM), turn_deg=9),
    PhantomView.APICAL_TWO_CHAMBER: Placement(plane=Plane(right_heart=False), apex=(-0.2, 2.6), turn_deg=3),
    PhantomView.PARASTERNAL_LONG_AXIS: Placement(
        plane=Plane(right_atrium=False, right_width=0.65, aorta=True), apex=(-6.2, 6.6), turn_deg=82, mirrored=True
    ),
    PhantomView.SUBCOSTAL: Placement(plane=Plane(), apex=(4.6, 8.6), turn_deg=-68, around=LIVER),
}

CENTRING = 0.29
"""The larger the heart, the further right a sonographer puts the left ventricle: cm for each of its excess width."""


def slice_at(heart: Heart, acquisition: Acquisition, phase: float, x: Grid, z: Grid) -> Slice:
    """What the probe's slice holds at these points, `phase` of a beat after the R wave: the points stay as given."""
    dx, dz = x - acquisition.shift_cm[0], z - acquisition.shift_cm[1]
    if acquisition.view is PhantomView.ABDOMEN:
        picture = Slice.of(dx, dz, FAT)
        paint_abdomen(picture, np.random.default_rng(acquisition.seed))
        return picture
    if acquisition.view is PhantomView.PARASTERNAL_SHORT_AXIS:
        picture = Slice.of(*_turned(dx - 0.6, dz - 7.0, acquisition.tilt_deg, mirrored=False), LUNG)
        paint_short_axis(picture, heart, phase)
        return picture
    placement = PLACEMENTS[acquisition.view]
    turn = placement.turn_deg + acquisition.tilt_deg
    aside, below = placement.apex
    if placement.plane.right_atrium:
        larger = max(0.0, LeftVentricle.of(heart, 0.0).radius - USUAL_RADIUS_CM)
        aside += CENTRING * (heart.rv_diameter_mm / 10 + larger)
        below += FURTHER_AWAY * larger
    heart_x, heart_z = _turned(dx - aside, dz - below, turn, mirrored=placement.mirrored)
    picture = Slice.of(heart_x, heart_z, placement.around)
    paint_long_axis(picture, heart, phase, placement.plane)
    return picture


def _turned(dx: Grid, dz: Grid, turn_deg: float, *, mirrored: bool) -> tuple[Grid, Grid]:
    """Coordinates along axes that are turned: across the long axis, and along it."""
    sine, cosine = np.float32(np.sin(np.radians(turn_deg))), np.float32(np.cos(np.radians(turn_deg)))
    across = cosine * dx - sine * dz
    return (-across if mirrored else across), sine * dx + cosine * dz
