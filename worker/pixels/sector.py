"""Where the heart is when the machine does not say: the sector, found by what moves, or else by its texture.

Tissue flickers: its speckle changes from frame to frame, everywhere in the sector and all the time. Text, scales and
bars stand still; an ECG is a thin line; a clock changes seldom; a trace is drawn once, column by column, and then
stays. So the share of intervals in which a neighbourhood changes tells tissue from all of them.

All lengths here are in cells: one pixel of every `step` rows and columns, at most 150 on the picture's shorter side.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from config.errors import ClipError
from worker.pixels.colour_doppler import coloured_cells
from worker.pixels.regions import MINIMUM_SIDE, TEXT_INSIDE, WHOLE_PICTURE, Content, Layout, Region, beside

Mask = npt.NDArray[np.bool_]

CELLS = 150
"""On the shorter side: 4 pixels a cell in a picture of 600 rows, wide enough to be quick, and finer than speckle."""
CHANGE = 2
"""Levels of 255; decoders round by one."""
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
FLAT = 0.5
"""A body with this share of its cells at one level is a drawn one: lines of text, a banner, a button."""
MOST_OF_BANNERS = 0.25
"""Of the rows; more than that are no banner."""
SAME_SPAN = 0.06
"""Of the width: the sides of what a linear probe shows stand one below the other."""
LEAST_PART = 0.02
"""Of the picture."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The frames, one pixel of each cell."""

    step: int
    colours: npt.NDArray[np.uint8]
    """[K, rows, columns, 3] of cells."""
    levels: npt.NDArray[np.int16]
    """[K, rows, columns]: the brightest of the three channels."""
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


def find_sector(frames: npt.NDArray[np.uint8]) -> Layout:
    """The layout of a clip without Sequence of Ultrasound Regions: the box around its sector.

    Parameters
    ----------
    frames
        [K, rows, columns, 3], RGB; at least two, spread over the clip.

    Raises
    ------
    ClipError
        Nothing in the picture moves or looks as tissue does.
    """
    grid = _grid(frames)
    moving, traces = _moving_bodies(grid)
    if traces and (not moving or _box_area(moving[0]) < _box_area(traces[0])):
        raise ClipError("no ultrasound sector: a trace over time, with no larger picture that moves beside it")
    origin, bodies = ("motion", moving) if moving else ("picture", _textured_bodies(grid))
    rows, columns = frames.shape[1:3]
    found = [(body, region) for body in bodies if _large_enough(region := grid.region(body, rows, columns), frames)]
    if not found:
        raise ClipError("no ultrasound sector: " + _what_there_is(grid))
    layout = Layout(region=found[0][1], origin=origin, contents=frozenset({Content.TISSUE}))
    if origin == "picture":
        layout = replace(layout, notes=("nothing moves: the sector was found by its texture",))
    coloured = [bool(coloured_cells(grid.colours, body).any()) for body, _ in found[:2]]
    if any(coloured):
        layout = replace(layout, contents=layout.contents | {Content.COLOUR_DOPPLER})
    if len(found) > 1 and _two_pictures(found[0], found[1]):
        return _one_of_two(layout, [region for _, region in found[:2]], coloured)
    return layout


def refined(layout: Layout, frames: npt.NDArray[np.uint8]) -> Layout:
    """A machine's layout with what the pixels add to it.

    Some machines call everything tissue, colour Doppler too, and some name their whole screen as the region: then
    the sector that moves inside it is taken. The frames are those of `find_sector`.
    """
    try:
        seen = find_sector(frames)
    except ClipError:
        return layout
    layout = replace(layout, contents=layout.contents | (seen.contents & {Content.COLOUR_DOPPLER}))
    rows, columns = frames.shape[1:3]
    if layout.region.area < WHOLE_PICTURE * rows * columns or seen.origin != "motion":
        return layout
    notes = (*(note for note in layout.notes if note != TEXT_INSIDE), "the machine's region was narrowed to its sector")
    return replace(layout, region=seen.region.common(layout.region), biplane=seen.biplane, notes=notes)


