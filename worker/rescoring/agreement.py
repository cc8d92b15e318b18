"""How far a shadow's answers are those of the model that scores: by task, as JSON.

Answers are compared by Cohen's kappa (of ordered classes with quadratic weights), numbers by their mean difference and
its limits of agreement (Bland and Altman, Lancet 1986). Neither says which of the two is right.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask
from db.rescoring.rescored import Answer
from db.results.runs import Verdict
from worker.calibration.metrics import agreement_metrics, class_metrics
from worker.rescoring.changes import Pair, moved_by, number_of, said_by

LEAST = 2
"""Pairs, under which nothing can be said of how they spread."""


def agreement_of(pairs: Iterable[Pair], catalogue: Catalogue, task_ids: Sequence[str] | None) -> dict[str, Any]:
    """Of each task that both were asked: pairs, in how many both answer, share of equal answers, kappa, differences."""
    by_task: dict[str, list[tuple[Answer, Answer]]] = defaultdict(list)
    studies = 0
    for scoring, shadow in pairs:
        studies += 1
        for task_id in scoring.keys() & shadow.keys():
            if task_ids is None or task_id in task_ids:
                by_task[task_id].append((scoring[task_id], shadow[task_id]))
    tasks = [task for task in catalogue.tasks if task.id in by_task]
    return {"studies": studies, "tasks": {task.id: _of_task(task, by_task[task.id]) for task in tasks}}


def _of_task(task: AnyTask, pairs: Sequence[tuple[Answer, Answer]]) -> dict[str, Any]:
    facts: dict[str, Any] = {"pairs": len(pairs)}
    choices = _choices(task)
    called = [
        (choices.index(said_by(one)), choices.index(said_by(other)))
        for one, other in pairs
        if said_by(one) in choices and said_by(other) in choices
    ]
    if choices:
        facts["both_answer"] = len(called)
        facts |= _by_answers(called, len(choices), ordered=isinstance(task, ClassTask) and task.ordered)
    numbers = [(number_of(one), number_of(other)) for one, other in pairs if moved_by(one, other) is not None]
    facts["both_have_numbers"] = len(numbers)
    if len(numbers) >= LEAST:
        of_scoring, of_shadow = np.array(numbers, dtype=np.float64).T
        found = agreement_metrics(np.ones((1, len(numbers))), of_scoring, of_shadow)
        facts["mean_difference"] = float(found["bias"][0])
        facts["limits_of_agreement"] = [float(found[f"{side} limit of agreement"][0]) for side in ("lower", "upper")]
    return facts


def _by_answers(called: Sequence[tuple[int, int]], number: int, *, ordered: bool) -> dict[str, Any]:
    if not called:
        return {}
    one, other = np.array(called, dtype=np.intp).T
    metrics = class_metrics(np.ones((1, len(called))), one, other, number, ordered=ordered)
    name = "quadratic weighted kappa" if ordered else "kappa"
    kappa = float(metrics[name][0])
    # Not defined where both always say the same one thing.
    return {
        "agreement": float(metrics["accuracy"][0]),
        "kappa": None if np.isnan(kappa) else kappa,
        "kappa_weights": "quadratic" if ordered else "none",
    }


def _choices(task: AnyTask) -> list[str]:
    if isinstance(task, BinaryTask):
        return [Verdict.ABSENT.value, Verdict.PRESENT.value]
    return [outcome.id for outcome in task.classes] if isinstance(task, ClassTask) else []
