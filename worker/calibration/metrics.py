"""What calls are worth, on weighted cases: [B, N] weights, of B bootstrap resamples, give [B] values of each metric.

NaN where a metric is not defined, as a predictive value where nothing was called.
"""

import numpy as np
import numpy.typing as npt

from worker.calibration.thresholds import Floats, Truths

Classes = npt.NDArray[np.intp]


def binary_metrics(weights: Floats, truth: Truths, called: Truths) -> dict[str, Floats]:
    """F1, sensitivity, specificity, PPV and NPV of calls [N]."""
    kinds = np.stack([truth & called, truth & ~called, ~truth & called, ~truth & ~called], axis=1)
    found, missed, false_alarms, rightly_absent = (weights @ kinds.astype(np.float64)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "F1": 2 * found / (2 * found + missed + false_alarms),
            "sensitivity": found / (found + missed),
            "specificity": rightly_absent / (rightly_absent + false_alarms),
            "PPV": found / (found + false_alarms),
            "NPV": rightly_absent / (rightly_absent + missed),
        }


def area_under_curve(weights: Floats, scores: Floats, truth: Truths) -> Floats:
    """AUC: how often a positive case scores above a negative one, ties counting half."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positive = np.add.reduceat(weights[:, order] * truth[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * ~truth[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1)))


def class_metrics(weights: Floats, truth: Classes, called: Classes, number: int, *, ordered: bool) -> dict[str, Floats]:
    """Kappa (quadratic weights where the classes are ordered), accuracy, and accuracy within one class."""
    cells = np.eye(number * number)[truth * number + called]
    table = (weights @ cells).reshape(-1, number, number)
    total = table.sum(axis=(1, 2))
    apart = np.abs(np.subtract.outer(np.arange(number), np.arange(number)))
    cost = apart**2 if ordered else (apart > 0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = table.sum(axis=2)[:, :, None] * table.sum(axis=1)[:, None, :] / total[:, None, None]
        kappa = 1 - (cost * table).sum(axis=(1, 2)) / (cost * by_chance).sum(axis=(1, 2))
        metrics = {
            "quadratic weighted kappa" if ordered else "kappa": kappa,
            "accuracy": (table * (apart == 0)).sum(axis=(1, 2)) / total,
        }
        if ordered:
            metrics["accuracy within one class"] = (table * (apart <= 1)).sum(axis=(1, 2)) / total
    return metrics


def metrics_of_answered(
    weights: Floats, truth: Classes, called: Classes, answered: Truths, number: int
) -> dict[str, Floats]:
    """Of classes without an order: kappa and accuracy of the cases that were answered [N], and their share of all."""
    metrics = class_metrics(weights * answered, truth, called, number, ordered=False)
    return metrics | {"share answered": weights @ answered.astype(np.float64) / weights.sum(axis=1)}


def confusion(truth: Classes, called: Classes, number: int) -> npt.NDArray[np.intp]:
    """How many cases of each truth (rows) got each answer (columns)."""
    return np.bincount(truth * number + called, minlength=number * number).reshape(number, number)


def agreement_metrics(weights: Floats, truth: Floats, estimate: Floats) -> dict[str, Floats]:
    """Mean absolute error, bias (estimate - truth), its limits of agreement (Bland and Altman 1986), correlation."""
    total = weights.sum(axis=1)
    difference = estimate - truth
    bias = weights @ difference / total
    deviation = np.sqrt(np.maximum(_spread(weights, difference, difference), 0) * total / (total - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = _spread(weights, truth, estimate) / np.sqrt(
            _spread(weights, truth, truth) * _spread(weights, estimate, estimate)
        )
    return {
        "mean absolute error": weights @ np.abs(difference) / total,
        "bias": bias,
        "lower limit of agreement": bias - 1.96 * deviation,
        "upper limit of agreement": bias + 1.96 * deviation,
        "correlation": correlation,
    }


def _spread(weights: Floats, one: Floats, other: Floats) -> Floats:
    """The weighted covariance, divided by n; centred first, which keeps it exact."""
    total = weights.sum(axis=1)
    one, other = one - one.mean(), other - other.mean()
    return np.asarray(weights @ (one * other) / total - (weights @ one) * (weights @ other) / total**2)
