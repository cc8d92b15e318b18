"""The studies of the demo: synthetic hearts whose truth is known, each with something to find."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from worker.phantom.heart import Device, sample_heart
from worker.phantom.study import make_study
from worker.phantom.styles import TRAINING_STYLES
from worker.phantom.truth import StudyKind, StudyTruth

CLIPS, FRAMES = 3, 45
"""Of each study; an apical four-, five- and two-chamber view."""


@dataclass(frozen=True, kw_only=True)
class DemoStudy:
    """One study to be made."""

    about: str
    """What there is to find, for the table."""
    seed: int
    kind: StudyKind = StudyKind.ORDINARY
    heart: Mapping[str, Any] = field(default_factory=dict)
    """The fields of `worker.phantom.heart.Heart` that it is about; the others are drawn."""


DEMO_STUDIES = (
    DemoStudy(about="a normal heart", seed=11, heart={"ejection_fraction": 63.0, "devices": ()}),
    DemoStudy(
        about="a failing, dilated left ventricle, and a pacemaker",
        seed=12,
        heart={"ejection_fraction": 22.0, "end_diastolic_volume_ml": 215.0, "devices": (Device.PACEMAKER,)},
    ),
    DemoStudy(
        about="a transcatheter aortic valve", seed=13, heart={"ejection_fraction": 55.0, "devices": (Device.TAVR,)}
    ),
    DemoStudy(
        about="a clip on the mitral valve, and a report that contradicts the pictures",
        seed=18,  # its text gives another ejection fraction
        kind=StudyKind.CONTRADICTED,
        heart={"ejection_fraction": 34.0, "devices": (Device.MITRACLIP,)},
    ),
    DemoStudy(about="no view of the heart", seed=15, kind=StudyKind.NO_VIEW, heart={"devices": ()}),
)


def make_demo_studies(folder: Path, pause: Callable[[], None]) -> list[tuple[Path, StudyTruth]]:
    """Make them in folders of their own, on all processors: each folder, and what is true of its study.

    `pause` waits for a moment, again and again, and raises where the demo is stopped: then nothing goes on being made.
    """
    folders = [folder / f"study-{number}" for number in range(1, len(DEMO_STUDIES) + 1)]
    # Started afresh: a fork would inherit whatever threads and locks the caller has.
    with get_context("spawn").Pool(min(os.cpu_count() or 1, len(folders))) as pool:
        truths = pool.starmap_async(_made, list(zip(folders, DEMO_STUDIES, strict=True)), chunksize=1)
        while not truths.ready():
            pause()
        return list(zip(folders, truths.get(), strict=True))


def _made(folder: Path, study: DemoStudy) -> StudyTruth:
    return make_study(
        folder,
        seed=study.seed,
        clips=CLIPS,
        style=TRAINING_STYLES[study.seed % len(TRAINING_STYLES)],
        kind=study.kind,
        heart=sample_heart(np.random.default_rng(study.seed), **study.heart),
        number_of_frames=FRAMES,
    )
