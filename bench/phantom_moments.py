"""What is true of each frame of a synthetic clip: where in its beat it was taken. Needed to learn, and not kept.

An ejection fraction is motion, and a model of single frames can only tell of it by what a moment looks like: how much
of the stroke is ejected, how large the cavity is just now, how far the valves are open. Left to itself it is slow to
find that out, since hearts of little function also look round and large at any moment. So it is told.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.phantom_clips import Scan
from worker.phantom.captions import SEEN_IN
from worker.phantom.heart import Heart

USUAL_VOLUME_ML, VOLUME_STEP = 100.0, 0.5
"""Volumes are told as logarithms, in units of this, from that one on."""
BEND = 0.3
"""The error from which on the loss grows in proportion to it, and no faster."""
TOLD = 3


class Moments(nn.Module):
    """Reads the moment off what the image tower has of a frame before it becomes an embedding."""

    def __init__(self, features: int) -> None:
        """`features`: how many the image tower has of a frame."""
        super().__init__()
        self.reading = nn.Linear(features, TOLD)

    def loss(self, features: Tensor, truth: Tensor) -> Tensor:
        """Of frames, float32 [..., F], whose truth is float32 [..., 3], NaN where a frame does not tell."""
        told = ~truth.isnan()
        if not told.any():
            return features.new_zeros(())
        return functional.smooth_l1_loss(self.reading(features)[told], truth[told], beta=BEND)


def truth_of_frames(scans: Sequence[Scan], frames: int) -> Tensor:
    """Of each frame of clips of one beat, float32 [N, T, 3], about -1..1; NaN where no ventricle is seen whole."""
    truth = np.full((len(scans), frames, TOLD), np.nan, np.float32)
    for number, scan in enumerate(scans):
        if scan.heart is not None and scan.acquisition is not None and scan.view in SEEN_IN["lvef"]:
            phases = [scan.acquisition.first_phase + frame / frames for frame in range(frames)]
            truth[number] = [_moment(scan.heart, phase) for phase in phases]
    return torch.from_numpy(truth)


def _moment(heart: Heart, phase: float) -> tuple[float, float, float]:
    return (
        2 * heart.contraction(phase) - 1,
        math.log(heart.volume_ml(phase) / USUAL_VOLUME_ML) / VOLUME_STEP,
        2 * heart.tricuspid_opening(phase) - 1,
    )
