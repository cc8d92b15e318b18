"""Synthetic studies, made beside whoever takes them through the product, and no more than a few ahead of it."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import torch

from worker.phantom.truth import StudyTruth

AHEAD = 4
"""Of each process: a study of three clips takes some 30 MB."""


def made_ahead(make: Callable[[int], StudyTruth], seeds: Sequence[int]) -> Iterator[StudyTruth]:
    """The studies of these seeds in order; `make` is a function of a module, or a partial of one."""
    processes = torch.get_num_threads()
    # Started afresh: a fork would inherit whatever threads and locks the caller has.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[StudyTruth]] = deque()
        for seed in seeds:
            waiting.append(pool.submit(make, seed))
            if len(waiting) == AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
