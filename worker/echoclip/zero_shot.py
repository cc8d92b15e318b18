"""How cosines of frames and prompts become a score, a number or a class (Christensen et al., Nature Medicine 2024).

All clips of a study at once, as `worker.aggregation.ClipFrames` has them.

Cosines are computed in float64 and rounded to float32. So the same embeddings have the same cosines on every machine,
and whatever else is in the batch; and the same prompt twice has the same cosine twice, which a product in float32 does
not promise. What is averaged afterwards is averaged in float64.

Binary scores and regressions are the published ones. Classes are defined here (docs/model-card.md): nobody has
published how EchoCLIP grades.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.aggregation import ClipFrames

TOP_FRACTION = 0.2
"""The part of the averaged ranking whose median is the estimate (the published evaluation code)."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What frames say by themselves, and what clips say."""

    frames: Tensor
    """float64 [F], or [F, K] for K classes."""
    clips: Tensor
    """float64 [C], or [C, K]. For means, that of the clip's frames; a regression's estimate is none."""


def cosines(frames: Tensor, prompts: Tensor) -> Tensor:
    """Of every frame [F, D] with every prompt [P, D]: float32 [F, P]."""
    return (frames.to(torch.float64) @ prompts.to(torch.float64).T).to(torch.float32)


def binary_scores(frames: ClipFrames, found: Tensor) -> Said:
    """The mean cosine over a task's prompts, and over the frames of a clip; -1..1, no probability.

    Parameters
    ----------
    found
        The `cosines` of the frames with the task's prompts: [F, P].
    """
    of_frames = found.to(torch.float64).mean(dim=1)
    return Said(frames=of_frames, clips=frames.mean_by_clip(of_frames))


def regression_estimates(frames: ClipFrames, found: Tensor, values: Tensor) -> Said:
    """The value that the best matching prompts agree on; for a frame, as if it were a clip by itself.

    Each frame ranks all filled prompts by cosine, descending; the ranking is read as the list of their values; the
    lists are averaged over the clip's frames, rank by rank; the median of the first fifth is the estimate, the lower
    of the two middle entries when their number is even.

    Parameters
    ----------
    found
        The `cosines` of the frames with all filled prompts: [F, N], N >= 5 (`MINIMUM_FILLED_PROMPTS`).
    values
        [N], the number that was filled into each prompt.
    """
    # Stable, so that equal cosines keep the order of the catalogue: the same on every machine.
    ranking = torch.sort(found, dim=1, descending=True, stable=True).indices
    best = values.to(torch.float64)[ranking[:, : int(TOP_FRACTION * len(values))]]
    # torch's median is the lower of two middle ones.
    return Said(frames=best.median(dim=1).values, clips=frames.mean_by_clip(best).median(dim=1).values)


def class_cosines(frames: ClipFrames, found: Tensor, prompts_of_class: Sequence[int]) -> Said:
    """The mean cosine over the prompts of each class, and over the frames of a clip: [F, K] and [C, K].

    Parameters
    ----------
    found
        The `cosines` of the frames with the prompts of all classes, class by class: [F, P].
    prompts_of_class
        How many prompts each class has; together P.
    """
    of_classes = found.to(torch.float64).split(list(prompts_of_class), dim=1)
    of_frames = torch.stack([of_class.mean(dim=1) for of_class in of_classes], dim=1)
    return Said(frames=of_frames, clips=frames.mean_by_clip(of_frames))


def leads(nearness: Tensor) -> Tensor:
    """By how much the nearest class leads the next, as a cosine: [..., K] to [...], 0 or more."""
    first, second = nearness.topk(2, dim=-1).values.unbind(dim=-1)
    return first - second


def severities(frames: ClipFrames, of_classes: Said, logit_scale: float) -> Said:
    """Where between the first class and the last, 0..K-1, the frames lie: for classes in order of severity.

    Each frame spreads one whole over the classes as the model itself was trained to: softmax of the class cosines
    times the model's logit scale. Its severity is the mean class number under these weights; a clip's is the mean.

    Parameters
    ----------
    of_classes
        As `class_cosines` gives it.
    logit_scale
        By what the model multiplies cosines, exp of its parameter of that name; at most 100 in CLIP's training.
    """
    weights = torch.softmax(of_classes.frames * logit_scale, dim=1)
    # No matrix product, which may add up the same row otherwise where there are more rows.
    of_frames = (weights * torch.arange(weights.shape[1], dtype=torch.float64)).sum(dim=1)
    return Said(frames=of_frames, clips=frames.mean_by_clip(of_frames))
