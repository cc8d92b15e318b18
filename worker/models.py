"""All that the pipeline knows of a model. Another model is another pack, and changes nothing outside it.

A pack names its kind; a kind is a Python entry point of the group `echoworker.pack_kinds`, whose object is a
`PackLoader`. So a multi-view video model, or a site's own head on our frame embeddings, is an installed package and a
pack; the pipeline goes on as it is: clips -> `embed` -> (kept) -> view gate -> `answer` -> rows and report.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from config.catalogue import Catalogue
from config.settings import Settings
from db.results.runs import ModelIdentity, TaskResult, ViewCall

if TYPE_CHECKING:
    from worker.packs.folder import ModelPack
    from worker.views import ViewClassifier

Frames = npt.NDArray[np.uint8]
"""The prepared frames of a clip: uint8 [T, S, S, 3], RGB, S the model's `image_size`."""

Maps = npt.NDArray[np.float32]
"""Heat maps of a clip: float32 [T, S, S], one for each frame, S the edge of the frames in pixels."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedClip:
    """A clip as a model sees it."""

    sop_instance_uid: str
    embeddings: Tensor
    """float32 [T, D], L2-normalised: one for each frame; or for each part of the clip, for a model of whole videos."""
    view: ViewCall | None = None
    """The view of the heart that it shows, as far as that restricts what it may answer: `ViewGate.restricting`. None:
    it may answer everything."""
    preprocessing_profile: str | None = None
    """How its frames were made; None: as the settings say."""

    def may_answer(self, views: Sequence[str]) -> bool:
        """Whether a task of these views takes it: it shows one of them, or which one it shows is not sure."""
        return not views or self.view is None or not self.view.is_heart or self.view.view in views


def prepared_as(clips: Sequence[EmbeddedClip], usual: str) -> str:
    """How the frames of these clips were made: `usual` where one does not say; all ways, where there are several."""
    return "+".join(sorted({clip.preprocessing_profile or usual for clip in clips}))


class StudyModel(Protocol):
    """A loaded model, ready for studies; one for each process."""

    @property
    def identity(self) -> ModelIdentity:
        """What made the results, for their provenance."""

    @property
    def embedder(self) -> str:
        """SHA-256 over what decides the embeddings: kept ones of the same embedder need no pixels to be used again."""

    @property
    def image_size(self) -> int:
        """The edge of the frames that it takes, in pixels."""

    @property
    def frames_at_once(self) -> int:
        """How many frames fill the device: the pipeline takes further waiting studies along until there are so many.

        1 where nothing is gained by it, as on a CPU: a study then never waits for another.
        """

    @property
    def calibration_digest(self) -> str | None:
        """SHA-256 of the site's calibration that decides; None where thresholds are the catalogue's, or missing.

        The same for every study, whatever profile its clips were prepared with: it is named where it decides frames of
        its own profile. A run of other frames differs by its `preprocessing_profile`, and its answers say why not. Were
        it of each run, those of other frames would be outdated for ever.
        """

    def wording_digest(self, task_id: str) -> str:
        """SHA-256 over what besides the embedder decides a task's score: prompts with values, or a trained head.

        What a calibration of the task holds for.
        """

    def embed(self, clips: Sequence[Frames]) -> list[Tensor]:
        """The embeddings of each clip, float32 [T, D] on the CPU; the slow part, for as many clips as there are."""

    def view_classifier(self) -> "ViewClassifier | None":
        """Who judges the views; None where it cannot."""

    def answer(self, clips: Sequence[EmbeddedClip]) -> tuple[TaskResult, ...]:
        """One result for each task of the catalogue, in its order; without a clip, all of them ABSTAINED."""


@runtime_checkable
class AnsweringTogether(Protocol):
    """A `StudyModel` that answers many studies faster than one after the other."""

    def answer_together(self, studies: Sequence[Sequence[EmbeddedClip]]) -> list[tuple[TaskResult, ...]]:
        """Of each study what `answer` gives of it alone."""


def answers_together(model: StudyModel, studies: Sequence[Sequence[EmbeddedClip]]) -> list[tuple[TaskResult, ...]]:
    """What a model answers of many studies, together where it can do that."""
    if isinstance(model, AnsweringTogether):
        return model.answer_together(studies)
    return [model.answer(clips) for clips in studies]


@runtime_checkable
class TrainedOnCases(Protocol):
    """A `StudyModel` that learned from labelled cases of this site: on those it is better than on any other patient."""

    def was_trained_on(self, study_instance_uid: str, task_id: str) -> bool:
        """Whether this study was among them, for this task."""


@runtime_checkable
class Explaining(Protocol):
    """A `StudyModel` that can show where in a clip it finds what speaks for an answer of its own."""

    def support(self, frames: Frames, result: TaskResult) -> Maps | None:
        """Heat maps of the answer over the frames of one clip; 0 where nothing speaks for it, on no scale otherwise.

        None where there is no answer to explain, or where no maps can be made of this kind of model.
        """

    def support_towards(self, frames: Frames, targets: Tensor) -> Maps:
        """The same for embeddings in place of an answer: float32 [N, D], L2-normalised, N at least 1."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a pack is loaded into."""

    settings: Settings
    catalogue: Catalogue
    cache: Path
    """A folder of its own for what it would otherwise compute at every start."""
    device: str = ""
    """What torch calls the device that it is to run on, as `cuda:1` or `cpu`; empty: as the settings say."""


PackLoader = Callable[["ModelPack", Surroundings], StudyModel]
