"""From clips to the study: what the study says, how far its frames differ, and how many of them agree.

Every clip weighs the same, however many frames of it were taken: a long clip is no better a witness than a short one.
Means are exactly rounded (`fmean`), so that the order of the clips changes nothing.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, median_low

import torch
from torch import Tensor

from worker.echoclip.zero_shot import ClipFrames


def median_of(clips: Tensor, used: Sequence[int]) -> float:
    """The median of these clips' estimates [C]: one clip off its view must not move it.

    Of two middle ones the lower, as within a clip: always a value that a clip gave.
    """
    return float(median_low(clips[list(used)].tolist()))


def mean_of(clips: Tensor, used: Sequence[int]) -> float:
    """The mean of these clips' scores [C]."""
    return fmean(clips[list(used)].tolist())


def means_of(clips: Tensor, used: Sequence[int]) -> Tensor:
    """The mean of these clips' scores for each class: [C, K] to float64 [K]."""
    return torch.tensor([fmean(of_class) for of_class in clips[list(used)].T.tolist()], dtype=torch.float64)


def spread_of(frames: ClipFrames, said: Tensor, used: Sequence[int]) -> float:
    """The standard deviation of what the frames of these clips say [F], each for itself, about their common mean.

    Of the frames that there are, not an estimate for a larger population: 0 for a single frame.
    """
    centre = mean_of(frames.mean_by_clip(said), used)
    return sqrt(mean_of(frames.mean_by_clip((said - centre) ** 2), used))


def share_of(frames: ClipFrames, is_so: Tensor, used: Sequence[int]) -> float:
    """The share of the frames of these clips, 0..1, of which this holds: bool [F]."""
    return mean_of(frames.mean_by_clip(is_so), used)
