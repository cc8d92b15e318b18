"""Bodies of speckle in the pictures of a clip, told from all that a machine draws around them.

Tissue flickers: its speckle changes from frame to frame, everywhere in the sector and all the time. Text, scales and
bars stand still; an ECG is a thin line; a clock changes seldom; a trace is drawn once, column by column, and then
stays. So the share of intervals in which a neighbourhood changes tells tissue from all of them. In a picture that
stands still, the same share of neighbouring cells that differ tells speckle from what is drawn.

All lengths here are in cells: one pixel of every `step` rows and columns, at most 150 on the picture's shorter side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from worker.pixels.calibration import Region

Mask = npt.NDArray[np.bool_]

CELLS = 150
"""On the shorter side: 4 pixels a cell in a picture of 600 rows, wide enough to be quick, and finer than speckle."""
CHANGE = 2
"""Levels of 255; decoders round by one. Pictures that were grabbed from a video cable are noisier."""
MOST_NOISE = 12
"""Levels; a sector that reaches into all four corners must not be taken for noise."""
NEIGHBOURHOOD = 9
"""Cells, 36 pixels of 600: a line of text or an ECG fills a fraction of it, tissue all of it."""
TISSUE_CHANGES = 0.15
"""The share of a neighbourhood's cells and intervals that change in tissue. In an ECG it is under 0.1: one row of
cells in nine, drawn and wiped away once each; in a clock's digits too."""
FILLED = 0.5
"""Of a neighbourhood; the lines of an ECG and of text leave more than half of it free."""
DRAWN_ONCE = 0.45
"""A column with so large a share of its changes in a single interval is part of a trace that is swept."""
INTERVALS_OF_A_SWEEP = 4
"""Fewer intervals cannot tell a sweep from a heart: the share of each is large by itself."""
LIT = 4
"""Levels above the background, which lossy coding lifts by one or two."""
SPECKLE_DIFFERS = 0.3
"""The share of a neighbourhood's cells that differ from the next one, across and down, in a picture that stands."""
FLAT = 0.35
"""A body with this share of its cells at one level is a drawn one: lines of text, a banner, a button."""
MOST_OF_BANNERS = 0.25
"""Of the rows; more than that are no banner."""
SAME_SPAN = 0.06
"""Of the width: the sides of what a linear probe shows stand one below the other."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The frames, one pixel of each cell."""

    step: int
    colours: npt.NDArray[np.uint8]
    """[3, K, rows, columns] of cells; a plane for each channel is many times as quick as channels side by side."""
    levels: npt.NDArray[np.uint8]
    """[K, rows, columns]: the brightest of the three channels."""
    change: int
    """The least difference in levels that is one."""
    changes: Mask
    """[K - 1, rows, columns]: what changed from one frame to the next."""

    def region(self, body: Mask, rows: int, columns: int) -> Region:
        """The box around a body in pixels; what lies between two cells is inside."""
        down, across = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
        return Region(
            left=max((int(across[0]) - 1) * self.step + 1, 0),
            top=max((int(down[0]) - 1) * self.step + 1, 0),
            right=min((int(across[-1]) + 1) * self.step, columns),
            bottom=min((int(down[-1]) + 1) * self.step, rows),
        )

    def lit(self) -> Mask:
        """Which cells of the first frame are brighter than the background, the most common level."""
        first = self.levels[0]
        return np.asarray(first >= int(np.bincount(first.ravel()).argmax()) + LIT)


def coarse_grid(frames: Sequence[npt.NDArray[np.uint8]]) -> Grid:
    """The coarse grid of RGB frames, [rows, columns, 3] each."""
    step = coarse_step(frames[0])
    colours = np.stack([[frame[::step, ::step, channel] for frame in frames] for channel in range(3)])
    levels = colours.max(axis=0)
    differences = _difference(levels[1:], levels[:-1])
    change = max(CHANGE, min(_noise(differences) + 1, MOST_NOISE))
    return Grid(step=step, colours=colours, levels=levels, change=change, changes=differences >= change)


