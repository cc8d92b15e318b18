"""The left ventricle as a stack of discs, from end diastole to end systole.

Its cavity is a half ellipsoid that goes on, narrowing, to the mitral annulus: round in every disc, so that the method
of discs (Lang et al. 2015, section I.2) gives its volume exactly. Lengths are in cm; z runs from the cavity's apex to
the base, x from the long axis to the lateral wall.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from worker.phantom.heart import Heart

Grid = npt.NDArray[np.float32]

WIDEST = 0.62
"""Where along the long axis the cavity is widest: from there to the apex it is half an ellipsoid."""
FULLNESS = 1 - ((1 - WIDEST) ** 3 + WIDEST**3) / (3 * WIDEST**2)
"""The integral of the squared profile: the cavity's volume is FULLNESS * pi * radius^2 * length."""
SHORTENING = 0.25
"""How much of the ejection fraction the long axis contributes: at 60 % it shortens by 15 %, some 13 mm."""


@dataclass(frozen=True, kw_only=True)
class LeftVentricle:
    """Its shape at one moment."""

    length: float
    """Of the cavity, from apex to annulus."""
    radius: float
    """Of the widest disc."""
    wall: float
    """Thickness; the muscle's volume stays what it is, so that it thickens as the cavity empties."""

    @classmethod
    def of(cls, heart: Heart, phase: float) -> Self:
        """That of a heart, `phase` of a beat after the R wave."""
        volume = heart.end_diastolic_volume_ml
        length = (4 * volume / (FULLNESS * np.pi * heart.sphericity**2)) ** (1 / 3)
        relaxed = cls(length=length, radius=heart.sphericity * length / 2, wall=heart.wall_cm)
        contraction = heart.contraction(phase)
        shorter = length * (1 - SHORTENING * heart.ejection_fraction / 100 * contraction)
        radius = float(np.sqrt(heart.volume_ml(phase) / (FULLNESS * np.pi * shorter)))
        return cls(length=shorter, radius=radius, wall=_wall(relaxed, shorter, radius))

    @property
    def volume_ml(self) -> float:
        """Of the cavity."""
        return float(FULLNESS * np.pi * self.radius**2 * self.length)

    @property
    def annulus(self) -> float:
        """Half of the mitral annulus' diameter."""
        return self.radius * float(np.sqrt(1 - ((1 - WIDEST) / WIDEST) ** 2))

    def half_width(self, z: Grid) -> Grid:
        """From the long axis to the endocardium at this depth; 0 above the apex; that of the annulus below it."""
        along = (np.minimum(z / self.length, 1) - WIDEST) / WIDEST
        width: Grid = self.radius * np.sqrt(np.maximum(1 - along * along, 0))
        return width

    def outer_half_width(self, z: Grid) -> Grid:
        """From the long axis to the epicardium."""
        middle = WIDEST * self.length
        along = np.minimum(z - middle, 0) / (middle + self.wall)
        cap = (self.radius + self.wall) * np.sqrt(np.maximum(1 - along * along, 0))
        width: Grid = np.where(z < middle, cap, self.half_width(z) + self.wall)
        return width


def _wall(relaxed: LeftVentricle, length: float, radius: float) -> float:
    """The thickness that keeps the muscle's volume, by that of the ellipsoids inside and outside it."""
    muscle = _ellipsoid(relaxed.radius + relaxed.wall, relaxed.length + relaxed.wall)
    muscle -= _ellipsoid(relaxed.radius, relaxed.length)
    thin, thick = 0.1, 4.0
    for _ in range(24):
        wall = (thin + thick) / 2
        grown = _ellipsoid(radius + wall, length + wall) - _ellipsoid(radius, length)
        thin, thick = (wall, thick) if grown < muscle else (thin, wall)
    return (thin + thick) / 2


def _ellipsoid(radius: float, length: float) -> float:
    return radius**2 * length
