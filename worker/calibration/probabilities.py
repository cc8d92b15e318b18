"""How well a score could be turned into a probability: a logistic map of it (Platt 1999), judged out of fold.

It is judged, and not used: results show the score, and no probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.calibration import Metric
from worker.calibration.resampling import Groups, Split, bootstrap
from worker.calibration.thresholds import Floats, Truths

_SHRINK = 1e6
"""Of the logistic regression's C: as good as none, with an answer also where the scores separate the cases."""
_MOST_BINS = 10
_CASES_IN_A_BIN = 10


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How the probabilities of a two-sided question compare with what is true."""

    probabilities: Floats
    """[N], each from a map that was made without the case's patient."""
    bins: tuple[tuple[float, float, int], ...]
    """Mean probability, share of positive cases, number of cases; of about equally large bins, ascending."""
    brier: Metric
    expected_calibration_error: Metric
    brier_of_the_share: float
    """Of always saying the share of positive cases: a score that is worth something is below it."""


def reliability(scores: Floats, truth: Truths, groups: Groups, folds: Sequence[Split]) -> Reliability:
    """Judge the logistic map of these scores [N], by the folds of one repeat."""
    probabilities = np.empty(len(scores))
    for train, test in folds:
        slope, intercept = logistic_map(scores[train], truth[train])
        probabilities[test] = sigmoid(slope * scores[test] + intercept)
    number = max(2, min(_MOST_BINS, len(scores) // _CASES_IN_A_BIN))
    inner = np.quantile(probabilities, np.linspace(0, 1, number + 1)[1:-1])
    member = np.eye(number)[np.searchsorted(inner, probabilities, side="right")]
    error = truth - probabilities

    def statistics(weights: Floats) -> dict[str, Floats]:
        total = weights.sum(axis=1)
        in_bins = (weights * error) @ member
        return {"brier": weights @ error**2 / total, "ece": np.abs(in_bins).sum(axis=1) / total}

    metrics = bootstrap(groups, statistics)
    share = float(truth.mean())
    return Reliability(
        probabilities=probabilities,
        bins=tuple(
            (float(probabilities[inside].mean()), float(truth[inside].mean()), int(inside.sum()))
            for inside in member.T.astype(bool)
            if inside.any()
        ),
        brier=metrics["brier"],
        expected_calibration_error=metrics["ece"],
        brier_of_the_share=share * (1 - share),
    )


def logistic_map(scores: Floats, truth: Truths) -> tuple[float, float]:
    """Slope and intercept, so that sigmoid(slope * score + intercept) is the probability of a positive case."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  an extra of the installation

    scale = float(scores.std()) or 1.0
    fitted = LogisticRegression(C=_SHRINK, max_iter=1000).fit((scores[:, None] - scores.mean()) / scale, truth)
    slope = float(fitted.coef_[0, 0]) / scale
    return slope, float(fitted.intercept_[0]) - slope * float(scores.mean())


def sigmoid(log_odds: Floats) -> Floats:
    """The probability of these log-odds; no overflow, however large they are."""
    return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)))