def _grid(frames: npt.NDArray[np.uint8]) -> Grid:
    step = -(-min(frames.shape[1:3]) // CELLS)
    colours = np.ascontiguousarray(frames[:, ::step, ::step])
    levels = np.maximum(np.maximum(colours[..., 0], colours[..., 1]), colours[..., 2]).astype(np.int16)
    changes = np.abs(np.diff(levels, axis=0)) >= CHANGE
    return Grid(step=step, colours=colours, levels=levels, changes=changes)


def _moving_bodies(grid: Grid) -> tuple[list[Mask], list[Mask]]:
    """What moves as tissue does, and what is drawn as a trace; the largest body first."""
    share = grid.changes.mean(axis=0, dtype=np.float32)
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
    """Speckle closed into a body, and what is thinner than three cells taken away."""
    closed = ndimage.grey_closing(mask.astype(np.uint8), 3)
    return np.asarray(ndimage.grey_opening(closed, 3) > 0)


def _box_area(body: Mask) -> int:
    return int(body.any(axis=0).sum() * body.any(axis=1).sum())


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
    lit = grid.levels[0] >= _background(grid) + LIT
    lit[top:] = False
    bands = (band for band in _bodies(_solid(lit)) if _one_below_the_other(body, band))
    return next(bands, np.zeros_like(body)) & body.any(axis=0)


def _one_below_the_other(one: Mask, other: Mask) -> bool:
    spans = [np.flatnonzero(mask.any(axis=0))[[0, -1]] for mask in (one, other)]
    tolerance = SAME_SPAN * (spans[0][1] - spans[0][0])
    return bool(np.all(np.abs(spans[0] - spans[1]) <= tolerance))


def _textured_bodies(grid: Grid) -> list[Mask]:
    """What has the texture of speckle in a picture that does not move, the largest body first."""
    level = grid.levels[0]
    across = np.abs(np.diff(level, axis=1, append=level[:, -1:])) >= CHANGE
    down = np.abs(np.diff(level, axis=0, append=level[-1:])) >= CHANGE
    share = (across.astype(np.float32) + down) / 2
    share[_banner_rows(grid)] = 0
    texture = _around_each_cell(share) >= SPECKLE_DIFFERS
    bodies = [_solid((share > 0) & body) for body in _bodies(texture) if not _flat(level[body])]
    bodies = [body for body in bodies if body.any()]
    return _joined(bodies, grid)


def _banner_rows(grid: Grid) -> npt.NDArray[np.bool_]:
    """Rows of a banner from one edge of the screen to the other; a picture that fills the screen has none."""
    edges = grid.levels[0][:, [0, -1]] >= _background(grid) + LIT
    rows = edges.all(axis=1)
    return rows if rows.mean() <= MOST_OF_BANNERS else np.zeros_like(rows)


def _background(grid: Grid) -> int:
    return int(np.bincount(grid.levels[0].ravel()).argmax())


def _flat(levels: npt.NDArray[np.int16]) -> bool:
    return bool(np.bincount(levels).max() >= FLAT * levels.size)


def _large_enough(region: Region, frames: npt.NDArray[np.uint8]) -> bool:
    rows, columns = frames.shape[1:3]
    return min(region.width, region.height) >= MINIMUM_SIDE and region.area >= LEAST_PART * rows * columns


def _what_there_is(grid: Grid) -> str:
    if not (grid.levels >= _background(grid) + LIT).any():
        return "the picture is empty"
    return (
        "nothing but text, lines or traces" if grid.changes.any() else "nothing moves, and only text or graphics show"
    )


def _two_pictures(one: tuple[Mask, Region], other: tuple[Mask, Region]) -> bool:
    """Whether two bodies are pictures of their own, and not the halves of a sector with a shadow between them."""
    apart = beside(one[1], other[1])
    return apart and all(_apex_in_the_middle(body) for body, _ in (one, other))


def _apex_in_the_middle(body: Mask) -> bool:
    across = np.flatnonzero(body.any(axis=0))
    top = body[np.flatnonzero(body.any(axis=1))[:3]].any(axis=0)
    apex = np.flatnonzero(top).mean()
    return bool(abs(apex - across.mean()) <= 0.2 * across.size)


def _one_of_two(layout: Layout, regions: list[Region], coloured: list[bool]) -> Layout:
    if coloured[0] != coloured[1]:
        note = "colour compare: the picture without colour was taken"
        return replace(layout, region=regions[coloured.index(False)], notes=(*layout.notes, note))
    first = min(regions, key=lambda region: (region.left, region.top))
    return replace(layout, region=first, biplane=True, notes=(*layout.notes, "two pictures: the first was taken"))
