"""Search against its definition in float64, over every clip at once."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.worker.retrieval.indexes import index_of, random_library
from worker.retrieval.ranking import studies_like_study, studies_like_text

AXES = {
    # Coordinates that half precision holds exactly: equal scores are equal to the last bit.
    "1.3": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "1.1": [[0.0, 0.0, 1.0]],
    "1.2": [[0.5, 0.0, 0.0], [0.0, 0.5, 0.5]],
    "1.4": [[0.0, 1.0, 0.0]],
    "1.5": [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]],
}


def test_a_study_counts_as_like_a_text_as_its_best_clip_and_ties_go_by_uid(tmp_path: Path) -> None:
    found = studies_like_text(index_of(tmp_path, AXES), np.array([0, 1, 0], dtype=np.float32), top=4)
    assert [(study.study_instance_uid, study.score, study.sop_instance_uid) for study in found] == [
        ("1.3", 1.0, "1.3.2"),
        ("1.4", 1.0, "1.4.1"),
        ("1.5", 1.0, "1.5.1"),
        ("1.2", 0.5, "1.2.2"),
    ]


def test_two_studies_are_as_alike_as_their_best_matches_in_both_directions(tmp_path: Path) -> None:
    index = index_of(tmp_path, AXES)
    _, clips = index.of_study("1.3") or ((), np.empty((0, 3)))
    found = studies_like_study(index, clips, top=3, besides={"1.3"})
    assert [(study.study_instance_uid, study.score) for study in found] == [
        ("1.4", (1 + (0 + 1) / 2) / 2),  # its one clip is there; of ours, one of two is there
        ("1.2", ((0.5 + 0.5) / 2 + (0.5 + 0.5) / 2) / 2),
        ("1.5", round(((1 + 0 + 0) / 3 + (0 + 1) / 2) / 2, 6)),
    ]
    best = found[0]
    assert (best.sop_instance_uid, best.query_row, best.clip_score) == ("1.4.1", 1, 1.0)


def test_likeness_is_symmetric_and_a_study_is_most_like_itself(tmp_path: Path) -> None:
    library = random_library(12, dimension=16)
    index = index_of(tmp_path, library)
    scores = {}
    for uid in library:
        _, clips = index.of_study(uid) or ((), np.empty((0, 16)))
        found = studies_like_study(index, clips, top=12)
        assert found[0].study_instance_uid == uid
        assert found[0].score == pytest.approx(1, abs=2e-3)  # the halves
        scores |= {(uid, study.study_instance_uid): study.score for study in found}
    assert all(score == pytest.approx(scores[other, one], abs=2e-6) for (one, other), score in scores.items())


@pytest.mark.parametrize("block_rows", [1, 2, 3, 5, 100])
def test_blocks_do_not_matter(tmp_path: Path, block_rows: int) -> None:
    index = index_of(tmp_path, AXES)
    text = np.array([0, 1, 0], dtype=np.float32)
    _, clips = index.of_study("1.5") or ((), np.empty((0, 3)))
    for top in range(1, 6):
        assert studies_like_text(index, text, top=top, block_rows=block_rows) == studies_like_text(index, text, top=top)
        assert studies_like_study(index, clips, top=top, block_rows=block_rows) == studies_like_study(
            index, clips, top=top
        )


@pytest.mark.parametrize("block_rows", [7, 16384])
def test_search_is_exact(tmp_path: Path, block_rows: int) -> None:
    """Over an index of several segments, with studies that were replaced and removed."""
    library = random_library(60, dimension=32)
    before = {
        uid: clips[::-1] * -1 if number % 9 == 0 else clips for number, (uid, clips) in enumerate(library.items())
    }
    index_of(tmp_path, before | {"1.9": library["1.2.0"]})
    index = index_of(tmp_path, library)
    assert len(index.segments) > 1
    halves = {uid: clips.astype(np.float16).astype(np.float64) for uid, clips in library.items()}
    query = random_library(1, dimension=32, seed=2)["1.2.0"].astype(np.float32)
    for_text = {uid: float((clips @ query[0]).max()) for uid, clips in halves.items()}
    found = studies_like_text(index, query[0], top=20, block_rows=block_rows)
    _assert_best(for_text, [(study.study_instance_uid, study.score) for study in found])
    for_study = {uid: _alike(clips, query.astype(np.float64)) for uid, clips in halves.items()}
    found = studies_like_study(index, query, top=20, block_rows=block_rows)
    _assert_best(for_study, [(study.study_instance_uid, study.score) for study in found])


def test_what_half_precision_costs_a_cosine(tmp_path: Path) -> None:
    library = random_library(50, dimension=512)
    index = index_of(tmp_path, library)
    text = library["1.2.7"][0]
    found = studies_like_text(index, text.astype(np.float32), top=50)
    assert len(found) == 50
    assert all(abs(study.score - (library[study.study_instance_uid] @ text).max()) < 0.0005 for study in found)


def _alike(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> float:
    cosines = ours @ theirs.T
    return float((cosines.max(axis=0).mean() + cosines.max(axis=1).mean()) / 2)


def _assert_best(expected: dict[str, float], found: list[tuple[str, float]]) -> None:
    """The best of `expected` were found, in this order; random scores have no ties."""
    best = sorted(expected, key=lambda uid: -expected[uid])[: len(found)]
    assert [uid for uid, _ in found] == best
    assert [score for _, score in found] == pytest.approx([expected[uid] for uid in best], abs=2e-6)
