"""How cosines between frames and prompts become a score or a number (Christensen et al., Nature Medicine 2024).

Embeddings are float32, L2-normalised along their last axis, so that a dot product is a cosine.
"""

import torch
from torch import Tensor

TOP_FRACTION = 0.2
"""The part of the averaged ranking whose median is the estimate (the published evaluation code)."""


def binary_score(frames: Tensor, prompts: Tensor) -> float:
    """The mean cosine over all frames [T, D] and all prompts [P, D]; -1..1, not a probability."""
    return float((frames @ prompts.T).mean())


def regression_estimate(frames: Tensor, prompts: Tensor, values: Tensor) -> float:
    """The value that the best matching prompts agree on.

    Each frame ranks all filled prompts by cosine, descending; the ranking is read as the list of their values; the
    lists are averaged over the frames, rank by rank; the median of the first fifth is the estimate, the lower of
    the two middle entries when their number is even.

    Parameters
    ----------
    frames
        [T, D], one embedding for each frame.
    prompts
        [N, D], one embedding for each filled prompt, N >= 5 (`config.clinical_tasks.MINIMUM_FILLED_PROMPTS`).
    values
        [N], the number that was filled into each prompt.
    """
    # Stable, so that equal cosines keep the order of the catalogue: the same on every machine.
    ranking = torch.argsort(frames @ prompts.T, dim=1, descending=True, stable=True)
    by_rank = values[ranking].to(torch.float64).mean(dim=0)
    best = by_rank[: int(TOP_FRACTION * len(by_rank))]
    return float(best.median())
