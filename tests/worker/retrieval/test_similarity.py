import numpy as np
import pytest
import torch

from worker.retrieval.similarity import best_matches, best_matches_among, clip_embedding, same_view


def test_a_clip_is_the_direction_of_the_mean_of_its_frames() -> None:
    frames = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    embedding = clip_embedding(frames)
    assert embedding == pytest.approx(np.array([1, 2, 0]) / 5**0.5)
    assert embedding.dtype == np.float32


def test_frames_that_cancel_out_have_no_direction() -> None:
    assert clip_embedding(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).tolist() == [0, 0]


def test_clips_of_different_views_are_not_compared_unless_one_was_not_judged() -> None:
    assert same_view(["a4c", None, "plax"], ["a4c", "subcostal"]).tolist() == [
        [True, False],
        [True, True],
        [False, False],
    ]


def test_what_has_no_partner_of_its_view_does_not_count() -> None:
    cosines = np.array([[0.5, 0.9], [0.1, 0.2]], dtype=np.float32)
    comparable = np.array([[True, False], [False, False]])
    assert best_matches_among(cosines, comparable) == 0.5
    assert best_matches_among(cosines, np.zeros((2, 2), dtype=bool)) is None


def test_with_all_pairs_comparable_it_is_the_likeness_that_search_ranks_by() -> None:
    cosines = np.random.default_rng(3).uniform(-1, 1, (4, 3)).astype(np.float32)
    (ranked,) = best_matches(cosines, np.array([0]))
    assert best_matches_among(cosines, np.ones((4, 3), dtype=bool)) == pytest.approx(ranked, abs=1e-6)
