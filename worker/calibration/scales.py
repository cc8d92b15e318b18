"""What of a task a score decides: on which side of each threshold the truth of a case lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.clinical_tasks import AnyTask, ClassTask
from config.errors import CalibrationError
from worker.calibration.metrics import Classes, binary_metrics, class_metrics, confusion, metrics_of_answered
from worker.calibration.scored import TaskCases
from worker.calibration.thresholds import Floats


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The cases of a task along its score; `steps` thresholds cut it into one part more."""

    scores: Floats
    """[N]."""
    truth: Classes
    """[N]: in which part each case belongs, from 0."""
    parts: tuple[str, ...]
    """What a case of each part is."""
    questions: tuple[str, ...]
    """What exceeding each threshold means."""
    metrics: Callable[[Floats, Classes], Mapping[str, Floats]]
    """What calls [N], the part that each case was put into, are worth under weights [B, N]."""
    confusion: Callable[[Classes], npt.NDArray[np.intp]]
    """Of such calls: truth (rows), answer (columns)."""


def scale_of(cases: TaskCases) -> Scale:
    """The scale of a finding, or of classes.

    Raises
    ------
    CalibrationError
        The results of classes without an order do not say which class is the first.
    """
    task, truth = cases.task, cases.truths.astype(np.intp)
    if isinstance(task, ClassTask) and not task.ordered:
        return _of_the_first_class(cases, task, truth)
    parts = labels_of(task)
    number = len(parts)
    metrics = _of_a_finding(truth)
    questions: tuple[str, ...] = ("present",)
    if isinstance(task, ClassTask):
        metrics = _of_ordered_classes(truth, number) if number > 2 else metrics
        questions = tuple(f"worse than {outcome.name}" for outcome in task.classes[:-1])
    return Scale(
        scores=cases.scores,
        truth=truth,
        parts=parts,
        questions=questions,
        metrics=metrics,
        confusion=lambda called: confusion(truth, called, number),
    )


def _of_the_first_class(cases: TaskCases, task: ClassTask, truth: Classes) -> Scale:
    """Of classes without an order: whether the first one is right, which is answered where its score is high enough."""
    first = np.array([-1 if case.outcome is None else case.outcome for case in cases.scored], dtype=np.intp)
    if (first < 0).any():
        raise CalibrationError("the kept results do not say which class is the nearest: requeue the studies")
    number = len(task.classes)
    return Scale(
        scores=cases.scores,
        truth=(first == truth).astype(np.intp),
        parts=("of another class than the nearest", "of the nearest class"),
        questions=("the nearest class is right",),
        metrics=lambda weights, called: metrics_of_answered(weights, truth, first, called > 0, number),
        confusion=lambda called: confusion(truth, np.where(called > 0, first, number), number + 1)[:number],
    )


def _of_a_finding(truth: Classes) -> Callable[[Floats, Classes], Mapping[str, Floats]]:
    return lambda weights, called: binary_metrics(weights, truth > 0, called > 0)


def _of_ordered_classes(truth: Classes, number: int) -> Callable[[Floats, Classes], Mapping[str, Floats]]:
    return lambda weights, called: class_metrics(weights, truth, called, number, ordered=True)


def labels_of(task: AnyTask) -> tuple[str, ...]:
    """What each truth of a task is called."""
    return tuple(outcome.id for outcome in task.classes) if isinstance(task, ClassTask) else ("absent", "present")
