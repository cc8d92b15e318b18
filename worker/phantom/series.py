"""Many synthetic studies at once, each from a seed of its own, on all the processors."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from config.errors import EchoWorkerError
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.study import make_study
from worker.phantom.styles import TRAINING_STYLES
from worker.phantom.truth import StudyKind, StudyTruth


@dataclass(frozen=True, kw_only=True)
class Series:
    """Which studies to make."""

    studies: int
    seed: int = 0
    """Of the first study; each one after it has the next."""
    clips: int = 10
    style: VendorStyle | None = None
    """By default the machines for training, one after the other."""
    contradicted: int = 0
    no_view: int = 0

    def kind(self, index: int) -> StudyKind:
        """Of a study, counted from 0: the ordinary ones come first, those without a view last."""
        if index >= self.studies - self.no_view:
            return StudyKind.NO_VIEW
        if index >= self.studies - self.no_view - self.contradicted:
            return StudyKind.CONTRADICTED
        return StudyKind.ORDINARY


def make_series(folder: Path, series: Series) -> Iterator[tuple[Path, StudyTruth]]:
    """Make the studies in folders of their own; yields each with its truth, in order, as soon as it is done.

    Raises
    ------
    EchoWorkerError
        The folder holds something already, or more studies are of a kind than there are studies.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EchoWorkerError(f"{folder} holds something already: name another folder")
    if series.contradicted + series.no_view > series.studies:
        raise EchoWorkerError(
            f"{series.contradicted} contradicted studies and {series.no_view} without a view are more than "
            f"{series.studies} in all"
        )
    return _made(folder, series)


def _made(folder: Path, series: Series) -> Iterator[tuple[Path, StudyTruth]]:
    folders = [folder / f"study-{index + 1:04}" for index in range(series.studies)]
    workers = min(os.cpu_count() or 1, series.studies)
    # Started afresh: a fork would inherit whatever threads and locks the caller has.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        truths = pool.map(_one, folders, range(series.studies), [series] * series.studies)
        yield from zip(folders, truths, strict=True)


def _one(folder: Path, index: int, series: Series) -> StudyTruth:
    style = series.style or TRAINING_STYLES[(series.seed + index) % len(TRAINING_STYLES)]
    return make_study(folder, seed=series.seed + index, clips=series.clips, style=style, kind=series.kind(index))
