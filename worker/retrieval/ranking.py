"""Which studies are most like a text or a study: an exact search, over all clips of the index, a block at a time."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from worker.retrieval.index import Index
from worker.retrieval.segments import BLOCK_ROWS, Block
from worker.retrieval.similarity import DECIMALS, Cosines, best_clips, best_matches

Judge = Callable[[Cosines, npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""Cosines [R, Q] of a block's clips and where its studies begin [S] -> how alike each study is [S]."""


@dataclass(frozen=True, kw_only=True)
class FoundStudy:
    """A study that was found."""

    study_instance_uid: str
    score: float
    sop_instance_uid: str
    """The clip of it that is most like what was asked."""
    query_row: int
    """Which row of what was asked that clip is most like: of a study's clips, the index of the clip."""
    clip_score: float
    """The cosine of these two."""


def studies_like_text(
    index: Index, text: npt.NDArray[np.float32], *, top: int, block_rows: int = BLOCK_ROWS
) -> list[FoundStudy]:
    """The studies with the clips most like a text embedding [D] of length 1; the best first, ties by UID."""
    return _ranked(index, text[np.newaxis], best_clips, top=top, block_rows=block_rows)


def studies_like_study(
    index: Index,
    clips: npt.NDArray[np.float32],
    *,
    top: int,
    besides: Collection[str] = (),
    block_rows: int = BLOCK_ROWS,
) -> list[FoundStudy]:
    """The studies most like one of these clips [Q, D], `besides` left out; the best first, ties by UID."""
    return _ranked(index, clips, best_matches, top=top, besides=besides, block_rows=block_rows)


def _ranked(
    index: Index,
    query: npt.NDArray[np.float32],
    judge: Judge,
    *,
    top: int,
    block_rows: int,
    besides: Collection[str] = (),
) -> list[FoundStudy]:
    best: list[FoundStudy] = []
    for block, live in index.blocks(block_rows=block_rows):
        cosines = block.vectors @ query.T
        scores = np.round(judge(cosines, block.starts), DECIMALS)
        scores[~live] = -np.inf
        for uid in besides:
            scores[block.studies["uid"] == uid.encode("ascii", "replace")] = -np.inf
        if len(best) == top:  # what is worse than all of these need not be looked at
            scores[scores < best[-1].score] = -np.inf
        if len(scores) > top:  # ties with the last one stay: their UIDs decide
            scores[scores < np.partition(scores, -top)[-top]] = -np.inf
        found = [_found(block, cosines, int(at), float(scores[at])) for at in np.flatnonzero(scores > -np.inf)]
        best = sorted([*best, *found], key=lambda study: (-study.score, study.study_instance_uid))[:top]
    return best


def _found(block: Block, cosines: Cosines, at: int, score: float) -> FoundStudy:
    record = block.studies[at]
    begin = int(record["first"]) - block.first_row
    mine = cosines[begin : begin + int(record["rows"])]
    row, query_row = np.unravel_index(int(np.argmax(mine)), mine.shape)
    first = int(record["first"]) + int(row)
    return FoundStudy(
        study_instance_uid=record["uid"].decode("ascii"),
        score=score,
        sop_instance_uid=block.segment.instances(first, first + 1)[0],
        query_row=int(query_row),
        clip_score=round(float(mine[row, query_row]), DECIMALS),
    )
