"""Slices along the left ventricle's long axis: of four, five and two chambers, and the parasternal one.

In heart coordinates: the left ventricle's apex is the origin, z runs along its long axis to the base, x towards the
lateral wall, so that the right heart is at negative x. How the slice lies in the picture is not decided here.
"""

from dataclasses import dataclass, field

import numpy as np

from worker.phantom.heart import Device, Heart
from worker.phantom.implants import draw_clip, draw_lead, draw_pump, draw_stent
from worker.phantom.tissue import BLOOD, FIBROUS, LEAFLET, MUSCLE, THIN_WALL, Slice, bent
from worker.phantom.ventricle import Grid, LeftVentricle


@dataclass(frozen=True, kw_only=True)
class Plane:
    """What a slice cuts."""

    right_heart: bool = True
    right_atrium: bool = True
    right_width: float = 1.0
    """Of the right ventricle, against its basal diameter: less where it is cut elsewhere."""
    aorta: bool = False


@dataclass
class Moment:
    """Where the parts of a heart are, `phase` of a beat after the R wave."""

    heart: Heart
    phase: float
    plane: Plane
    contraction: float = field(init=False)
    left: LeftVentricle = field(init=False)
    relaxed: LeftVentricle = field(init=False)

    def __post_init__(self) -> None:
        self.contraction = self.heart.contraction(self.phase)
        self.left = LeftVentricle.of(self.heart, self.phase)
        self.relaxed = LeftVentricle.of(self.heart, 0.0)
        overload = max(0.0, self.heart.pa_pressure - 25)
        diameter = self.heart.rv_diameter_mm / 10
        self.septal_bow = min(0.9, 0.016 * max(0.0, self.heart.pa_pressure - 35)) * (0.35 + 0.65 * self.contraction)
        """How far the septum is pushed to the left; the discs stay as wide as they are."""
        self.right_width = diameter * self.plane.right_width * (1 - (0.26 - 0.0022 * overload) * self.contraction)
        self.right_wall = 0.38 + 0.006 * overload
        excursion = np.clip(2.2 - 0.013 * overload - 0.25 * max(0.0, diameter - 4.1), 0.8, 2.3)
        self.tricuspid = 0.96 * self.relaxed.length - float(excursion) * self.contraction
        """Of the tricuspid annulus: z."""
        self.right_apex = self.relaxed.length * (0.28 - 0.1 * np.clip((diameter - 3.6) / 1.6, 0, 1))
        self._atria()

    def _atria(self) -> None:
        # The atria are measured when they are largest: at end systole.
        systolic = LeftVentricle.of(self.heart, self.heart.end_systole_s / self.heart.beat_s)
        self.la_width = (self.heart.la_volume_ml / (4 / 3 * np.pi * 1.12)) ** (1 / 3)
        self.ra_width = float(np.sqrt(self.heart.ra_area_cm2 / (np.pi * 1.1)))
        self.la_roof = systolic.length - 0.5 + 2 * 1.12 * self.la_width
        self.la_centre = (self.left.length - 0.5 + self.la_roof) / 2
        self.ra_roof = self.tricuspid + 1.2 * self.contraction - 0.9 + 2 * 1.1 * self.ra_width
        self.la_x = max(0.0, self.la_width - self.left.annulus - 0.1)
        self.atrial_septum = min(self.la_x - self.la_width - 0.12, -self.left.annulus - 0.1)
        self.ra_x = self.atrial_septum - 0.15 - self.ra_width

    @property
    def aortic_root(self) -> tuple[float, float]:
        """The middle of the aortic annulus."""
        return 1.1 - self.left.annulus, self.left.length - 0.1

    @property
    def septal_hinge(self) -> float:
        """Of the mitral valve, at its annulus: x."""
        return 2.1 - self.left.annulus if self.plane.aorta else -self.left.annulus

    @property
    def coaptation(self) -> float:
        """Where the mitral leaflets meet: x."""
        return self.septal_hinge + 0.62 * (self.left.annulus - self.septal_hinge)

    def left_atrium(self, picture: Slice) -> Grid:
        """As `Slice.ellipse`."""
        return picture.ellipse((self.la_x, self.la_centre), (self.la_width, self.la_roof - self.la_centre))

    def right_atrium(self, picture: Slice) -> Grid:
        """As `Slice.ellipse`."""
        centre = (self.tricuspid - 0.4 + self.ra_roof) / 2
        return picture.ellipse((self.ra_x, centre), (self.ra_width, self.ra_roof - centre))

    def axis(self, z: Grid) -> Grid:
        """The middle of the left ventricle's discs: x."""
        part = np.clip(z / self.left.length, 0, 1)
        middle: Grid = self.septal_bow * np.sin(np.pi * part)
        return middle

    def septum(self, z: Grid) -> Grid:
        """The right ventricle's side of the septum: x."""
        side: Grid = self.axis(z) - self.left.outer_half_width(z)
        return side

    def right_depth(self, z: Grid) -> Grid:
        """From the septum to the right ventricle's free wall; 0 above its apex."""
        part = np.clip((z - self.right_apex) / (self.tricuspid - self.right_apex), 0, 1.05)
        depth: Grid = self.right_width * np.sqrt(np.maximum(1 - ((part - 0.78) / 0.78) ** 2, 0))
        return depth


