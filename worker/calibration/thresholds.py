"""Where to put a threshold on a score: above it, strictly, a case is called PRESENT.

A case's weight is how often a bootstrap resample drew it, so that a threshold can be chosen in 2,000 resamples at once.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from config.errors import CalibrationError

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
_EQUAL = 1e-12


@dataclass(frozen=True, kw_only=True)
class ThresholdRule:
    """How a threshold is chosen."""

    name: Literal["f1", "sensitivity"] = "f1"
    at_least: float | None = None
    """The sensitivity that must be reached, 0 < x <= 1; of the rule `sensitivity` alone."""

    def __str__(self) -> str:
        if self.at_least is None:
            return "highest F1"
        return f"the highest threshold with a sensitivity of at least {self.at_least:.3g}"

    def choose(self, scores: Floats, truth: Truths, weights: Floats | None = None) -> Floats:
        """The threshold of each row of weights [B, N], or of the cases as they are: [B].

        A threshold lies in the middle between two neighbouring scores, since every place between them is as good.
        Where several such gaps are equally good, it is the widest of them; of equally wide ones the lowest.

        Raises
        ------
        CalibrationError
            Both kinds of case are not there, or their scores are all the same.
        """
        if truth.all() or not truth.any():
            raise CalibrationError("a threshold needs cases of both kinds")
        edges, widths = _gaps(scores)
        found, called = _sums_above(scores, truth, np.ones((1, len(scores))) if weights is None else weights)
        with np.errstate(invalid="ignore"):  # a resample without a positive case: it has no F1, and gives NaN below
            if self.at_least is None:
                quality = 2 * found / (found[:, :1] + called)
                is_best = quality >= quality.max(axis=1, keepdims=True) - _EQUAL
                chosen = np.where(is_best, widths, -1.0).argmax(axis=1)
            else:
                reached = found / found[:, :1] >= self.at_least - _EQUAL
                chosen = reached.shape[1] - 1 - reached[:, ::-1].argmax(axis=1)
        return np.where(found[:, 0] > 0, edges[chosen], np.nan)

    def cut_points(self, scores: Floats, classes: npt.NDArray[np.intp], number: int) -> Floats:
        """One threshold for each boundary between `number` ordered classes, ascending: [number - 1].

        Each is chosen by itself for "worse than this class". One that came out above its right neighbour's is lowered
        to it: that takes no sensitivity away.
        """
        each = [self.choose(scores, classes > boundary)[0] for boundary in range(number - 1)]
        return np.minimum.accumulate(np.array(each)[::-1])[::-1]


def _gaps(scores: Floats) -> tuple[Floats, Floats]:
    """Where a threshold may lie, below all scores and between two neighbours; and how much room is there."""
    distinct = np.unique(scores)
    if len(distinct) == 1:
        raise CalibrationError("all cases have the same score: there is nothing to tell them apart by")
    room = np.diff(distinct)
    middle = distinct[:-1] + room / 2
    # Between neighbouring floats there is none: the lower one itself keeps its case below.
    between = np.where(middle < distinct[1:], middle, distinct[:-1])
    # Below them all there is no neighbour: half of a usual gap away. It has no width: any real gap is preferred.
    return np.concatenate([[distinct[0] - room.mean() / 2], between]), np.concatenate([[0.0], room])


def _sums_above(scores: Floats, truth: Truths, weights: Floats) -> tuple[Floats, Floats]:
    """Above each of the gaps: the weight of the positive cases, and of all cases. Both [B, gaps]."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    every = np.add.reduceat(weights[:, order], starts, axis=1)
    positive = np.add.reduceat(weights[:, order] * truth[order], starts, axis=1)
    found, called = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (positive, every))
    return found, called
