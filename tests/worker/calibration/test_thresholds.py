"""Thresholds against a search by brute force, written from the definition."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import CalibrationError
from worker.calibration.thresholds import ThresholdRule

# Few distinct scores, so that ties are the rule.
CASES = st.lists(st.tuples(st.integers(-4, 4).map(lambda n: n / 7), st.booleans()), min_size=2, max_size=30).filter(
    lambda cases: len({truth for _, truth in cases}) == 2 and len({score for score, _ in cases}) > 1
)
SEPARATED = np.array([0.1, 0.2, 0.6, 0.7]), np.array([False, False, True, True])


def f1_at(threshold: float, cases: list[tuple[float, bool]]) -> float:
    found = sum(truth and score > threshold for score, truth in cases)
    wrong = sum(truth != (score > threshold) for score, truth in cases)
    return 2 * found / (2 * found + wrong)


def sensitivity_at(threshold: float, cases: list[tuple[float, bool]]) -> float:
    positive = [score for score, truth in cases if truth]
    return sum(score > threshold for score in positive) / len(positive)


def everywhere(cases: list[tuple[float, bool]]) -> list[float]:
    """A threshold below all scores, between any two, and at each."""
    distinct = sorted({score for score, _ in cases})
    return [distinct[0] - 1, *distinct, *[(a + b) / 2 for a, b in pairwise(distinct)]]


def arrays(cases: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in cases]), np.array([truth for _, truth in cases])


@given(CASES)
def test_no_threshold_has_a_higher_f1(cases: list[tuple[float, bool]]) -> None:
    chosen = ThresholdRule().choose(*arrays(cases))[0]
    assert f1_at(chosen, cases) == pytest.approx(max(f1_at(threshold, cases) for threshold in everywhere(cases)))


@given(CASES, st.floats(0.05, 1))
def test_no_higher_threshold_is_as_sensitive_as_was_asked_for(cases: list[tuple[float, bool]], at_least: float) -> None:
    chosen = ThresholdRule(name="sensitivity", at_least=at_least).choose(*arrays(cases))[0]
    assert sensitivity_at(chosen, cases) >= at_least - 1e-9
    above = min((score for score, _ in cases if score > chosen), default=None)
    assert above is not None
    assert sensitivity_at(above, cases) < at_least


@given(CASES)
def test_no_score_lies_at_a_threshold_and_it_stands_in_the_middle_of_its_neighbours(
    cases: list[tuple[float, bool]],
) -> None:
    chosen = ThresholdRule().choose(*arrays(cases))[0]
    below = [score for score, _ in cases if score <= chosen]
    above = [score for score, _ in cases if score > chosen]
    if below:
        assert chosen == pytest.approx((max(below) + min(above)) / 2)
    else:
        assert chosen < min(above)


def test_where_the_scores_separate_the_cases_the_threshold_is_in_the_middle_of_the_gap() -> None:
    assert ThresholdRule().choose(*SEPARATED)[0] == pytest.approx(0.4)


def test_of_equally_good_gaps_the_widest_is_taken() -> None:
    # F1 is 2/3 above 0.0 (all but the lowest), and above 0.8 (the highest alone).
    scores = np.array([0.0, 0.1, 0.2, 0.8, 0.9])
    truth = np.array([False, True, False, False, True])
    for_each = {t: f1_at(t, list(zip(scores, truth, strict=True))) for t in (0.05, 0.85, 0.5)}
    assert for_each[0.05] == pytest.approx(for_each[0.85])
    assert for_each[0.5] < for_each[0.05]
    assert ThresholdRule().choose(scores, truth)[0] == pytest.approx(0.05)


@given(CASES, st.integers(0, 2**32 - 1))
def test_a_weight_is_as_good_as_so_many_copies_of_the_case(cases: list[tuple[float, bool]], seed: int) -> None:
    scores, truth = arrays(cases)
    weights = np.random.default_rng(seed).integers(0, 4, len(cases))
    repeated = [case for case, count in zip(cases, weights, strict=True) for _ in range(count)]
    chosen = ThresholdRule().choose(scores, truth, weights[None, :].astype(float))[0]
    if not any(truth for _, truth in repeated):
        assert np.isnan(chosen)
        return
    assert f1_at(chosen, repeated) == pytest.approx(max(f1_at(threshold, repeated) for threshold in everywhere(cases)))


def test_between_neighbouring_floats_the_threshold_still_tells_them_apart() -> None:
    low, high = 0.3, np.nextafter(0.3, 1)
    chosen = ThresholdRule().choose(np.array([low, high]), np.array([False, True]))[0]
    assert low <= chosen < high


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_cases_of_one_kind_alone_give_no_threshold(truth: list[bool]) -> None:
    with pytest.raises(CalibrationError, match="both kinds"):
        ThresholdRule().choose(np.array([0.1, 0.2]), np.array(truth))


def test_scores_that_are_all_the_same_give_no_threshold() -> None:
    with pytest.raises(CalibrationError, match="the same score"):
        ThresholdRule().choose(np.array([0.1, 0.1]), np.array([True, False]))


def test_cut_points_ascend_even_where_each_alone_would_not() -> None:
    scores = np.array([0.0, 0.0, 2.0, 2.0, 1.0, 1.0, 0.1])
    classes = np.array([0, 0, 1, 1, 2, 2, 0])
    for rule in (ThresholdRule(), ThresholdRule(name="sensitivity", at_least=0.9)):
        cuts = rule.cut_points(scores, classes, 3)
        assert cuts[0] <= cuts[1]
    assert (scores[classes > 0] > cuts[0]).mean() >= 0.9
    assert (scores[classes > 1] > cuts[1]).mean() >= 0.9
