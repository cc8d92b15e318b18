"""What changes when studies are answered anew: of one study, and of a batch, task by task."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from config.sections.rescore import ReportAgainSettings
from db.rescoring.rescored import Answer
from db.results.runs import FROM_KEPT, TaskResult, Verdict

NOISE = 0.001
"""What values and scores may differ by and count as the same: kept embeddings are of half precision."""
QUANTILES = {"smallest": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "largest": 1.0}
_NOTHING = Answer(task_id="", verdict="not asked", value=None, score=None, outcome=None, method=None)
Pair = tuple[Mapping[str, Answer], Mapping[str, Answer]]
"""Of one study the answers before and the new ones, by task."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Of one study."""

    values: int
    """Of how many tasks verdict, class, value or score is another."""
    answers: int
    """Of how many tasks verdict or class is another: what crosses a threshold."""


def answer_of(result: TaskResult) -> Answer:
    """As much of a result as is compared."""
    return Answer(
        task_id=result.task_id,
        verdict=result.verdict,
        value=result.value,
        score=result.score,
        outcome=result.outcome,
        method=result.method,
    )


def said_by(answer: Answer) -> str:
    """The answer itself: the verdict, or the class; an outcome of what is UNCALIBRATED or ABSTAINED is none."""
    return f"{answer.outcome}" if answer.verdict == Verdict.CLASSIFIED else answer.verdict


def number_of(answer: Answer) -> float | None:
    """The value of what is measured, else the score."""
    return answer.score if answer.value is None else answer.value


def moved_by(before: Answer, after: Answer) -> float | None:
    """By how much value or score is higher now; None where one has none, or they are on scales of their own."""
    one, other = number_of(before), number_of(after)
    if one is None or other is None or (before.value is None) != (after.value is None):
        return None
    return other - one if _method(before) == _method(after) or before.value is not None else None


def count_changes(before: Mapping[str, Answer], after: Mapping[str, Answer], task_ids: Sequence[str] | None) -> Changes:
    """Of one study; of these tasks alone, where some are named."""
    pairs = list(_pairs(before, after, task_ids))
    return Changes(
        values=sum(_is_changed(one, other) for one, other in pairs),
        answers=sum(said_by(one) != said_by(other) for one, other in pairs),
    )


def is_worth_a_report(
    before: Mapping[str, Answer],
    after: Mapping[str, Answer],
    configured: ReportAgainSettings,
    task_ids: Sequence[str] | None,
) -> bool:
    """Whether a change is one that a superseding report is configured for."""
    for one, other in _pairs(before, after, task_ids):
        if configured.answers and said_by(one) != said_by(other):
            return True
        least, moved = configured.values.get(other.task_id or one.task_id), moved_by(one, other)
        if least is not None and moved is not None and abs(moved) > least:
            return True
    return False


@dataclass
class _OfTask:
    pairs: int = 0
    values: int = 0
    answers: int = 0
    moved: list[float] = field(default_factory=list)
    other_scale: int = 0
    turns: Counter[tuple[str, str]] = field(default_factory=Counter)


def changes_of(pairs: Iterable[Pair], task_ids: Sequence[str] | None) -> dict[str, Any]:
    """What a batch changes, as JSON: in all, and of each task how many, by how much, and from what to what."""
    tasks: dict[str, _OfTask] = defaultdict(_OfTask)
    studies = studies_with_other_answers = 0
    for before, after in pairs:
        studies += 1
        is_other = False
        for one, other in _pairs(before, after, task_ids):
            of_task = tasks[other.task_id or one.task_id]
            of_task.pairs += 1
            of_task.values += _is_changed(one, other)
            if said_by(one) != said_by(other):
                is_other = True
                of_task.answers += 1
                of_task.turns[said_by(one), said_by(other)] += 1
            moved = moved_by(one, other)
            if moved is not None:
                of_task.moved.append(moved)
            elif number_of(one) is not None and number_of(other) is not None:
                of_task.other_scale += 1
        studies_with_other_answers += is_other
    return {
        "studies": studies,
        "studies_with_other_answers": studies_with_other_answers,
        "answers": sum(task.pairs for task in tasks.values()),
        "values_changed": sum(task.values for task in tasks.values()),
        "answers_changed": sum(task.answers for task in tasks.values()),
        "tasks": {task_id: _facts(task) for task_id, task in tasks.items()},
    }


def _facts(task: _OfTask) -> dict[str, Any]:
    moved = np.array(task.moved)
    return {
        "answers": task.pairs,
        "values_changed": task.values,
        "answers_changed": task.answers,
        "moved": {name: float(np.quantile(moved, at)) for name, at in QUANTILES.items()} if task.moved else None,
        "moved_at_all": int((np.abs(moved) > NOISE).sum()) if task.moved else 0,
        "on_another_scale": task.other_scale,
        "turns": [[one, other, count] for (one, other), count in task.turns.most_common()],
    }


def _pairs(
    before: Mapping[str, Answer], after: Mapping[str, Answer], task_ids: Sequence[str] | None
) -> Iterable[tuple[Answer, Answer]]:
    """What only one of the two runs was asked is compared with nothing."""
    for task_id in {**after, **before}:
        if task_ids is None or task_id in task_ids:
            yield before.get(task_id, _NOTHING), after.get(task_id, _NOTHING)


def _is_changed(one: Answer, other: Answer) -> bool:
    if said_by(one) != said_by(other) or (number_of(one) is None) != (number_of(other) is None):
        return True
    moved = moved_by(one, other)
    return (moved is None and number_of(one) is not None) or (moved is not None and abs(moved) > NOISE)


def _method(answer: Answer) -> str | None:
    return None if answer.method is None else answer.method.removesuffix(FROM_KEPT)
