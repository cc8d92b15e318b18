"""How alike: clips, a text and a study, two studies. The definitions are in docs/model-card.md.

A clip's embedding is the mean of its frames' embeddings, of length 1 again, so that a product of two is their cosine.
(The published example leaves the mean as it is: for one clip and several reports that is the same order. Between clips
it would count a clip whose frames differ, so that their mean is shorter, as less like anything.)
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

Cosines = npt.NDArray[np.float32]
DECIMALS = 6
"""Of a similarity that is shown or ranked; finer is only rounding, and how a product is blocked."""


def clip_embedding(frames: Tensor) -> npt.NDArray[np.float32]:
    """Of frame embeddings [T, D], each of length 1: their mean, float32 [D] of length 1; zeros where they cancel."""
    return _unit_length(frames.double().mean(dim=0).numpy())


def study_embedding(clips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of a study's clips [N, D], each of length 1: their mean, float32 [D] of length 1; zeros where they cancel."""
    return _unit_length(clips.mean(axis=0, dtype=np.float64))


def text_likeness(text: npt.NDArray[np.float32], study: npt.NDArray[np.float32]) -> float:
    """The cosine of a text and a study, both [D] of length 1."""
    return round(float(text.astype(np.float64) @ study.astype(np.float64)), DECIMALS)


def best_clips(cosines: Cosines, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """A text and studies: of each study the highest of its clips' cosines.

    `cosines` [R, 1], the studies' clips one after the other, `starts` [S] where each study begins; returns [S].
    """
    return np.maximum.reduceat(cosines[:, 0], starts).astype(np.float64)


def best_matches(cosines: Cosines, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """A study of Q clips and studies: how alike each clip of either is to the one most like it in the other.

    The mean over the clips of one study of their best match in the other, and the same the other way round: the mean
    of the two. A study is its own equal (1); a study that holds one view of another and no more is less than that.
    `cosines` [R, Q] and `starts` [S] as in `best_clips`; returns [S].
    """
    rows = np.diff(np.append(starts, len(cosines)))
    theirs = np.add.reduceat(cosines.max(axis=1).astype(np.float64), starts) / rows
    ours = np.maximum.reduceat(cosines, starts, axis=0).mean(axis=1, dtype=np.float64)
    return np.asarray((theirs + ours) / 2)


def same_view(ours: Sequence[str | None], theirs: Sequence[str | None]) -> npt.NDArray[np.bool_]:
    """Which clips of two studies may be compared, [A, B]: those of one view, and any whose view was not judged."""
    return np.array([[a == b or a is None or b is None for b in theirs] for a in ours], dtype=bool).reshape(
        len(ours), len(theirs)
    )


def best_matches_among(cosines: Cosines, comparable: npt.NDArray[np.bool_]) -> float | None:
    """`best_matches` of two studies [A, B] over the pairs that may be compared; None where there are none.

    A clip without a partner is left out: that one study has a view which the other lacks says nothing of the heart.
    """
    if not comparable.any():
        return None
    allowed = np.where(comparable, cosines.astype(np.float64), -np.inf)
    ways = (allowed.max(axis=axis)[comparable.any(axis=axis)].mean() for axis in (0, 1))
    return round(float(sum(ways)) / 2, DECIMALS)


def _unit_length(mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length if length > 0 else mean, dtype=np.float32)
