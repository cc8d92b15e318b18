"""The published algorithms, against a reference in plain Python that shares no code with ours."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.echoclip.zero_shot import binary_score, regression_estimate


def unit_vectors(count: int, seed: int) -> list[list[float]]:
    vectors = np.random.default_rng(seed).normal(size=(count, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32).tolist()


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def reference_estimate(frames: list[list[float]], prompts: list[list[float]], values: list[int]) -> float:
    lists = []
    for frame in frames:
        ranked = sorted(range(len(prompts)), key=lambda p: -cosine(frame, prompts[p]))
        lists.append([values[p] for p in ranked])
    averaged = [sum(one[rank] for one in lists) / len(lists) for rank in range(len(prompts))]
    best = sorted(averaged[: int(len(averaged) * 0.2)])
    return best[(len(best) - 1) // 2]


@settings(deadline=None)
@given(frames=st.integers(1, 20), templates=st.integers(1, 3), last=st.integers(9, 100), seed=st.integers(0, 2**32 - 1))
def test_the_estimate_is_the_references(frames: int, templates: int, last: int, seed: int) -> None:
    values = [*range(last + 1)] * templates
    frame_vectors, prompt_vectors = unit_vectors(frames, seed), unit_vectors(len(values), seed + 1)
    estimate = regression_estimate(torch.tensor(frame_vectors), torch.tensor(prompt_vectors), torch.tensor(values))
    assert estimate == pytest.approx(reference_estimate(frame_vectors, prompt_vectors, values), abs=1e-9)


@given(frames=st.integers(1, 20), prompts=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_the_score_is_the_mean_of_all_cosines(frames: int, prompts: int, seed: int) -> None:
    frame_vectors, prompt_vectors = unit_vectors(frames, seed), unit_vectors(prompts, seed + 1)
    expected = math.fsum(cosine(f, p) for f in frame_vectors for p in prompt_vectors) / (frames * prompts)
    assert binary_score(torch.tensor(frame_vectors), torch.tensor(prompt_vectors)) == pytest.approx(expected, abs=1e-6)


def test_of_an_even_number_the_lower_middle_value_is_the_median() -> None:
    # Ten prompts: a fifth of them is two, 40 and 60 by rank; torch's median of two is the lower.
    frames = torch.tensor([[1.0, 0.0]])
    angles = torch.linspace(0, 1, 10)
    prompts = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert regression_estimate(frames, prompts, torch.tensor([60, 40, *range(8)])) == 40


def test_equal_cosines_keep_the_order_of_the_prompts() -> None:
    frames, prompts = torch.ones(3, 1), torch.ones(50, 1)
    assert regression_estimate(frames, prompts, torch.arange(50)) == 4  # of 0..9, the lower middle


def test_it_is_rankings_that_are_averaged_and_not_similarities() -> None:
    # One frame sure of 80, two frames faintly for 20: averaged cosines would say 80.
    values = torch.tensor([80, 20, 50, 50, 50])
    prompts = torch.eye(5)
    sure = torch.tensor([0.9, 0.0, 0.1, 0.1, 0.1])
    faint = torch.tensor([0.0, 0.2, 0.1, 0.1, 0.1])
    assert regression_estimate(torch.stack([sure, faint, faint]), prompts, values) == pytest.approx((80 + 20 + 20) / 3)
