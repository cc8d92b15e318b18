"""The answers of a run in groups, as a reader looks for them: measurements, chambers, valves, devices."""

from collections.abc import Callable
from dataclasses import dataclass

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, BinaryTask, RegressionTask
from db.results.runs import Run, TaskResult, Verdict
from dicom_node.report.answers import brief, confidence, explanation, in_reading_order

_VALVES = {"91134007", "46030003", "34202007", "39057004"}
"""SNOMED CT: mitral, tricuspid, aortic and pulmonary valve, as `finding_site` of a task has them."""
_UNANSWERED = (Verdict.ABSTAINED, Verdict.UNCALIBRATED)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row."""

    name: str
    verdict: Verdict
    is_answered: bool
    said: str
    """The answer with its unit; of one that was not given, the reason."""
    confidence: str
    """How far the frames agree, in words; "" where that was not worked out."""
    score: float | None
    threshold: float | None
    score_kind: str
    how: str
    """How it came about, or why there is none."""
    method: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The answers to one kind of question."""

    name: str
    answers: tuple[Answer, ...]


def groups_of(run: Run, catalogue: Catalogue | None) -> list[Group]:
    """The groups that have a question, answers first in each; without the catalogue all in one, by their ids."""
    if catalogue is None:
        return [Group(name="Answers", answers=tuple(_answer(result, None) for result in in_reading_order(run.results)))]
    tasks = {task.id: task for task in catalogue.tasks}
    groups = []
    for name, is_of in _GROUPS:
        of_group = [result for result in run.results if result.task_id in tasks and is_of(tasks[result.task_id])]
        if of_group:
            answers = tuple(_answer(result, tasks[result.task_id]) for result in in_reading_order(of_group))
            groups.append(Group(name=name, answers=answers))
    return groups


def _is_device(task: AnyTask) -> bool:
    """What is looked for, and what is asked about it once it is there."""
    return isinstance(task, BinaryTask) or task.asked_if is not None


def _is_valve(task: AnyTask) -> bool:
    return task.finding_site.scheme == "SCT" and task.finding_site.value in _VALVES


_GROUPS: tuple[tuple[str, Callable[[AnyTask], bool]], ...] = (
    ("Measurements", lambda task: isinstance(task, RegressionTask)),
    ("Chambers", lambda task: not (isinstance(task, RegressionTask) or _is_device(task) or _is_valve(task))),
    ("Valves", lambda task: not (isinstance(task, RegressionTask) or _is_device(task)) and _is_valve(task)),
    ("Devices", lambda task: not isinstance(task, RegressionTask) and _is_device(task)),
)
"""Each question is of one of them."""


def _answer(result: TaskResult, task: AnyTask | None) -> Answer:
    if task is None:
        number = result.value if result.value is not None else result.score
        said = result.outcome or ("" if number is None else f"{number:.3g}") or str(result.reason or result.verdict)
    else:
        said = brief(result, task)
    return Answer(
        name=result.task_id if task is None else task.name,
        verdict=result.verdict,
        is_answered=result.verdict not in _UNANSWERED,
        said=said,
        confidence="" if task is None else confidence(result, task) or "",
        score=result.score,
        threshold=result.threshold,
        score_kind=result.score_kind,
        how=str(result.reason or "") if task is None else explanation(result, task),
        method=result.method or "",
    )
