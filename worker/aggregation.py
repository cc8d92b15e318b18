"""From frames to clips and to the study: what these say, how far their frames differ, and how many of them agree.

The same for every kind of model that answers from single frames. All clips at once, of one study or of many: their
frames lie one after the other, and `ClipFrames.clip` says whose each is, so that clips of any lengths are one matrix,
not padded. Of many studies `used` has the clips of each; what is said of one does not depend on those beside it.

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


Used = Sequence[Sequence[int]]
"""Of each study the numbers of the clips that are used, at least one, and none in two studies."""


def medians_of(clips: Tensor, used: Used) -> list[float]:
    """The median of the estimates [C] of each study's clips: one clip off its view must not move it.

    Of two middle ones the lower, as within a clip: always a value that a clip gave.
    """
    values = clips.tolist()
    return [float(median_low([values[clip] for clip in of_study])) for of_study in used]


def means_of(clips: Tensor, used: Used) -> list[float]:
    """The mean of the scores [C] of each study's clips."""
    values = clips.tolist()
    return [fmean([values[clip] for clip in of_study]) for of_study in used]


def class_means_of(clips: Tensor, used: Used) -> Tensor:
    """The mean of the scores of each study's clips for each class: [C, K] to float64 [S, K]."""
    return torch.tensor([means_of(of_class, used) for of_class in clips.T], dtype=torch.float64).T


def of_frames(frames: ClipFrames, of_studies: Tensor, used: Used) -> Tensor:
    """Of each frame what there is of its study: [S] to [F]; 0 where the clip is not used."""
    of_clips = [0] * len(frames.counts)
    for of_study, clips in zip(of_studies.tolist(), used, strict=True):
        for clip in clips:
            of_clips[clip] = of_study
    return torch.tensor(of_clips, dtype=of_studies.dtype)[frames.clip]


def study_spreads_of(frames: ClipFrames, said: Tensor, used: Used) -> list[float]:
    """The standard deviation of what the frames of each study's clips say [F], each for itself, about their mean.

    Of the frames that there are, not an estimate for a larger population: 0 for a single frame.
    """
    centres = torch.tensor(means_of(frames.mean_by_clip(said), used), dtype=torch.float64)
    squares = (said - of_frames(frames, centres, used)) ** 2
    return [sqrt(square) for square in means_of(frames.mean_by_clip(squares), used)]


def study_shares_of(frames: ClipFrames, is_so: Tensor, used: Used) -> list[float]:
    """The share of the frames of each study's clips, 0..1, of which this holds: bool [F]."""
    return means_of(frames.mean_by_clip(is_so), used)


def spreads_of(frames: ClipFrames, said: Tensor) -> Tensor:
    """The same of each clip by itself: [F] to [C]."""
    centres = frames.mean_by_clip(said)
    return frames.mean_by_clip((said - centres[frames.clip]) ** 2).sqrt()


def shares_of(frames: ClipFrames, of_frames: Tensor, of_clips: Tensor) -> Tensor:
    """The share of each clip's frames [F] that say what the clip says [C]: [C]."""
    return frames.mean_by_clip(of_frames == of_clips[frames.clip])