def paint_long_axis(picture: Slice, heart: Heart, phase: float, plane: Plane) -> None:
    """Paint a slice, given in heart coordinates."""
    moment = Moment(heart=heart, phase=phase, plane=plane)
    _move(picture, moment)
    _paint_walls(picture, moment)
    _paint_cavities(picture, moment)
    if plane.aorta:
        _paint_aorta(picture, moment)
    _paint_valves(picture, moment)
    _paint_devices(picture, moment)


def _move(picture: Slice, moment: Moment) -> None:
    """Where each point's tissue was at end diastole: the muscle thickens without losing any of itself."""
    left, relaxed = moment.left, moment.relaxed
    x, z = picture.x, picture.z
    below = np.clip((z - left.length) / max(moment.la_roof - left.length, 1.0), 0, 1)
    stretched = np.where(
        z < left.length, z * relaxed.length / left.length, z + (relaxed.length - left.length) * (1 - below)
    )
    picture.source_z = np.where(z < 0, z, stretched).astype(np.float32)
    from_axis = x - moment.axis(z)
    across, inside = np.abs(from_axis), left.half_width(z)
    was_inside = relaxed.half_width(picture.source_z)
    through = np.clip((across - inside) / left.wall, 0, 1)
    outwards = np.maximum(across - inside - left.wall, 0)
    moved = inside + left.wall - was_inside - relaxed.wall
    was = np.where(
        across < inside,
        across * was_inside / np.maximum(inside, 0.1),
        was_inside + through * relaxed.wall + outwards - moved * (np.exp(-outwards / 2) - 1),
    )
    picture.source_x = (np.sign(from_axis) * was).astype(np.float32)


def _paint_walls(picture: Slice, moment: Moment) -> None:
    x, z, left = picture.x, picture.z, moment.left
    la = moment.left_atrium(picture)
    picture.paint(la < 1 + 0.2 / moment.la_width, THIN_WALL)
    picture.paint(
        (la >= 1 + 0.2 / moment.la_width) & (la < 1 + 0.34 / moment.la_width) & (z > moment.la_centre), FIBROUS - 4
    )
    if moment.plane.right_heart:
        if moment.plane.right_atrium:
            ra = moment.right_atrium(picture)
            picture.paint((ra < 1 + 0.2 / moment.ra_width) & (la >= 1), THIN_WALL - 1)
        free = moment.septum(z) - moment.right_depth(z)
        beside = (z > moment.right_apex - 0.4) & (z < moment.tricuspid + 0.1)
        picture.paint(beside & (x < moment.septum(z)) & (x > free - moment.right_wall), MUSCLE - 1.5)
        picture.paint(beside & (x <= free - moment.right_wall) & (x > free - moment.right_wall - 0.16), FIBROUS - 2)
    from_axis, outer = x - moment.axis(z), left.outer_half_width(z)
    there = (z > -left.wall) & (z < left.length + 0.15)
    picture.paint(there & (np.abs(from_axis) < outer), MUSCLE)
    lateral = there & (from_axis >= outer) & (from_axis < outer + 0.17)
    picture.paint(lateral, FIBROUS)
    apical = there & (z < 0.3 * left.length) & (np.abs(from_axis) >= outer) & (np.abs(from_axis) < outer + 0.14)
    picture.paint(apical, FIBROUS - 3)
    for at, size in (
        ((left.annulus + 0.35, left.length + 0.1), 0.42),
        ((moment.atrial_septum, left.length + 0.1), 0.5),
    ):
        picture.paint(picture.ellipse(at, (size, size)) < 1, MUSCLE + 4)


