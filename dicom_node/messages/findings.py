"""What a message says of each task: the same as the Structured Report says, from the same words, codes and digits."""

from dataclasses import dataclass
from datetime import datetime

from pydicom.sr.coding import Code

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, OutcomeClass, RegressionTask
from config.coded_concepts import CodedConcept
from config.errors import ReportError
from db.consistency.discordances import Told
from db.results.runs import Run, TaskResult, Verdict
from dicom_node.report.answers import explanation, in_reading_order, named_explanation
from dicom_node.report.codes import KINDS_OF_SCORE, NO_UNITS, PRESENCE, SCORES
from dicom_node.report.content import ESTIMATE_DECIMALS, SCORE_DECIMALS
from dicom_node.report.wording import (
    answers_in_short,
    compared,
    left_out,
    limits_of_use,
    provenance_of_all,
    uncalibrated_in_short,
    views_seen,
    with_warning,
)
from dicom_node.report.words import ENGLISH, Words


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number with its unit; its digits are those of the report."""

    value: str
    unit: CodedConcept


@dataclass(frozen=True, kw_only=True)
class Score:
    """The number that a presence was decided by, and what kind of number it is."""

    name: CodedConcept
    kind: CodedConcept
    """The same to the letter, in our own scheme."""
    number: Number


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The answer to one task, or why there is none."""

    task_id: str
    name: str
    """The task in English, whatever the language: the tracking identifier of its group of the report."""
    title: str
    """The task as people call it, in the language of the report."""
    concepts: tuple[CodedConcept, ...]
    """What is asked, in a public code; none where no single one says it, and the task's own id has to do."""
    finding_site: CodedConcept
    verdict: Verdict
    answer: Number | CodedConcept | OutcomeClass | None
    """A class where no single code says it; None: undetermined, and `explanation` says why."""
    score: Score | None
    explanation: str
    """How it came about, or why there is no answer; of a model that knows no patients it begins with a warning."""
    method: str


def findings_of(run: Run, catalogue: Catalogue, words: Words = ENGLISH) -> list[Finding]:
    """What the run says of each task, in the order of the report; `words` say what is for people.

    Raises
    ------
    ReportError
        The run answers a task, or a class, that the catalogue does not have.
    """
    return [_finding(run, result, catalogue, words) for result in in_reading_order(run.results)]


def remarks_on(run: Run, catalogue: Catalogue, words: Words = ENGLISH, *, told: Told | None = None) -> list[str]:
    """What is to be said of all the answers together, the limits of their use first, as the report says it; `told` is
    what it says of the study's other reports.
    """
    remarks = (
        limits_of_use(run, words),
        answers_in_short(run, catalogue, words),
        *compared(run, catalogue, told, words),
        uncalibrated_in_short(run, catalogue, words),
        views_seen(run, words),
        left_out(run, words),
        provenance_of_all(run, words),
    )
    return [text for text in remarks if text is not None]


def finished_at(run: Run) -> datetime:
    """When the answers were there, to the second: what every message has as its time."""
    return run.finished_at.replace(microsecond=0)


def _finding(run: Run, result: TaskResult, catalogue: Catalogue, words: Words) -> Finding:
    task = catalogue.task(result.task_id)
    if task is None:
        raise ReportError(f"run {run.run_uid} answers task {result.task_id}, which the catalogue does not have")
    answered = result.verdict not in (Verdict.ABSTAINED, Verdict.UNCALIBRATED)
    model = f"{run.model.name} {run.model.version} ({run.model.label})"
    explained = named_explanation(result, task, words) if task.modifiers else explanation(result, task, words)
    return Finding(
        task_id=task.id,
        name=task.name,
        title=words.task(task),
        concepts=() if task.modifiers else (task.concept,),
        finding_site=task.finding_site,
        verdict=result.verdict,
        answer=_answer(task, result) if answered else None,
        score=_score(task, result) if answered else None,
        explanation=with_warning(explained, run.model.label, words),
        method=model if result.method is None else f"{model}, {result.method}",
    )


def _answer(task: AnyTask, result: TaskResult) -> Number | CodedConcept | OutcomeClass:
    match result.verdict:
        case Verdict.MEASURED if result.value is not None and isinstance(task, RegressionTask):
            return Number(value=f"{result.value:.{ESTIMATE_DECIMALS}f}", unit=task.unit)
        case Verdict.PRESENT | Verdict.ABSENT:
            return _concept(PRESENCE[result.verdict])
    outcome = task.outcome(result.outcome or "") if isinstance(task, ClassTask) else None
    if outcome is None:
        raise ReportError(f"task {task.id} has no answer {result.verdict} {result.outcome or ''}, which the run gives")
    return outcome if outcome.modifiers else outcome.concept


def _score(task: AnyTask, result: TaskResult) -> Score | None:
    if not isinstance(task, BinaryTask) or result.score is None:
        return None
    number = Number(value=f"{result.score:.{SCORE_DECIMALS}f}", unit=_concept(NO_UNITS))
    name, kind = SCORES[result.score_kind], KINDS_OF_SCORE[result.score_kind]
    return Score(name=_concept(name), kind=_concept(kind), number=number)


def _concept(code: Code) -> CodedConcept:
    return CodedConcept(value=code.value, scheme=code.scheme_designator, meaning=code.meaning)
