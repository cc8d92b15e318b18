"""The report of a calibration, for people: Markdown. It holds figures, and Study Instance UIDs of what has no score."""

from collections.abc import Iterable, Mapping, Sequence

from config.calibration import Metric
from config.clinical_tasks import RegressionTask
from worker.calibration.judging import Findings, Question
from worker.calibration.resampling import FOLDS, REPEATS, RESAMPLES, SEED

_PLAIN = {"mean absolute error", "bias", "lower limit of agreement", "upper limit of agreement"}
"""Metrics in the unit of the task, and not between 0 and 1."""
_NOTE = f"""
Intervals are of 95 %, by {RESAMPLES:,} bootstrap resamples of patients (percentiles; seed {SEED}). **Cross-validated**
is the main figure: the threshold was chosen on {FOLDS - 1} of {FOLDS} parts of the patients and judged on the other, in
{REPEATS} divisions. **Apparent** is on the very cases that the threshold was chosen on, and therefore too good. An
interval without width means that no case disagreed, and not that none ever will: after n such cases the true rate of
errors may still be 3/n. PPV and NPV hold where the finding is as frequent as in these cases.
"""
_RELIABILITY_NOTE = """
Brier score and calibration error are of a logistic map of the score to a probability, cross-validated. It is shown to
judge the score by. The Structured Report and the registry still hold the score, which is not a probability.
"""


def report(findings: Sequence[Findings], *, title: str, facts: Mapping[str, str], notes: Sequence[str] = ()) -> str:
    """The whole report; `facts` is its provenance, name by name, `notes` is what of the cases was left out."""
    parts = [f"# {title}\n", _table(("", ""), facts.items())]
    parts += [f"- {note}" for note in notes]
    parts.append(_NOTE)
    for found in findings:
        parts += _task(found)
    return "\n".join(parts).rstrip() + "\n"


def _task(found: Findings) -> list[str]:
    task = found.cases.task
    parts = [f"## {task.name} (`{task.id}`)\n"]
    parts += [f"**Note: {warning}.**\n" for warning in found.warnings]
    parts.append(_counts(found))
    if found.questions:
        parts.append(_thresholds(found.questions))
    parts.append(_metrics(found, _unit(found)))
    if found.confusion is not None:
        parts.append(_confusion(found))
    if found.questions:
        parts.append(_reliabilities(found.questions))
        parts.append(f"![ROC]({task.id}-roc.png) ![Reliability]({task.id}-reliability.png)\n")
    if isinstance(task, RegressionTask):
        parts.append("A measurement has no threshold: nothing of this is put to use, it says how far to trust it.\n")
        parts.append(f"![Agreement]({task.id}-agreement.png)\n")
    if found.cases.unanswered:
        parts.append("Labelled studies without a score:\n")
        parts.append(
            _table(("study", "why"), ((case.study_instance_uid, case.reason) for case in found.cases.unanswered))
        )
    return parts


def _counts(found: Findings) -> str:
    counts = f"{len(found.cases.scored)} studies of {len(set(found.cases.groups))} patients"
    if found.calibration is not None:
        counts += ": " + ", ".join(f"{count} {label}" for label, count in found.calibration.cases_of.items())
    return counts + ".\n"


def _thresholds(questions: Sequence[Question]) -> str:
    rows = ((q.name, f"score > {stated(q.threshold, 4)}", stated(q.area_under_curve)) for q in questions)
    return _table(("called", "threshold", "AUC"), rows)


def _metrics(found: Findings, unit: str) -> str:
    names = list(found.apparent)
    if not found.cross_validated:
        return _table(("", "measured"), ((_named(name, unit), stated(found.apparent[name])) for name in names))
    rows = ((name, stated(found.cross_validated.get(name)), stated(found.apparent[name])) for name in names)
    return _table(("", "cross-validated", "apparent"), rows)


def _confusion(found: Findings) -> str:
    table = [] if found.confusion is None else found.confusion.tolist()
    without = ["no answer"] if table and len(table[0]) > len(found.labels) else []
    heading = ("truth \\ answer (apparent)", *found.labels, *without)
    return _table(heading, ((label, *map(str, row)) for label, row in zip(found.labels, table, strict=True)))


def _reliabilities(questions: Sequence[Question]) -> str:
    rows = (
        (
            q.name,
            stated(q.reliability.brier, 3),
            f"{q.reliability.brier_of_the_share:.3f}",
            stated(q.reliability.expected_calibration_error, 3),
        )
        for q in questions
    )
    heading = ("", "Brier score", "of always saying the share", "expected calibration error")
    return _RELIABILITY_NOTE.lstrip("\n") + "\n" + _table(heading, rows)


def stated(metric: Metric | None, digits: int = 2) -> str:
    """A figure with its interval."""
    if metric is None:
        return "not defined"
    return f"{metric.value:.{digits}f} ({metric.low:.{digits}f} to {metric.high:.{digits}f})"


def _unit(found: Findings) -> str:
    task = found.cases.task
    return task.unit.meaning if isinstance(task, RegressionTask) else ""


def _named(name: str, unit: str) -> str:
    return f"{name} ({unit})" if name in _PLAIN else name


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(heading), " | ".join(["---"] * len(heading))]
    lines += [" | ".join(cell.replace("|", "/") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"
