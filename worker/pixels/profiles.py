"""From a clip to what the image tower takes: which frames, which part of each, and how it is made 224 x 224.

A profile is one fixed way to do so, and its name stands in the provenance of every run. The number in the name goes up
with any change that gives another tensor for the same file: to the choice of frames, the crop, the filter, the order
of the channels. Scores of two names must not be compared as if they were of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from worker.pixels.colour import Frame
from worker.pixels.cubic import resize_cubic
from worker.pixels.regions import Region
from worker.pixels.sampling import Sample, sample_as_published, sample_by_time
from worker.pixels.timing import FrameTimes

SIDE = 224
"""Rows and columns of what the image tower takes."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One fixed way from a clip to a tensor."""

    name: str
    sample: Callable[[FrameTimes], Sample]
    model_frame: Callable[[Frame, Region], Frame]
    """A decoded frame in RGB and where the tissue is in it, to uint8 [224, 224, 3], not normalised yet."""
    seen: Callable[[Region, int, int], Region]
    """The part of the picture that `model_frame` makes 224 x 224, of the region and the picture's rows and columns."""
    channel_order: Literal["RGB", "BGR"]
    """Of what `model_frame` gives."""


def central_square(region: Region) -> Region:
    """The largest square in the middle of a region; of an odd margin, the spare pixel stays right and below."""
    side = min(region.width, region.height)
    left = region.left + (region.width - side) // 2
    top = region.top + (region.height - side) // 2
    return Region(left=left, top=top, right=left + side, bottom=top + side)


def _fast_frame(picture: Frame, region: Region) -> Frame:
    square = central_square(region)
    is_grey = picture.strides[2] == 0  # three channels that are one in memory
    channels = picture[..., :1] if is_grey else picture
    # A copy, but for a picture that is seen whole and may be written to, as torch asks for.
    crop = np.require(channels[square.top : square.bottom, square.left : square.right], requirements=("C", "W"))
    channels_first = torch.from_numpy(crop).permute(2, 0, 1)[None]
    # On uint8 this is several times as fast as Pillow's filter, and within one level of it.
    resized = interpolate(channels_first, size=(SIDE, SIDE), mode="bicubic", antialias=True)[0].numpy()
    frame = np.empty((SIDE, SIDE, 3), np.uint8)
    for channel in range(3):  # plane by plane: a fifth of the time of transposing
        frame[..., channel] = resized[0 if is_grey else channel]
    return frame


def _upstream_frame(picture: Frame, region: Region) -> Frame:
    # The published videos were masked before; ours hold names and dates outside the region.
    tissue = np.s_[region.top : region.bottom, region.left : region.right]
    masked = np.zeros_like(picture)
    masked[tissue] = picture[tissue]
    rows, columns = picture.shape[:2]
    seen = _seen_upstream(region, rows, columns)
    return resize_cubic(masked[seen.top : seen.bottom, seen.left : seen.right], SIDE)[:, :, ::-1]


def _seen_upstream(_: Region, rows: int, columns: int) -> Region:
    """The picture's central square, less a tenth from each side.

    Python's round() to even and a margin cut off to whole pixels, as in the example: an odd difference of the sides
    leaves a row or column more, or fewer, than a square. (With a margin of 0 the example itself has nothing left.)
    """
    above, beside = max(round((rows - columns) / 2), 0), max(round((columns - rows) / 2), 0)
    above += (rows - 2 * above) // 10
    beside += (columns - 2 * beside) // 10
    return Region(left=beside, top=above, right=columns - beside, bottom=rows - above)


FAST = Profile(
    name="fast-1",
    sample=sample_by_time,
    model_frame=_fast_frame,
    seen=lambda region, rows, columns: central_square(region),
    channel_order="RGB",
)
"""Ours: whole beats by time; the central square of the region; antialiased bicubic, at most one level from Pillow's."""

UPSTREAM = Profile(
    name="upstream-1",
    sample=lambda times: sample_as_published(len(times.milliseconds)),
    model_frame=_upstream_frame,
    seen=_seen_upstream,
    channel_order="BGR",
)
"""The published example (echonet/echo_CLIP), from a decoded frame on.

Every second of the first 40 frames; the whole picture, black outside the region; its central square, less a tenth from
each side; OpenCV's bicubic resize without antialiasing; blue first, as OpenCV reads video, and never swapped.
"""

PROFILES = {profile.name: profile for profile in (FAST, UPSTREAM)}
"""By the name in provenance."""
