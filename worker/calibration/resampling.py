"""Intervals by bootstrap, and folds for cross-validation: both keep the studies of a patient together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.calibration import Metric
from worker.calibration.thresholds import Floats

RESAMPLES = 2000
FOLDS = 5
REPEATS = 10
SEED = 20260101
"""Fixed, so that the same cases give the same report."""
_CELLS = 4_000_000
"""Of a matrix of weights at a time: 32 MB."""

Statistics = Callable[[Floats], Mapping[str, Floats]]
"""Of weights [B, N]: each statistic as [B]; NaN where it is not defined."""
Split = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


@dataclass(frozen=True)
class Groups:
    """Whose each case is."""

    names: Sequence[str]

    @property
    def numbers(self) -> npt.NDArray[np.intp]:
        """The same as numbers from 0: [N]."""
        return np.unique(np.array(self.names), return_inverse=True)[1].reshape(-1)

    def resamples(self, number: int = RESAMPLES, seed: int = SEED) -> Iterator[Floats]:
        """How often each case is drawn when whole groups are drawn with replacement: [some, N], `number` in all."""
        generator = np.random.default_rng(seed)
        numbers = self.numbers
        groups = int(numbers.max()) + 1
        at_once = max(1, _CELLS // len(numbers))
        for start in range(0, number, at_once):
            some = min(at_once, number - start)
            drawn = generator.multinomial(groups, np.full(groups, 1 / groups), size=some)
            yield drawn[:, numbers].astype(np.float64)

    def folds(self, strata: npt.NDArray[np.intp], *, repeats: int = REPEATS, folds: int = FOLDS) -> list[list[Split]]:
        """For each repeat, the (train, test) cases of each fold, with about the same share of each stratum."""
        from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415  an extra of the installation

        numbers, cases = self.numbers, np.zeros(len(strata))
        return [
            list(StratifiedGroupKFold(folds, shuffle=True, random_state=SEED + repeat).split(cases, strata, numbers))
            for repeat in range(repeats)
        ]


def bootstrap(groups: Groups, statistics: Statistics, *, resamples: int = RESAMPLES) -> dict[str, Metric]:
    """Each statistic of the cases, with its 95 % percentile interval.

    A statistic that the cases do not define, as a predictive value where nothing is called present, is left out; so are
    the resamples that do not define it.
    """
    values = statistics(np.ones((1, len(groups.names))))
    drawn = [statistics(weights) for weights in groups.resamples(resamples)]
    metrics = {}
    for name, value in values.items():
        sample = np.concatenate([part[name] for part in drawn])
        sample = sample[~np.isnan(sample)]
        if not np.isnan(value[0]) and len(sample):
            low, high = np.percentile(sample, [2.5, 97.5])
            metrics[name] = Metric(value=float(value[0]), low=float(low), high=float(high))
    return metrics
