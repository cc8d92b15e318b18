"""Indexes of studies whose embeddings a test knows."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from config.errors import DamagedFileError
from worker.retrieval.index import Index, Update, WantedStudy, updated_index

Library = Mapping[str, Sequence[Sequence[float]] | None]
"""Study Instance UID -> the embedding of each of its clips; None: they cannot be read."""


def wanted(library: Library) -> dict[str, WantedStudy]:
    """These studies; one is made again when its embeddings are others than before."""
    return {
        uid: WantedStudy(stamp=f"{hash(str(clips)) & (1 << 60) - 1:015x}", load=partial(_load, uid, clips))
        for uid, clips in library.items()
    }


def update(root: Path, library: Library) -> tuple[Index, Update]:
    return updated_index(root, lambda: wanted(library))


def index_of(root: Path, library: Library) -> Index:
    return update(root, library)[0]


def contents(index: Index) -> dict[str, list[tuple[str, list[float]]]]:
    """Study Instance UID -> its clips, as the index has them."""
    found = {}
    for uid in index.stamps:
        instances, vectors = index.of_study(uid) or ((), np.empty((0, 0)))
        found[uid] = list(zip(instances, vectors.tolist(), strict=True))
    return found


def random_library(studies: int, *, dimension: int, seed: int = 1) -> dict[str, npt.NDArray[np.float64]]:
    """Studies of one to five clips in random directions, each of length 1."""
    random = np.random.default_rng(seed)
    made = {}
    for number in range(studies):
        clips = random.standard_normal((int(random.integers(1, 6)), dimension))
        made[f"1.2.{number}"] = clips / np.linalg.norm(clips, axis=1, keepdims=True)
    return made


def _load(uid: str, clips: Sequence[Sequence[float]] | None) -> list[tuple[str, npt.NDArray[np.float32]]]:
    if clips is None:
        raise DamagedFileError("damaged")
    return [(f"{uid}.{number}", np.asarray(clip, dtype=np.float32)) for number, clip in enumerate(clips, start=1)]
