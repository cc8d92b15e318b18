"""The linear models: fitted, with the strength of their regularisation chosen by cross-validation over patients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from config.clinical_tasks import AnyTask, ClassTask, RegressionTask
from worker.calibration.resampling import Groups, Split
from worker.calibration.thresholds import Floats

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""C of the logistic regression, of standardised coordinates; the inverse is alpha of the ridge regression."""
_INNER_FOLDS = 3
_STRATA = 3
"""Of a number's truths, so that every fold has low ones and high ones."""


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """What maps embeddings [N, D] to decisions [N, K]."""

    weights: Floats
    """[K, D]; K is 1, or the number of classes."""
    bias: Floats
    """[K]."""
    strength: float
    """As its regression names it: C or alpha."""

    def __call__(self, embeddings: Floats) -> Floats:
        """The decisions: log-odds, or estimates."""
        return embeddings @ self.weights.T + self.bias


def fit(task: AnyTask, embeddings: Floats, truth: Floats, groups: Groups) -> LinearModel:
    """Fit the model of a task's kind to embeddings [N, D] with their truth [N].

    Regularisation is chosen among `STRENGTHS` by three-fold cross-validation, the studies of a patient in one fold: by
    the log loss of a logistic, by the mean absolute error of a ridge regression.
    """
    splits = groups.folds(strata(task, truth), repeats=1, folds=_INNER_FOLDS)[0]
    if isinstance(task, RegressionTask):
        alphas = [1 / strength for strength in STRENGTHS]
        error = make_scorer(mean_absolute_error, greater_is_better=False)
        return _chosen(Ridge(), {"ridge__alpha": alphas}, error, splits, embeddings, truth)
    classes = np.unique(truth)
    loss = make_scorer(log_loss, response_method="predict_proba", greater_is_better=False, labels=classes)
    logistic = LogisticRegression(max_iter=2000)
    model = _chosen(logistic, {"logisticregression__C": list(STRENGTHS)}, loss, splits, embeddings, truth)
    return _for_each_class(model) if isinstance(task, ClassTask) and len(task.classes) == 2 else model


def _for_each_class(model: LinearModel) -> LinearModel:
    """Of two classes the regression gives the log-odds of the second alone: half of them for it, half against."""
    halves = np.array([-0.5, 0.5])
    return replace(model, weights=halves[:, None] * model.weights, bias=halves * model.bias)


def strata(task: AnyTask, truth: Floats) -> npt.NDArray[np.intp]:
    """What every fold should have about the same share of: the truths, or thirds of them where they are numbers."""
    if isinstance(task, RegressionTask):
        inner = np.quantile(truth, np.linspace(0, 1, _STRATA + 1)[1:-1])
        return np.searchsorted(inner, truth, side="right")
    return truth.astype(np.intp)


def _chosen(
    regression: LogisticRegression | Ridge,
    grid: dict[str, list[float]],
    quality: Callable[..., float],
    splits: Sequence[Split],
    embeddings: Floats,
    truth: Floats,
) -> LinearModel:
    pipeline = make_pipeline(StandardScaler(), regression)
    search = GridSearchCV(pipeline, grid, scoring=quality, cv=splits).fit(embeddings, truth)
    (strength,) = search.best_params_.values()
    return _without_scaling(search.best_estimator_, strength)


def _without_scaling(pipeline: Pipeline, strength: float) -> LinearModel:
    """The same map on embeddings as they are: the standardisation becomes part of its numbers."""
    scaler: Any = pipeline[0]
    coefficients = np.atleast_2d(pipeline[-1].coef_) / scaler.scale_
    bias = np.atleast_1d(pipeline[-1].intercept_) - coefficients @ scaler.mean_
    return LinearModel(weights=coefficients, bias=bias, strength=float(strength))
