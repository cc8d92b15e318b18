"""Metrics on weighted cases against scikit-learn on repeated ones."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from worker.calibration.metrics import (
    agreement_metrics,
    area_under_curve,
    binary_metrics,
    class_metrics,
    confusion,
)
from worker.calibration.resampling import Groups, bootstrap

SEEDS = st.integers(0, 2**32 - 1)


def weighted(seed: int, number: int = 25) -> tuple[np.random.Generator, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator, generator.integers(0, 4, number)


@given(SEEDS)
def test_binary_metrics_are_those_of_the_textbook(seed: int) -> None:
    generator, weights = weighted(seed)
    truth, called = generator.random(25) < 0.4, generator.random(25) < 0.5
    ours = binary_metrics(weights[None, :].astype(float), truth, called)
    truth, called = np.repeat(truth, weights), np.repeat(called, weights)
    scores = {
        "F1": (truth | called, reference.f1_score, {}),
        "sensitivity": (truth, reference.recall_score, {}),
        "specificity": (~truth, reference.recall_score, {"pos_label": False}),
        "PPV": (called, reference.precision_score, {}),
        "NPV": (~called, reference.precision_score, {"pos_label": False}),
    }
    for name, (defined, score, options) in scores.items():
        if defined.any():
            assert ours[name][0] == pytest.approx(score(truth, called, **options)), name
        else:
            assert np.isnan(ours[name][0]), name


@given(SEEDS)
def test_the_area_under_the_curve_counts_ties_half(seed: int) -> None:
    generator, weights = weighted(seed)
    scores, truth = generator.integers(0, 6, 25) / 5, generator.random(25) < 0.5
    ours = area_under_curve(weights[None, :].astype(float), scores, truth)[0]
    scores, truth = np.repeat(scores, weights), np.repeat(truth, weights)
    if truth.all() or not truth.any():
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(reference.roc_auc_score(truth, scores))


@given(SEEDS)
def test_kappa_and_accuracy_are_those_of_the_textbook(seed: int) -> None:
    generator, weights = weighted(seed)
    truth, called = generator.integers(0, 4, 25), generator.integers(0, 4, 25)
    ordered, nominal = (
        class_metrics(weights[None, :].astype(float), truth, called, 4, ordered=ordered) for ordered in (True, False)
    )
    truth, called = np.repeat(truth, weights), np.repeat(called, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quadratic = reference.cohen_kappa_score(truth, called, weights="quadratic")
        plain = reference.cohen_kappa_score(truth, called)
    assert ordered["quadratic weighted kappa"][0] == pytest.approx(quadratic, nan_ok=True)
    assert nominal["kappa"][0] == pytest.approx(plain, nan_ok=True)
    assert ordered["accuracy"][0] == pytest.approx((truth == called).mean())
    assert ordered["accuracy within one class"][0] == pytest.approx((abs(truth - called) <= 1).mean())
    assert "accuracy within one class" not in nominal
    assert (confusion(truth, called, 4) == reference.confusion_matrix(truth, called, labels=range(4))).all()


@given(SEEDS)
def test_agreement_is_that_of_bland_and_altman(seed: int) -> None:
    generator, weights = weighted(seed)
    truth, estimate = generator.normal(50, 10, 25), generator.normal(52, 12, 25)
    ours = agreement_metrics(weights[None, :].astype(float), truth, estimate)
    truth, estimate = np.repeat(truth, weights), np.repeat(estimate, weights)
    difference = estimate - truth
    assert ours["mean absolute error"][0] == pytest.approx(abs(difference).mean())
    assert ours["bias"][0] == pytest.approx(difference.mean())
    limits = difference.mean() + np.array([-1.96, 1.96]) * difference.std(ddof=1)
    assert [ours[f"{end} limit of agreement"][0] for end in ("lower", "upper")] == pytest.approx(limits.tolist())
    assert ours["correlation"][0] == pytest.approx(np.corrcoef(truth, estimate)[0, 1])


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        sample = generator.normal(5, 2, 40)
        groups = Groups([str(number) for number in range(40)])
        mean = bootstrap(groups, lambda weights, s=sample: {"mean": weights @ s / weights.sum(axis=1)}, resamples=300)
        covered += mean["mean"].low <= 5 <= mean["mean"].high
    assert 0.88 <= covered / 200 <= 0.98


def test_studies_of_one_patient_are_no_independent_witnesses() -> None:
    generator = np.random.default_rng(2)
    sample = np.repeat(generator.normal(size=20), 10)
    patients = [str(number // 10) for number in range(200)]
    alone = [str(number) for number in range(200)]

    def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": weights @ sample / weights.sum(axis=1)}

    by_patient, by_study = (bootstrap(Groups(names), mean)["mean"] for names in (patients, alone))
    assert by_patient.high - by_patient.low > 2 * (by_study.high - by_study.low)


def test_a_metric_that_the_cases_do_not_define_is_left_out() -> None:
    truth, nothing = np.array([True, False] * 10), np.zeros(20, dtype=bool)
    found = bootstrap(Groups([str(n) for n in range(20)]), lambda weights: binary_metrics(weights, truth, nothing))
    assert "PPV" not in found
    assert found["sensitivity"].value == 0
