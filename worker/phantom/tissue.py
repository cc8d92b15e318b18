"""What lies where in a slice of a body: how strongly it echoes, how it has moved, and where a device is.

Positions are in cm on a grid of any shape. A slice is painted in layers, each over the ones before, as sound sees only
the last: chest and lung, walls, cavities, valves, devices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from worker.phantom.ventricle import Grid

Mask = npt.NDArray[np.bool_]
Line = Sequence[tuple[float, float]]
"""Points (x, z) of a polyline, in cm."""

BLOOD, MUSCLE, THIN_WALL, FIBROUS, LEAFLET, METAL = -34.0, 0.0, -1.0, 11.0, 4.0, 20.0
"""Echo in decibels, against the myocardium's: of cavities, walls, pericardium, valves, implants."""
LIVER, LUNG, FAT = -5.0, -15.0, -9.0


@dataclass
class Slice:
    """A picture's plane at one moment, on a grid of points."""

    x: Grid
    z: Grid
    echo_db: Grid
    """Of each point."""
    device: Mask
    """Where an implant is."""
    source_x: Grid
    """Where the tissue of each point lay at end diastole: its speckle comes along when it moves."""
    source_z: Grid

    @classmethod
    def of(cls, x: Grid, z: Grid, echo_db: float) -> Self:
        """All of one tissue, at rest."""
        return cls(
            x=x,
            z=z,
            echo_db=np.full(x.shape, echo_db, np.float32),
            device=np.zeros(x.shape, bool),
            source_x=x.copy(),
            source_z=z.copy(),
        )

    def paint(self, where: Mask, echo_db: float | Grid) -> None:
        """Give the points of a mask this echo."""
        if isinstance(echo_db, np.ndarray):
            self.echo_db[where] = echo_db[where]
        else:
            self.echo_db[where] = echo_db

    def ellipse(self, centre: tuple[float, float], half_axes: tuple[float, float]) -> Grid:
        """The distance from an ellipse's centre in its own half axes: below 1 inside."""
        across, down = (self.x - centre[0]) / half_axes[0], (self.z - centre[1]) / half_axes[1]
        distance: Grid = np.sqrt(across * across + down * down)
        return distance

    def stroke(self, line: Line, thickness: float, echo_db: float, *, device: bool = False) -> None:
        """Draw a line of this thickness in cm."""
        there = self._near(line, thickness / 2)
        self.echo_db[there] = echo_db
        if device:
            self.device[there] = True

    def _near(self, line: Line, reach: float) -> Mask:
        points = np.asarray(line, np.float32)
        low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
        box = (self.x >= low[0]) & (self.x <= high[0]) & (self.z >= low[1]) & (self.z <= high[1])
        x, z = self.x[box], self.z[box]
        nearest = np.full(x.shape, np.inf, np.float32)
        for (x0, z0), (x1, z1) in pairwise(points):
            dx, dz = x1 - x0, z1 - z0
            along = np.clip(((x - x0) * dx + (z - z0) * dz) / max(dx * dx + dz * dz, 1e-9), 0, 1)
            nearest = np.minimum(nearest, np.hypot(x - x0 - along * dx, z - z0 - along * dz))
        near = np.zeros(self.x.shape, bool)
        near[box] = nearest <= reach
        return near


def bent(start: tuple[float, float], end: tuple[float, float], sag: float, *, points: int = 9) -> Line:
    """A line from start to end that bends by `sag` cm to the left of its direction: a parabola."""
    part = np.linspace(0, 1, points)
    across, down = end[0] - start[0], end[1] - start[1]
    length = float(np.hypot(across, down)) or 1.0
    bow = 4 * sag * part * (1 - part)
    xs = start[0] + part * across + bow * down / length
    zs = start[1] + part * down - bow * across / length
    return [(float(x), float(z)) for x, z in zip(xs, zs, strict=True)]
