"""One answer in words: in short for tables and summaries, and how it came about for its group of a report."""

from collections.abc import Sequence

from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from db.runs import ClipAnswer, TaskResult, Verdict

_READING_ORDER = {Verdict.ABSTAINED: 1, Verdict.UNCALIBRATED: 2}
"""What has an answer comes first, then what has none for this study, then what no study has an answer to yet."""
_NO_WITNESSES = "frames of one clip are no independent witnesses"


def in_reading_order(results: Sequence[TaskResult]) -> list[TaskResult]:
    """Answers first, then what was not answered, then what is not calibrated; each in the order of the catalogue."""
    return sorted(results, key=lambda result: _READING_ORDER.get(result.verdict, 0))


def outcome_name(class_id: str, task: ClassTask) -> str:
    """A class as it stands within a sentence; its id where the task does not have it."""
    outcome = task.outcome(class_id)
    return class_id if outcome is None else outcome.name[:1].lower() + outcome.name[1:]


def brief(result: TaskResult, task: AnyTask) -> str:
    """The answer alone, with its unit; of one that was not given, the reason."""
    match result.verdict:
        case Verdict.MEASURED if result.value is not None and isinstance(task, RegressionTask):
            return f"{result.value:.1f} {_unit(task)}"
        case Verdict.CLASSIFIED if result.outcome is not None and isinstance(task, ClassTask):
            return outcome_name(result.outcome, task)
        case Verdict.PRESENT | Verdict.ABSENT:
            return str(result.verdict.lower())
    return result.reason or str(result.verdict.lower())


def confidence(result: TaskResult, task: AnyTask) -> str | None:
    """How far the frames agree, as a cardiologist would say it; None where it was not worked out."""
    if result.agreement is not None:
        return f"{result.agreement * 100:.0f} % of the frames, each alone, give this answer"
    if result.spread is None:
        return None
    if isinstance(task, RegressionTask):
        unit = "points" if task.unit.value == "%" else task.unit.meaning
        return f"the frames differ by {result.spread:.1f} {unit} (standard deviation)"
    return f"the {result.score_kind} of the frames differs by {result.spread:.4f} (standard deviation)"


def most_like(result: TaskResult, task: AnyTask) -> str | None:
    """Which class the clips of an uncalibrated answer are nearest to, in words; None where there is none."""
    if not isinstance(task, ClassTask) or result.outcome is None:
        return None
    return f"most like {outcome_name(result.outcome, task)}"


def explanation(result: TaskResult, task: AnyTask) -> str:
    """How one answer came about, or why there is none."""
    match result.verdict:
        case Verdict.MEASURED:
            return _origin_of_estimate(result, task) + _confidence(result, task)
        case Verdict.PRESENT | Verdict.ABSENT:
            score = result.score_kind.capitalize()
            said = f"{score}, clip by clip: {_listed(result, task)}; the threshold is {result.threshold:g}."
            return said + _caveat(result) + _confidence(result, task)
        case Verdict.CLASSIFIED:
            return _origin_of_class(result, task) + _caveat(result) + _confidence(result, task)
        case Verdict.UNCALIBRATED:
            return _uncalibrated(result, task)
        case Verdict.ABSTAINED:
            return f"Not answered: {result.reason}."


def _origin_of_estimate(result: TaskResult, task: AnyTask) -> str:
    count = len(result.clips)
    origin = "Estimate of the only clip" if count == 1 else f"Median of the estimates of {count} clips"
    unit = task.unit.meaning if isinstance(task, RegressionTask) else ""
    return f"{origin}: {_listed(result, task)} {unit}."


def _origin_of_class(result: TaskResult, task: AnyTask) -> str:
    scale = _on_the_scale(result, task)
    clips = f"Clip by clip: {_listed(result, task)}."
    return f"{scale[:1].upper()}{scale[1:]}. {clips}" if scale else clips


def _on_the_scale(result: TaskResult, task: AnyTask) -> str:
    if not isinstance(task, ClassTask) or not task.ordered or result.score is None:
        return ""
    first, last = (outcome_name(outcome.id, task) for outcome in (task.classes[0], task.classes[-1]))
    return f"{result.score:.1f} on the scale from 0 ({first}) to {len(task.classes) - 1} ({last})"


def _uncalibrated(result: TaskResult, task: AnyTask) -> str:
    """What the clips look like is said as what it is: nobody has found out how often such a look is right."""
    if isinstance(task, BinaryTask):
        looks = (
            ""
            if result.score is None
            else f" {result.score_kind.capitalize()} {result.score:.4f}, which is not calibrated."
        )
        return f"Neither present nor absent can be said: {result.reason}.{looks}"
    like, scale = most_like(result, task), _on_the_scale(result, task)
    looks = (
        f" The clips are {like}{f', {scale}' if scale else ''}: that is not calibrated, and no answer." if like else ""
    )
    return f"No class can be said: {result.reason}.{looks}"


def _caveat(result: TaskResult) -> str:
    return f" {result.reason[:1].upper()}{result.reason[1:]}." if result.reason else ""


def _confidence(result: TaskResult, task: AnyTask) -> str:
    said = confidence(result, task)
    if said is None:
        return ""
    return f" {said[:1].upper()}{said[1:]}; {_NO_WITNESSES}."


def _listed(result: TaskResult, task: AnyTask) -> str:
    return ", ".join(_of_clip(answer, task) for answer in result.clips)


def _of_clip(answer: ClipAnswer, task: AnyTask) -> str:
    if isinstance(task, RegressionTask):
        return f"{answer.value:.1f}"
    if isinstance(task, ClassTask):
        return outcome_name(answer.outcome, task) if answer.outcome is not None else f"{answer.value:.1f}"
    return f"{answer.value:.4f}"


def _unit(task: RegressionTask) -> str:
    return "%" if task.unit.value == "%" else task.unit.meaning
