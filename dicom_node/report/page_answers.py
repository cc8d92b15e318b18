"""The table of answers on the page: short enough for a glance, with what each rests on in a column for who asks.

What a number is, is said once below the table, and not in every row.
"""

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask, RegressionTask
from db.results.runs import Run, TaskResult, Verdict
from dicom_node.report.answers import brief, in_reading_order
from dicom_node.report.words import Words

COLUMNS = ("question", "answer", "score", "confidence")
"""Keys of the table `page` of the languages."""
Row = tuple[str, str, str, str]
_UNANSWERED = (Verdict.ABSTAINED, Verdict.UNCALIBRATED)


def answer_rows(run: Run, catalogue: Catalogue, words: Words) -> list[Row]:
    """Question, answer, score with its threshold, and how far the frames agree, of all that have an answer."""
    return [
        (words.task(task), brief(result, task, words), _score(result, task, words), _agreement(result, task, words))
        for result in in_reading_order(run.results)
        if (task := catalogue.task(result.task_id)) and result.verdict not in _UNANSWERED
    ]


def _score(result: TaskResult, task: AnyTask, words: Words) -> str:
    """Empty for estimates, which have none, and for classes in no order."""
    if result.score is None or isinstance(task, RegressionTask):
        return ""
    if isinstance(task, ClassTask):
        return f"{words.number(result.score, '.1f')} / {len(task.classes) - 1}" if task.ordered else ""
    said = _number(result.score, result, words)
    return said if result.threshold is None else f"{said} ({_number(result.threshold, result, words)})"


def _agreement(result: TaskResult, task: AnyTask, words: Words) -> str:
    """Empty where it was not worked out."""
    if result.agreement is not None:
        return _percent(result.agreement, ".0f", words)
    if result.spread is None:
        return ""
    points = words.say("unit.points")  # "54 % ± 4 %" would be taken for 4 % of 54 %
    if isinstance(task, RegressionTask):
        unit = points if task.unit.value == "%" else task.unit.meaning
        return f"± {words.number(result.spread, '.1f')} {unit}"
    if result.score_kind == "probability":
        return f"± {words.number(100 * result.spread, '.1f')} {points}"
    return f"± {_number(result.spread, result, words)}"


def _number(value: float, result: TaskResult, words: Words) -> str:
    """With as many digits as tell a score from its threshold."""
    return _percent(value, ".1f", words) if result.score_kind == "probability" else words.number(value, ".4f")


def _percent(share: float, spec: str, words: Words) -> str:
    return f"{words.number(100 * share, spec)} {words.say('unit.percent_sign')}"