def _paint_cavities(picture: Slice, moment: Moment) -> None:
    x, z, left = picture.x, picture.z, moment.left
    la = moment.left_atrium(picture)
    picture.paint((la < 1) & (z > left.length - 0.2), BLOOD)
    if moment.plane.right_heart:
        depth, septum = moment.right_depth(z), moment.septum(z)
        cavity = (x < septum) & (x > septum - depth) & (z > moment.right_apex) & (z < moment.tricuspid + 0.1)
        picture.paint(cavity, BLOOD)
        if moment.plane.right_atrium:
            ra = moment.right_atrium(picture)
            picture.paint((ra < 1) & (z > moment.tricuspid - 0.1) & (x < moment.atrial_septum - 0.12), BLOOD)
            apart = (x < septum - 0.3) & (x > septum - moment.right_width + 0.25)
            picture.paint(apart & (np.abs(z - moment.tricuspid) < 0.7) & (x < moment.atrial_septum - 0.15), BLOOD)
        moderator = (
            (-left.radius - left.wall - 0.1, 0.55 * left.length),
            (-left.radius - left.wall - moment.right_width, 0.68 * left.length),
        )
        picture.stroke(moderator, 0.22, MUSCLE - 4)
    neck = (np.abs(x) < 0.93 * left.annulus) & (np.abs(z - left.length) < 0.8)
    picture.paint(neck, BLOOD)
    inside = (z > 0) & (z < left.length + 0.05) & (np.abs(x - moment.axis(z)) < left.half_width(z))
    picture.paint(inside, BLOOD)
    for side, at in ((1, 0.42), (-1, 0.5)):
        foot = side * 0.86 * left.radius + moment.septal_bow
        muscle = ((foot, at * left.length), (foot - side * 0.25 * left.radius, (at + 0.16) * left.length))
        picture.stroke(muscle, 0.45, MUSCLE - 5 if side > 0 else MUSCLE - 12)


def _paint_aorta(picture: Slice, moment: Moment) -> None:
    root = moment.aortic_root
    end = (root[0] - 0.9, root[1] + 3.6)
    picture.stroke((root, end), 2.9, MUSCLE + 5)
    outflow = (root[0] + 0.3, root[1] - 1.2)
    picture.stroke((outflow, root, end), 2.25, BLOOD)
    if {Device.TAVR, Device.IMPELLA} & moment.heart.devices:
        return
    opening = moment.heart.aortic_opening(moment.phase)
    for side in (-1, 1):
        hinge = (root[0] + side * 1.1, root[1] + 0.2)
        tip = (root[0] + side * (0.05 + 0.9 * opening) - 0.25, root[1] + 0.8 + 0.4 * opening)
        picture.stroke((hinge, tip), 0.12, LEAFLET)


def _paint_valves(picture: Slice, moment: Moment) -> None:
    left, opening = moment.left, moment.heart.mitral_opening(moment.phase)
    hinges = ((moment.septal_hinge, left.length), (left.annulus, left.length))
    width, meets = left.annulus - moment.septal_hinge, moment.coaptation
    if Device.MITRACLIP in moment.heart.devices:
        # The clip holds the leaflets' edges together: two openings remain beside it.
        tip = (meets, left.length - 0.85)
        for hinge in hinges:
            picture.stroke(bent(hinge, tip, (0.1 + 0.35 * opening) * np.sign(hinge[0] - meets)), 0.15, LEAFLET)
    else:
        for hinge, length in ((hinges[0], 0.62 * width), (hinges[1], 0.42 * width)):
            side = float(np.sign(hinge[0] - meets))
            tip_x = meets + side * opening * 0.8 * abs(hinge[0] - meets)
            tip_z = left.length - 0.45 - opening * 0.85 * length
            picture.stroke(bent(hinge, (tip_x, tip_z), 0.12 * side), 0.15, LEAFLET)
    if moment.plane.right_heart and moment.plane.right_atrium:
        outer = -left.annulus - left.wall - moment.right_width + 0.2
        inner = min(moment.atrial_septum, -left.annulus - 0.3)
        meets = (outer + inner) / 2
        opening = moment.heart.tricuspid_opening(moment.phase)
        for hinge_x in (outer, inner):
            side = float(np.sign(hinge_x - meets))
            tip = (meets + side * opening * 0.75 * abs(hinge_x - meets), moment.tricuspid - 0.4 - 0.9 * opening)
            picture.stroke(bent((hinge_x, moment.tricuspid), tip, 0.1 * side), 0.12, LEAFLET - 2)


def _paint_devices(picture: Slice, moment: Moment) -> None:
    left, devices, plane = moment.left, moment.heart.devices, moment.plane
    if Device.PACEMAKER in devices and plane.right_heart and plane.right_atrium:
        valve = -left.annulus - left.wall - 0.45 * moment.right_width
        apex_z = moment.right_apex + 0.9
        apex_x = float(moment.septum(np.float32(apex_z)) - 0.5 * moment.right_depth(np.float32(apex_z)))  # type: ignore[arg-type]
        draw_lead(
            picture,
            roof=(moment.ra_x - 0.2, moment.ra_roof - 0.2),
            valve=(valve, moment.tricuspid),
            tip=(apex_x, apex_z),
        )
    if Device.MITRACLIP in devices:
        draw_clip(picture, (moment.coaptation, left.length - 0.8))
    root = moment.aortic_root
    if Device.TAVR in devices and plane.aorta:
        draw_stent(picture, root, (root[0] - 0.42, root[1] + 1.7))
    if Device.IMPELLA in devices:
        draw_pump(picture, left.length, root)
