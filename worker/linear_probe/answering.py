"""What a head says of the clips of a study: of each frame, of each clip, and of them all.

Binary: a head gives log-odds. The study's are the mean of its clips'; the score is the probability that the logistic
map of the head makes of them, 0..1. Classes: the mean of the clips' log-odds gives probabilities; of ordered classes
the score is their expected number, from 0 to one less than there are, of others the probability of the most likely.
Regression: each clip gives a number, the study's is their lower median, as in zero-shot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.aggregation import medians_of
from worker.linear_probe.head import Head


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer of a head."""

    value: float
    """Binary: probability. Class: see above. Regression: in the task's unit."""
    outcome: int | None = None
    """Class: its number."""


@dataclass(frozen=True, kw_only=True)
class Decider:
    """A head with the threshold or the cut points that decide: its own, or those of a site's calibration."""

    head: Head
    threshold: float | None = None
    """Binary, and classes without an order."""
    cut_points: tuple[float, ...] | None = None
    """Without any, an ordered answer has a score, and no class."""

    def say(self, decisions: Tensor) -> list[Said]:
        """What it says of each of these decisions of the head: [N, K]."""
        answers = self.head.answers
        if answers.kind == "regression":
            return [Said(value=value) for value in decisions[:, 0].tolist()]
        if answers.probability is not None:
            log_odds = decisions[:, 0] * answers.probability.slope + answers.probability.intercept
            return [Said(value=value) for value in log_odds.sigmoid().tolist()]
        probabilities = decisions.softmax(dim=1)
        if not answers.ordered:
            best = probabilities.max(dim=1)
            pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
            return [Said(value=value, outcome=outcome) for value, outcome in pairs]
        numbers = torch.arange(decisions.shape[1], dtype=torch.float32)
        severities = (probabilities @ numbers).tolist()
        return [Said(value=severity, outcome=self._class_of(severity)) for severity in severities]

    def _class_of(self, severity: float) -> int | None:
        return None if self.cut_points is None else sum(severity > cut for cut in self.cut_points)

    def decisions(self, clips: Sequence[Tensor]) -> Tensor:
        """What the head makes of clips whose frames have these embeddings, each [T, D]: [clips, K]."""
        return self.head(clip_embeddings(clips))

    def study(self, clips: Sequence[Tensor]) -> Said:
        """What it says of a study with these clips: each [T, D]."""
        decisions = self.decisions(clips)
        if self.head.answers.kind == "regression":
            return Said(value=medians_of(decisions[:, 0], [range(len(decisions))])[0])
        return self.say(decisions.mean(dim=0, keepdim=True))[0]

    def sides(self, said: Sequence[Said]) -> Tensor:
        """What each answer comes to, int64 [N]: the side of the threshold, or the class; -1 where there is neither."""
        if self.head.answers.kind == "binary":
            above = [-1 if self.threshold is None else int(one.value > self.threshold) for one in said]
            return torch.tensor(above)
        return torch.tensor([-1 if one.outcome is None else one.outcome for one in said])


def clip_embeddings(clips: Sequence[Tensor]) -> Tensor:
    """The mean of each clip's frames [T, D], of length 1: [N, D]."""
    means = torch.stack([frames.mean(dim=0) for frames in clips])
    return torch.nn.functional.normalize(means, dim=1)


def study_embedding(clips: Sequence[Tensor]) -> Tensor:
    """The mean of the clips, every clip weighing the same, of length 1: [D]. What a head is trained on."""
    return torch.nn.functional.normalize(torch.stack([frames.mean(dim=0) for frames in clips]).mean(dim=0), dim=0)