def coarse_step(frame: npt.NDArray[np.uint8]) -> int:
    """Of how many pixels, down and across, one is looked at in a picture of this size."""
    return -(-int(min(frame.shape[:2])) // CELLS)


def _difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.maximum(one, other) - np.minimum(one, other)


def _noise(differences: npt.NDArray[np.uint8]) -> int:
    """How much the picture changes where there is no tissue: in the quietest of its corners."""
    rows, columns = (side // 10 for side in differences.shape[1:])
    corners = (
        differences[:, down, across]
        for down in (slice(rows), slice(-rows, None))
        for across in (slice(columns), slice(-columns, None))
    )
    return int(min(np.percentile(corner, 95) for corner in corners)) if differences.size else 0


def moving_bodies(grid: Grid) -> tuple[list[Mask], list[Mask]]:
    """What moves as tissue does, and what is drawn as a trace; the largest body first."""
    share = grid.changes.sum(axis=0, dtype=np.float32) / max(len(grid.changes), 1)
    changed = share > 0
    tissue = _around_each_cell(share) >= TISSUE_CHANGES
    # The neighbourhoods reach beyond the sector's edge, and lines of an ECG or of text there are thin.
    bodies = [body for body in (_solid(changed & body) for body in _bodies(tissue)) if body.any()]
    drawn = [_swept(grid.changes, body) for body in bodies]
    moving = [body for body, trace in zip(bodies, drawn, strict=True) if not trace]
    traces = [body for body, trace in zip(bodies, drawn, strict=True) if trace]
    # What is drawn but once over many intervals changes less than tissue does, yet everywhere.
    filled = (_around_each_cell(changed.astype(np.float32)) >= FILLED) & ~tissue
    traces += [body for body in _bodies(filled) if _swept(grid.changes, body)]
    return _joined(moving, grid), traces


def _around_each_cell(share: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(ndimage.uniform_filter(share, NEIGHBOURHOOD, mode="constant"))


def _bodies(mask: Mask) -> list[Mask]:
    """The connected parts of a mask, the largest first, without small ones."""
    labels, number = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    return [labels == index + 1 for index in np.argsort(-sizes) if sizes[index] >= NEIGHBOURHOOD**2]


def _solid(mask: Mask) -> Mask:
    """Speckle closed into a body, without what is thin, and without what hangs on it by a neck.

    An ECG that runs near the sector, blurred by lossy coding, hangs on it so.
    """
    closed = ndimage.grey_closing(mask.astype(np.uint8), 3)
    body = ndimage.grey_opening(closed, 3)
    trunk = ndimage.grey_opening(_filled(body), NEIGHBOURHOOD)
    corners_too = ndimage.maximum_filter(trunk, 2 * NEIGHBOURHOOD - 1)  # those of a sector are sharp: they grow back
    return np.asarray((corners_too & body) > 0)


def box_area(body: Mask) -> int:
    """Of the box around a body, in cells."""
    return int(body.any(axis=0).sum() * body.any(axis=1).sum())


def _filled(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A body with its holes, the dark chambers of the heart."""
    labels, _ = ndimage.label(np.pad(body, 1) == 0)
    return np.asarray(labels[1:-1, 1:-1] != labels[0, 0]).astype(np.uint8)


def _swept(changes: Mask, body: Mask) -> bool:
    """Whether a body is drawn column by column, as spectral Doppler and M-mode are."""
    if len(changes) < INTERVALS_OF_A_SWEEP:
        return False
    by_column = (changes & body).sum(axis=1)[:, body.any(axis=0)]
    once = np.median(by_column.max(axis=0) / np.maximum(by_column.sum(axis=0), 1)) >= DRAWN_ONCE
    # Column after column: what appears all at once, a window or a menu, is no trace.
    return bool(once and np.unique(by_column.argmax(axis=0)).size >= INTERVALS_OF_A_SWEEP - 1)


def _joined(bodies: list[Mask], grid: Grid) -> list[Mask]:
    """The first body with those above and below it that make one rectangle with it; then the others."""
    if not bodies:
        return []
    first, others = bodies[0] | _near_field(grid, bodies[0]), []
    for body in bodies[1:]:
        if _one_below_the_other(first, body):
            first = first | body
        else:
            others.append(body)
    return [first, *others]


def _near_field(grid: Grid, body: Mask) -> Mask:
    """The still bands under a linear probe that touches nothing: bright, above the body, and just as wide."""
    top = int(np.flatnonzero(body.any(axis=1))[0])
    above = np.zeros_like(body)
    lit = grid.lit()[:top]
    if lit.sum() >= NEIGHBOURHOOD**2:
        bands = (band for band in _bodies(_solid(lit)) if _one_below_the_other(body, band))
        above[:top] = next(bands, False) & body.any(axis=0)
    return above


def _one_below_the_other(one: Mask, other: Mask) -> bool:
    """Whether two bodies are parts of one rectangle; sectors have a narrow top."""
    (left, right), (other_left, other_right) = spans = [_span(one), _span(other)]
    tops = [_span(body[np.flatnonzero(body.any(axis=1))[:3]]) for body in (one, other)]
    widths = [(span[1] - span[0]) * (1 - SAME_SPAN) for span in spans]
    apart = max(abs(left - other_left), abs(right - other_right))
    wide = all(top[1] - top[0] >= width for top, width in zip(tops, widths, strict=True))
    return wide and apart <= SAME_SPAN * (right - left)


def _span(body: Mask) -> tuple[int, int]:
    across = np.flatnonzero(body.any(axis=0))
    return int(across[0]), int(across[-1])


def textured_bodies(grid: Grid) -> list[Mask]:
    """What has the texture of speckle in a picture that does not move, the largest body first."""
    level = grid.levels[0]
    across = _difference(level, np.roll(level, -1, axis=1)) >= grid.change
    down = _difference(level, np.roll(level, -1, axis=0)) >= grid.change
    share = (across.astype(np.float32) + down.astype(np.float32)) / np.float32(2)
    share[_banner_rows(grid)] = 0
    texture = _around_each_cell(share) >= SPECKLE_DIFFERS
    bodies = [_solid((share > 0) & body) for body in _bodies(texture) if not _flat(level[body])]
    bodies = [body for body in bodies if body.any()]
    return _joined(bodies, grid)


def _banner_rows(grid: Grid) -> npt.NDArray[np.bool_]:
    """Rows of a banner from one edge of the screen to the other; a picture that fills the screen has none."""
    edges = grid.lit()[:, [0, -1]]
    rows = np.asarray(edges.all(axis=1))
    return rows if rows.mean() <= MOST_OF_BANNERS else np.zeros_like(rows)


def _flat(levels: npt.NDArray[np.uint8]) -> bool:
    return bool(np.bincount(levels).max() >= FLAT * levels.size)
