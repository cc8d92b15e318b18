"""Where the heart is when the machine does not say: the sector, found by what moves, or else by its texture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from config.errors import ClipError
from config.reasons import Reason, ReasonKind
from worker.pixels.colour_doppler import coloured_cells, is_grey
from worker.pixels.regions import (
    MINIMUM_SIDE,
    TEXT_INSIDE,
    WHOLE_PICTURE,
    Content,
    Layout,
    Region,
    beside,
    choose_picture,
)
from worker.pixels.speckle import Grid, Mask, box_area, coarse_grid, coarse_step, moving_bodies, textured_bodies

LEAST_PART = 0.02
"""Of the picture; what is smaller is no picture of the heart."""
OFF_CENTRE = 0.2
"""Of the width; the apex of a sector is nearer to its middle."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A body of speckle that is large enough to be a sector, and the box around it."""

    body: Mask
    region: Region


def find_sector(frames: Sequence[npt.NDArray[np.uint8]]) -> Layout:
    """The layout of a clip without Sequence of Ultrasound Regions: the box around its sector.

    Parameters
    ----------
    frames
        uint8 [rows, columns, 3] each, RGB; at least two, spread over the clip.

    Raises
    ------
    ClipError
        Nothing in the picture moves or looks as tissue does, or a trace over time is larger than what does.
    """
    grid = coarse_grid(frames)
    moving, traces = moving_bodies(grid)
    if traces and (not moving or box_area(moving[0]) < box_area(traces[0])):
        raise ClipError(Reason(ReasonKind.NO_SECTOR_BUT_TRACE))
    if pictures := _pictures(grid, moving or textured_bodies(grid), frames):
        layout = _layout(grid, pictures)
        if moving:
            return replace(layout, origin="motion")
        return replace(layout, notes=("nothing moves: the sector was found by its texture", *layout.notes))
    raise ClipError(Reason(_what_there_is(grid)))


def refined(layout: Layout, frames: Sequence[npt.NDArray[np.uint8]]) -> Layout:
    """A machine's layout with what the pixels add to it.

    Some machines call everything tissue, colour Doppler too, and some name their whole screen as the region: then
    the sector inside it is taken, as in a clip without regions. The frames are those of `find_sector`.
    """
    rows, columns = frames[0].shape[:2]
    is_whole_screen = layout.region.area >= WHOLE_PICTURE * rows * columns
    if not is_whole_screen and is_grey([_sparse(frame, layout.region) for frame in frames[::3]]):
        return layout
    try:
        seen = find_sector(frames)
    except ClipError:
        return layout
    layout = replace(layout, contents=layout.contents | (seen.contents & {Content.COLOUR_DOPPLER}))
    if not is_whole_screen:
        return layout
    kept = (note for note in layout.notes if note != TEXT_INSIDE)
    notes = tuple(dict.fromkeys([*kept, "the machine's region was narrowed to its sector", *seen.notes]))
    return replace(layout, region=seen.region.common(layout.region), biplane=seen.biplane, notes=notes)


def _sparse(frame: npt.NDArray[np.uint8], region: Region) -> npt.NDArray[np.uint8]:
    """One pixel of every few within the region."""
    step = coarse_step(frame)
    return frame[region.top : region.bottom : step, region.left : region.right : step]


def _pictures(grid: Grid, bodies: list[Mask], frames: Sequence[npt.NDArray[np.uint8]]) -> list[Picture]:
    """The largest body of speckle, and those that are pictures beside it; none where all are small."""
    rows, columns = frames[0].shape[:2]
    found = [Picture(body=body, region=grid.region(body, rows, columns)) for body in bodies]
    found = [
        picture
        for picture in found
        if min(picture.region.width, picture.region.height) >= MINIMUM_SIDE
        and picture.region.area >= LEAST_PART * rows * columns
    ]
    return [*found[:1], *(other for other in found[1:] if _two_pictures(found[0], other))]


def _layout(grid: Grid, pictures: list[Picture]) -> Layout:
    coloured = [bool(coloured_cells(grid.colours, picture.body).any()) for picture in pictures]
    colour = {Content.COLOUR_DOPPLER} if any(coloured) else frozenset()
    choice = choose_picture([picture.region for picture in pictures], coloured)
    return Layout(
        region=pictures[choice.index].region,
        origin="picture",
        contents=frozenset({Content.TISSUE} | colour),
        biplane=choice.biplane,
        notes=choice.notes,
    )


def _two_pictures(one: Picture, other: Picture) -> bool:
    """Whether two bodies are pictures of their own, and not the halves of a sector with a shadow between them."""
    apart = beside(one.region, other.region)
    return apart and _apex_in_the_middle(one.body) and _apex_in_the_middle(other.body)


def _apex_in_the_middle(body: Mask) -> bool:
    across = np.flatnonzero(body.any(axis=0))
    top = body[np.flatnonzero(body.any(axis=1))[:3]].any(axis=0)
    apex = np.flatnonzero(top).mean()
    return bool(abs(apex - across.mean()) <= OFF_CENTRE * across.size)


def _what_there_is(grid: Grid) -> ReasonKind:
    if not grid.lit().any():
        return ReasonKind.NO_SECTOR_EMPTY
    if not grid.changes.any():
        return ReasonKind.NO_SECTOR_STILL
    return ReasonKind.NO_SECTOR_GRAPHICS
