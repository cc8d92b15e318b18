"""The scoring of one study, on one screen: clips -> frame embeddings -> view gate -> every task of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median_low

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from db.runs import ClipAnswer, JudgedClip, ModelIdentity, TaskResult, Verdict
from worker.echoclip.towers import Towers
from worker.echoclip.zero_shot import binary_score, regression_estimate
from worker.views import ViewGate, counted

NO_CLIP = "no usable clip"


@dataclass(frozen=True, kw_only=True)
class ScorableClip:
    """The prepared frames of one instance: uint8 [T, 224, 224, 3], RGB."""

    sop_instance_uid: str
    frames: npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class StudyScore:
    """What the model says of one study."""

    results: tuple[TaskResult, ...]
    """One for each task of the catalogue, in its order."""
    clips: tuple[JudgedClip, ...]
    """All that were handed in, in their order; the results come from those that are not left out."""
    why_unanswered: str | None
    """Set when no clip is left, so that every task is ABSTAINED."""


@dataclass(frozen=True, kw_only=True)
class _EmbeddedClip:
    sop_instance_uid: str
    frames: Tensor


class Scorer:
    """A model with the prompts of one catalogue, embedded once and kept."""

    def __init__(self, towers: Towers, identity: ModelIdentity, catalogue: Catalogue, gate: ViewGate) -> None:
        self.identity = identity
        self.gate = gate
        self._towers = towers
        self._tasks = catalogue.tasks
        self._prompts = {task.id: towers.embed_prompts(filled_prompts(task)) for task in catalogue.tasks}

    def score(self, clips: Sequence[ScorableClip]) -> StudyScore:
        """Answer every task of the catalogue for one study, from the clips that show a heart."""
        embedded = [
            _EmbeddedClip(sop_instance_uid=clip.sop_instance_uid, frames=self._towers.embed_frames(_tensor(clip)))
            for clip in clips
        ]
        judged = tuple(self.gate.judge(clip.sop_instance_uid, clip.frames) for clip in embedded)
        left_out = {clip.sop_instance_uid: clip.skip_reason for clip in judged if clip.skip_reason is not None}
        shown = [clip for clip in embedded if clip.sop_instance_uid not in left_out]
        if not shown:
            reason = f"{NO_CLIP}: {counted(left_out.values())}" if left_out else NO_CLIP
            return StudyScore(results=self._abstained(reason), clips=judged, why_unanswered=reason)
        results = tuple(self._answer(task, shown) for task in self._tasks)
        return StudyScore(results=results, clips=judged, why_unanswered=None)

    def _abstained(self, reason: str) -> tuple[TaskResult, ...]:
        return tuple(TaskResult(task_id=task.id, verdict=Verdict.ABSTAINED, reason=reason) for task in self._tasks)

    def _answer(self, task: AnyTask, clips: Sequence[_EmbeddedClip]) -> TaskResult:
        if isinstance(task, RegressionTask):
            return self._measure(task, clips)
        if isinstance(task, ClassTask):
            return TaskResult(task_id=task.id, verdict=Verdict.UNCALIBRATED, reason="classes are not scored yet")
        return self._detect(task, clips)

    def _measure(self, task: RegressionTask, clips: Sequence[_EmbeddedClip]) -> TaskResult:
        """Each clip gives an estimate; the study's is their median, since one clip off its view must not move it."""
        values = torch.tensor(_values(task))
        answers = tuple(
            ClipAnswer(
                sop_instance_uid=clip.sop_instance_uid,
                value=regression_estimate(clip.frames, self._prompts[task.id], values),
            )
            for clip in clips
        )
        # The lower of two middle values, as torch's median does within a clip: always a value that a clip gave.
        value = median_low(answer.value for answer in answers)
        return TaskResult(task_id=task.id, verdict=Verdict.MEASURED, value=value, clips=answers)

    def _detect(self, task: BinaryTask, clips: Sequence[_EmbeddedClip]) -> TaskResult:
        """Each clip gives a score; the study's is their mean, called present or absent only with a threshold."""
        answers = tuple(
            ClipAnswer(sop_instance_uid=clip.sop_instance_uid, value=binary_score(clip.frames, self._prompts[task.id]))
            for clip in clips
        )
        score = fmean(answer.value for answer in answers)
        threshold = task.threshold_for(self.identity.family)
        if threshold is None:
            reason = f"no threshold was made with {self.identity.name} and these prompts"
            return TaskResult(task_id=task.id, verdict=Verdict.UNCALIBRATED, score=score, reason=reason, clips=answers)
        verdict = Verdict.PRESENT if score > threshold.value else Verdict.ABSENT
        return TaskResult(task_id=task.id, verdict=verdict, score=score, threshold=threshold.value, clips=answers)


def filled_prompts(task: AnyTask) -> list[str]:
    """A task's prompts as the text tower reads them: a regression's, once for every value of its range."""
    return task.filled_prompts()


def _values(task: RegressionTask) -> list[int]:
    """The number in each of `filled_prompts`."""
    return [number for _ in task.prompts for number in range(task.values.first, task.values.last + 1)]


def _tensor(clip: ScorableClip) -> Tensor:
    return torch.from_numpy(np.array(clip.frames))  # a copy: the file behind it is mapped read-only
