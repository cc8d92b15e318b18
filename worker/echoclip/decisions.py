"""What turns a score into an answer: which threshold, or which cut points, hold for a task as it is asked here.

The site's calibration before the one that came with the pack, before the catalogue's own. A calibration holds where
weights, prompts and preprocessing are those that it was made with; where one is another it is not used, and the reason
goes with the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask, Wording
from config.reasons import Reason, ReasonKind


class TaskDecision(Protocol):
    """What a calibration has for one task."""

    @property
    def threshold(self) -> float | None:
        """Binary: PRESENT strictly above it. Classes without an order: CLASSIFIED strictly above it."""

    @property
    def cut_points(self) -> tuple[float, ...] | None:
        """Ordered classes: ascending, one fewer than there are classes."""

    @property
    def origin(self) -> str:
        """In a sentence, for people."""


class DecidingCalibration(Protocol):
    """As much of a `config.calibration.Calibration` as decides."""

    @property
    def digest(self) -> str:
        """SHA-256 of its file."""

    @property
    def preprocessing_profile(self) -> str:
        """Of the frames that it was made with."""

    def task(self, task_id: str) -> TaskDecision | None:
        """What it has for this task, whether it holds or not."""

    def why_not(self, task_id: str, *, embedder: str, prompts_digest: str, profile: str) -> str | None:
        """Why it does not hold for a task that is asked in this way; None where it does."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How a task is asked: all that a threshold may depend on."""

    embedder: str
    family: str
    wording: Wording
    profile: str
    """Of the frames' preprocessing."""


@dataclass(frozen=True, kw_only=True)
class DecisionRule:
    """What decides a task; neither threshold nor cut points: it is UNCALIBRATED."""

    threshold: float | None = None
    cut_points: tuple[float, ...] | None = None
    origin: str | None = None
    """Where it comes from, in a sentence."""
    calibration_digest: str | None = None
    """Of the calibration that it comes from; None: of the catalogue, or there is none."""
    caveat: str | None = None
    """What else than the number itself a reader of the answer has to know of it."""
    not_used: tuple[str, ...] = ()
    """Why a calibration that has the task does not decide it."""


def decision_rule(task: AnyTask, asking: Asking, calibrations: Sequence[DecidingCalibration]) -> DecisionRule:
    """What decides this task, of calibrations the strongest first, and then of the catalogue.

    `task` has the prompts that the model is asked with.
    """
    not_used: list[str] = []
    for calibration in calibrations:
        found = calibration.task(task.id)
        if found is None:
            continue
        why = calibration.why_not(
            task.id, embedder=asking.embedder, prompts_digest=task.wording_digest(), profile=asking.profile
        ) or _misfit(task, found)
        if why is not None:
            not_used.append(why)
        elif found.threshold is not None or found.cut_points is not None:
            return DecisionRule(
                threshold=found.threshold,
                cut_points=found.cut_points,
                origin=found.origin,
                calibration_digest=calibration.digest,
                not_used=tuple(not_used),
            )
    return _of_catalogue(task, asking, tuple(not_used))


def _misfit(task: AnyTask, found: TaskDecision) -> str | None:
    """The prompts say which classes there are, so only a damaged calibration comes to this."""
    has_order = isinstance(task, ClassTask) and task.ordered
    if found.threshold is not None and (has_order or isinstance(task, RegressionTask)):
        return Reason(ReasonKind.CALIBRATION_THRESHOLD_UNFIT)
    if found.cut_points is None:
        return None
    if not isinstance(task, ClassTask) or not has_order or len(found.cut_points) != len(task.classes) - 1:
        return Reason(ReasonKind.CALIBRATION_CUT_POINTS_UNFIT)
    return None


def _of_catalogue(task: AnyTask, asking: Asking, not_used: tuple[str, ...]) -> DecisionRule:
    if isinstance(task, BinaryTask) and (threshold := task.threshold_for(asking.family, asking.wording)):
        caveat = _of_other_frames(ReasonKind.THRESHOLD_OF_OTHER_FRAMES, threshold.preprocessing, asking.profile)
        return DecisionRule(threshold=threshold.value, origin=threshold.origin, caveat=caveat, not_used=not_used)
    if isinstance(task, ClassTask) and (cut := task.cut_points_for(asking.family, asking.wording)):
        caveat = _of_other_frames(ReasonKind.CUT_POINTS_OF_OTHER_FRAMES, cut.preprocessing, asking.profile)
        return DecisionRule(cut_points=cut.values, origin=cut.origin, caveat=caveat, not_used=not_used)
    return DecisionRule(not_used=not_used)


def _of_other_frames(kind: ReasonKind, measured_with: str | None, profile: str) -> Reason | None:
    if measured_with is None or measured_with == profile:
        return None
    return Reason(kind, measured_with=measured_with, profile=profile)
