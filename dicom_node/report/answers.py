"""One answer in words: in short for tables and summaries, and how it came about for its group of a report."""

from collections.abc import Sequence

from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from db.results.runs import ClipAnswer, TaskResult, Verdict
from dicom_node.report.words import ENGLISH, Words, capital

_READING_ORDER = {Verdict.ABSTAINED: 1, Verdict.UNCALIBRATED: 2}
"""What has an answer comes first, then what has none for this study, then what no study has an answer to yet."""


def in_reading_order(results: Sequence[TaskResult]) -> list[TaskResult]:
    """Answers first, then what was not answered, then what is not calibrated; each in the order of the catalogue."""
    return sorted(results, key=lambda result: _READING_ORDER.get(result.verdict, 0))


def outcome_name(class_id: str, task: ClassTask, words: Words = ENGLISH) -> str:
    """A class as it stands within a sentence; its id where the task does not have it."""
    return words.outcome(class_id, task)


def brief(result: TaskResult, task: AnyTask, words: Words = ENGLISH) -> str:
    """The answer alone, with its unit; of one that was not given, the reason."""
    match result.verdict:
        case Verdict.MEASURED if result.value is not None and isinstance(task, RegressionTask):
            return words.say("answer.number", value=result.value, unit=_unit(task, words, "percent_sign"))
        case Verdict.CLASSIFIED if result.outcome is not None and isinstance(task, ClassTask):
            return words.outcome(result.outcome, task)
        case Verdict.PRESENT | Verdict.ABSENT:
            return words.say(f"answer.{result.verdict}")
    return words.reason(result.reason) or words.say(f"answer.{result.verdict}")


def confidence(result: TaskResult, task: AnyTask, words: Words = ENGLISH) -> str | None:
    """How far the frames agree, as a cardiologist would say it; None where it was not worked out."""
    if result.agreement is not None:
        return words.say("confidence.agreement", percent=result.agreement * 100)
    if result.spread is None:
        return None
    if isinstance(task, RegressionTask):
        return words.say("confidence.estimate", spread=result.spread, unit=_unit(task, words, "points"))
    return words.say(f"confidence.{result.score_kind}", spread=result.spread)


def most_like(result: TaskResult, task: AnyTask, words: Words = ENGLISH) -> str | None:
    """Which class the clips of an uncalibrated answer are nearest to, in words; None where there is none."""
    if not isinstance(task, ClassTask) or result.outcome is None:
        return None
    return words.say("class.most_like", outcome=words.outcome(result.outcome, task))


def explanation(result: TaskResult, task: AnyTask, words: Words = ENGLISH) -> str:
    """How one answer came about, or why there is none."""
    match result.verdict:
        case Verdict.MEASURED:
            return words.sentences(_origin_of_estimate(result, task, words), _confidence(result, task, words))
        case Verdict.PRESENT | Verdict.ABSENT:
            said = words.say(
                f"finding.{result.score_kind}", values=_listed(result, task, words), threshold=result.threshold
            )
            return words.sentences(said, _caveat(result, words), _confidence(result, task, words))
        case Verdict.CLASSIFIED:
            clips = words.say("class.clips", values=_listed(result, task, words))
            scale = _sentence(_on_the_scale(result, task, words), words)
            return words.sentences(scale, clips, _caveat(result, words), _confidence(result, task, words))
        case Verdict.UNCALIBRATED:
            return _uncalibrated(result, task, words)
        case Verdict.ABSTAINED:
            return words.say("not_answered.abstained", reason=words.reason(result.reason))


def named_explanation(result: TaskResult, task: AnyTask, words: Words = ENGLISH) -> str:
    """How one answer came about, with what was asked and answered: for where the codes beside it do not say that."""
    explained = explanation(result, task, words)
    if result.verdict in _READING_ORDER:  # none was given
        return words.say("form.named", name=words.task(task), answer=explained)
    named = words.say("form.named", name=words.task(task), answer=brief(result, task, words))
    return words.sentences(words.say("form.sentence", text=named), explained)


def _origin_of_estimate(result: TaskResult, task: AnyTask, words: Words) -> str:
    count = len(result.clips)
    unit = _unit(task, words, "percent") if isinstance(task, RegressionTask) else ""
    values = _listed(result, task, words)
    if count == 1:
        return words.say("estimate.of_one", values=values, unit=unit)
    return words.say("estimate.of_several", count=count, values=values, unit=unit)


def _on_the_scale(result: TaskResult, task: AnyTask, words: Words) -> str:
    if not isinstance(task, ClassTask) or not task.ordered or result.score is None:
        return ""
    first, last = (words.outcome(outcome.id, task) for outcome in (task.classes[0], task.classes[-1]))
    return words.say("class.on_the_scale", score=result.score, first=first, most=len(task.classes) - 1, last=last)


def _uncalibrated(result: TaskResult, task: AnyTask, words: Words) -> str:
    """What the clips look like is said as what it is: nobody has found out how often such a look is right."""
    reason, looks = words.reason(result.reason), ""
    if isinstance(task, BinaryTask):
        if result.score is not None:
            looks = words.say(f"not_answered.{result.score_kind}", score=result.score)
        return words.sentences(words.say("not_answered.finding", reason=reason), looks)
    like, scale = most_like(result, task, words), _on_the_scale(result, task, words)
    if like and scale:
        like = words.say("class.most_like_on_the_scale", most_like=like, on_the_scale=scale)
    if like:
        looks = words.say("not_answered.class_looks", most_like=like)
    return words.sentences(words.say("not_answered.class", reason=reason), looks)


def _caveat(result: TaskResult, words: Words) -> str:
    return _sentence(words.reason(result.reason), words)


def _confidence(result: TaskResult, task: AnyTask, words: Words) -> str:
    said = confidence(result, task, words)
    return "" if said is None else words.say("confidence.no_witnesses", confidence=capital(said))


def _sentence(said: str, words: Words) -> str:
    return words.say("form.sentence", text=capital(said)) if said else ""


def _listed(result: TaskResult, task: AnyTask, words: Words) -> str:
    return words.values(_of_clip(answer, task, words) for answer in result.clips)


def _of_clip(answer: ClipAnswer, task: AnyTask, words: Words) -> str:
    if isinstance(task, RegressionTask):
        return words.number(answer.value, ".1f")
    if isinstance(task, ClassTask):
        return words.number(answer.value, ".1f") if answer.outcome is None else words.outcome(answer.outcome, task)
    return words.number(answer.value, ".4f")


def _unit(task: RegressionTask, words: Words, percent: str) -> str:
    """As UCUM's meaning has it; percent in whichever form (see the table `unit` of the languages)."""
    return words.say(f"unit.{percent}") if task.unit.value == "%" else task.unit.meaning
