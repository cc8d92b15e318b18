"""One task's cases become a threshold and what it is worth.

A threshold judged on the cases that it was chosen on looks too good. So the whole procedure is cross-validated: the
threshold is chosen on four fifths of the patients and judged on the others, in turn, with ten different divisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import numpy.typing as npt

from config.calibration import Metric, TaskCalibration
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from config.errors import CalibrationError
from config.reasons import counted
from worker.calibration.metrics import Classes, agreement_metrics, area_under_curve
from worker.calibration.probabilities import Reliability, reliability
from worker.calibration.resampling import FOLDS, Groups, Split, bootstrap
from worker.calibration.scales import Scale, labels_of, scale_of
from worker.calibration.scored import TaskCases
from worker.calibration.thresholds import Floats, ThresholdRule, Truths

MINIMUM_CASES = 10
"""Of each side of a threshold; of what has none, in all. They are of `FOLDS` patients at least."""
FEW_CASES = 50
"""Of a side: below it, a report says that intervals are wide and luck is large."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One two-sided question that a score answers: a finding, or whether a class is exceeded."""

    name: str
    scores: Floats
    truth: Truths
    threshold: Metric
    """With the interval in which it falls when patients are resampled."""
    area_under_curve: Metric
    reliability: Reliability


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that the report says of one task."""

    cases: TaskCases
    calibration: TaskCalibration | None
    """None: nothing to decide by, as for a regression."""
    cross_validated: dict[str, Metric]
    """Empty where nothing was chosen, so that there is nothing to be too good."""
    apparent: dict[str, Metric]
    labels: tuple[str, ...] = ()
    confusion: npt.NDArray[np.intp] | None = None
    """Truth (rows), answer by the threshold (columns); apparent."""
    questions: tuple[Question, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(cases: TaskCases, rule: ThresholdRule, *, source: str) -> Findings:
    """Choose the thresholds of one task, and say what they are worth.

    `source` names file and model, for the sentence that says where a threshold comes from.

    Raises
    ------
    CalibrationError
        There are too few cases, of too few patients, or the scores are all the same; the message says how many.
    """
    task = cases.task
    try:
        if isinstance(task, RegressionTask):
            return _judge_regression(cases)
        scale = scale_of(cases)
        if isinstance(task, ClassTask) and not task.ordered and (scale.truth == 0).sum() < MINIMUM_CASES:
            return _judge_all_answered(cases, scale, rule, source)
        return _judge_thresholds(cases, scale, rule, source)
    except CalibrationError as error:
        why = counted((case.reason for case in cases.unanswered), most=3)
        raise CalibrationError(f"task {task.id}: {error}{f'; without a score: {why}' if why else ''}") from error


def _judge_regression(cases: TaskCases) -> Findings:
    _require(cases.groups, "cases with an estimate")
    truth, estimate = cases.truths, cases.scores
    apparent = bootstrap(Groups(cases.groups), lambda weights: agreement_metrics(weights, truth, estimate))
    return Findings(
        cases=cases, calibration=None, cross_validated={}, apparent=apparent, warnings=_warnings(cases, [len(truth)])
    )


def _judge_all_answered(cases: TaskCases, scale: Scale, rule: ThresholdRule, source: str) -> Findings:
    """Classes without an order of which hardly one was wrong: nothing tells the wrong ones, and all are answered."""
    _require(list(compress(cases.groups, scale.truth == 1)), f"scored cases that are {scale.parts[1]}")
    called = np.ones(len(scale.truth), dtype=np.intp)
    apparent = bootstrap(Groups(cases.groups), lambda weights: scale.metrics(weights, called))
    wrong = int((scale.truth == 0).sum())
    origin = f"every one, since {wrong} of {len(called)} cases were wrong; {source}"
    return Findings(
        cases=cases,
        calibration=_calibration(cases, rule, origin, apparent, {}, np.array([0.0])),
        cross_validated={},
        apparent=apparent,
        labels=labels_of(cases.task),
        confusion=scale.confusion(called),
        warnings=_warnings(cases, [len(called)]),
    )


def _judge_thresholds(cases: TaskCases, scale: Scale, rule: ThresholdRule, source: str) -> Findings:
    task, groups = cases.task, Groups(cases.groups)
    sides = _require_sides(scale, cases.groups)
    folds = groups.folds(scale.truth)
    cuts = rule.cut_points(scale.scores, scale.truth, len(scale.parts))
    called = _called(scale.scores, cuts)
    apparent = bootstrap(groups, lambda weights: scale.metrics(weights, called))
    each = [_out_of_fold(scale, rule, splits) for splits in folds]

    def averaged(weights: Floats) -> dict[str, Floats]:
        repeats = [scale.metrics(weights, calls) for calls in each]
        return {name: np.mean([metrics[name] for metrics in repeats], axis=0) for name in repeats[0]}

    cross_validated = bootstrap(groups, averaged)
    questions = tuple(
        _question(name, scale.scores, scale.truth > boundary, rule, groups, folds[0], float(cuts[boundary]))
        for boundary, name in enumerate(scale.questions)
    )
    if isinstance(task, BinaryTask):  # nothing is chosen for it, so it is as good on either side
        area = {"AUC": questions[0].area_under_curve}
        cross_validated, apparent = cross_validated | area, apparent | area
    origin = f"{rule} on {len(called)} cases of {len(set(cases.groups))} patients; {source}"
    return Findings(
        cases=cases,
        calibration=_calibration(cases, rule, origin, cross_validated, apparent, cuts),
        cross_validated=cross_validated,
        apparent=apparent,
        labels=labels_of(task),
        confusion=scale.confusion(called),
        questions=questions,
        warnings=(*_warnings(cases, sides), *_useless(questions), *_no_better_than_chance(cross_validated)),
    )


def _out_of_fold(scale: Scale, rule: ThresholdRule, splits: Sequence[Split]) -> Classes:
    """What each case is called by thresholds that were chosen without its patient."""
    called = np.empty(len(scale.truth), dtype=np.intp)
    for train, test in splits:
        cuts = rule.cut_points(scale.scores[train], scale.truth[train], len(scale.parts))
        called[test] = _called(scale.scores[test], cuts)
    return called


def _called(scores: Floats, cuts: Floats) -> Classes:
    return np.asarray((scores[:, None] > cuts[None, :]).sum(axis=1))


def _question(
    name: str,
    scores: Floats,
    truth: Truths,
    rule: ThresholdRule,
    groups: Groups,
    splits: Sequence[Split],
    threshold: float,
) -> Question:
    def statistics(weights: Floats) -> dict[str, Floats]:
        return {
            "threshold": rule.choose(scores, truth, weights),
            "AUC": area_under_curve(weights, scores, truth),
        }

    metrics = bootstrap(groups, statistics)
    return Question(
        name=name,
        scores=scores,
        truth=truth,
        threshold=metrics["threshold"].model_copy(update={"value": threshold}),
        area_under_curve=metrics["AUC"],
        reliability=reliability(scores, truth, groups, splits),
    )


def _calibration(
    cases: TaskCases,
    rule: ThresholdRule,
    origin: str,
    metrics: dict[str, Metric],
    apparent: dict[str, Metric],
    cuts: Floats,
) -> TaskCalibration:
    labels, has_cut_points = labels_of(cases.task), isinstance(cases.task, ClassTask) and cases.task.ordered
    counts = np.bincount(cases.truths.astype(np.intp), minlength=len(labels)).tolist()
    return TaskCalibration(
        task_id=cases.task.id,
        prompts_digest=cases.wording_digest,
        rule=rule.name,
        at_least=rule.at_least,
        threshold=None if has_cut_points else float(cuts[0]),
        cut_points=tuple(cuts.tolist()) if has_cut_points else None,
        origin=f"{origin}; {_of_training(cases)}" if cases.of_training else origin,
        cases=len(cases.scored),
        cases_of_training=cases.of_training,
        patients=len(set(cases.groups)),
        cases_of=dict(zip(labels, counts, strict=True)),
        metrics=metrics,
        apparent_metrics=apparent,
    )


def _require(groups: Sequence[str], what: str) -> None:
    """Of fewer patients no interval means anything: resampled, they are the same few again."""
    patients = len(set(groups))
    if len(groups) < MINIMUM_CASES or patients < FOLDS:
        raise CalibrationError(
            f"{len(groups)} {what}, of {patients} patients: at least {MINIMUM_CASES}, of {FOLDS} patients, are needed"
        )


def _require_sides(scale: Scale, groups: Sequence[str]) -> list[int]:
    """How many cases are on each side of each threshold, where there are enough of them."""
    sides = []
    for boundary in range(len(scale.parts) - 1):
        for is_above in (False, True):
            inside = (scale.truth > boundary) == is_above
            which = scale.parts[boundary + is_above]
            if len(scale.parts) > 2:
                which += " or worse" if is_above else " or better"
            _require(list(compress(groups, inside)), f"scored cases that are {which}")
            sides.append(int(inside.sum()))
    return sides


def _warnings(cases: TaskCases, sides: Sequence[int]) -> tuple[str, ...]:
    warnings = [f"{_of_training(cases)}, so that every figure is too good"] if cases.of_training else []
    if min(sides) < FEW_CASES:
        warnings.append(f"only {min(sides)} cases on one side: below {FEW_CASES}, do not rely on it")
    if cases.of_no_patient:
        warnings.append(f"{_of_no_patient(cases)}: if one has several studies, every interval is too narrow")
    if cases.unanswered:
        total = len(cases.scored) + len(cases.unanswered)
        warnings.append(f"{len(cases.unanswered)} of {total} labelled studies have no score, and are in no figure")
    return tuple(warnings)


def _of_no_patient(cases: TaskCases) -> str:
    if cases.of_no_patient == len(cases.scored):
        return "no patient is known"
    return f"the patient of {cases.of_no_patient} of {len(cases.scored)} cases is not known"


def _of_training(cases: TaskCases) -> str:
    return f"{cases.of_training} of {len(cases.scored)} cases are of patients whom the model itself was trained on"


def _useless(questions: Sequence[Question]) -> tuple[str, ...]:
    """Questions whose score may be no better than chance, or whose threshold leaves a side empty."""
    warnings = [
        f"{question.name}: the AUC may be 0.5, as of a score that tells nothing"
        for question in questions
        if question.area_under_curve.low <= 0.5
    ]
    warnings += [
        f"{question.name}: the threshold is below every score, so that every case is called so"
        for question in questions
        if question.threshold.value < question.scores.min()
    ]
    return tuple(warnings)


def _no_better_than_chance(cross_validated: dict[str, Metric]) -> tuple[str, ...]:
    """Of classes without an order: how good the first class is was not chosen, so that nothing else would show it."""
    kappa = cross_validated.get("kappa")
    return ("what is answered may be right no more often than by chance",) if kappa and kappa.low <= 0 else ()
