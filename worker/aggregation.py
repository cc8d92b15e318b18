"""From frames to clips and to the study: what these say, how far their frames differ, and how many of them agree.

The same for every kind of model that answers from single frames. All clips of a study at once: their frames lie one
after the other, and `ClipFrames.clip` says whose each is, so that clips of any lengths are one matrix, not padded.

Every clip weighs the same, however many frames of it were taken: a long clip is no better a witness than a short one.
Means are exactly rounded (`fmean`), so that the order of the clips changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median_low
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ClipFrames:
    """The frames of several clips, one after the other."""

    embeddings: Tensor
    """float32 [F, D], L2-normalised."""
    clip: Tensor
    """int64 [F]: the number of the clip, from 0, that each frame is of."""
    counts: Tensor
    """int64 [C]: how many frames each clip has, at least 1."""

    @classmethod
    def of(cls, clips: Sequence[Tensor]) -> Self:
        """From the frame embeddings of each clip, float32 [T, D]; at least one clip, T at least 1 and its own."""
        counts = torch.tensor([len(clip) for clip in clips])
        return cls(
            embeddings=torch.cat(list(clips)), clip=torch.arange(len(clips)).repeat_interleave(counts), counts=counts
        )

    def mean_by_clip(self, of_frames: Tensor) -> Tensor:
        """The mean of each clip's frames: [F, ...] of any type to float64 [C, ...]."""
        sums = torch.zeros(len(self.counts), *of_frames.shape[1:], dtype=torch.float64)
        sums.index_add_(0, self.clip, of_frames.to(torch.float64))
        return sums / self.counts.reshape(-1, *[1] * (of_frames.dim() - 1))


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


def spreads_of(frames: ClipFrames, said: Tensor) -> Tensor:
    """The same of each clip by itself: [F] to [C]."""
    centres = frames.mean_by_clip(said)
    return frames.mean_by_clip((said - centres[frames.clip]) ** 2).sqrt()


def shares_of(frames: ClipFrames, of_frames: Tensor, of_clips: Tensor) -> Tensor:
    """The share of each clip's frames [F] that say what the clip says [C]: [C]."""
    return frames.mean_by_clip(of_frames == of_clips[frames.clip])
