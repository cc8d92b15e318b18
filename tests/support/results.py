"""Runs over a whole catalogue, in every verdict that a task can have; and reports of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from pydicom.dataset import Dataset

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask
from config.labels import ModelLabel
from db.results.runs import ClipAnswer, ClipEvidence, LeftOutClip, ModelIdentity, Run, TaskResult, Verdict
from dicom_node.header import read_image_header
from dicom_node.report.document import build_structured_report
from tests.support.clips import SMALL

INSTANCE = read_image_header(SMALL)


def run_of(
    catalogue: Catalogue,
    results: tuple[TaskResult, ...],
    *,
    label: ModelLabel = ModelLabel.RESEARCH,
    run_uid: str = "0b6a0f0e-6f8b-4b57-8b52-0a4e35fcb75b",
    revision: int = 1,
) -> Run:
    """A run of the small clip that gave these results."""
    return Run(
        run_uid=run_uid,
        study_instance_uid=str(INSTANCE.StudyInstanceUID),
        revision=revision,
        model=ModelIdentity(name="Some model", version="3", family="some", label=label, digest="0123456789abcdef" * 4),
        catalogue_digest=catalogue.digest,
        software_version="0.1.0",
        preprocessing_profile="fast-1",
        finished_at=datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC),
        clips=(ClipEvidence(sop_instance_uid=str(INSTANCE.SOPInstanceUID), frame_numbers=(1, 3, 5)),),
        left_out=(LeftOutClip(sop_instance_uid="1.2.3.1", reason="a still image"),),
        results=results,
    )


def every_answer(task: AnyTask) -> Iterator[TaskResult]:
    """One result of each verdict, of a class one of each class."""

    def answered(verdict: Verdict, number: float, outcome: str | None = None, **more: float | str | None) -> TaskResult:
        clip = ClipAnswer(sop_instance_uid=str(INSTANCE.SOPInstanceUID), value=number, outcome=outcome)
        return TaskResult(task_id=task.id, verdict=verdict, outcome=outcome, clips=(clip,), **more)  # type: ignore[arg-type]

    yield TaskResult(task_id=task.id, verdict=Verdict.ABSTAINED, reason="no clip | of a view & that ^may~ answer\\")
    match task.kind:
        case "regression":
            yield answered(Verdict.MEASURED, 54.5333, value=54.5333, spread=4.04)
            yield answered(Verdict.MEASURED, 12.0, value=12.0)
        case "binary":
            for method in (None, "linear probe"):
                yield answered(Verdict.PRESENT, 0.31, score=0.31, threshold=0.298, method=method, agreement=0.8)
                yield answered(Verdict.ABSENT, -0.00004, score=-0.00004, threshold=0.298, method=method)
            yield answered(Verdict.UNCALIBRATED, 0.2, score=0.2, reason="no threshold was made with this model")
        case "class":
            for outcome in task.classes:
                yield answered(Verdict.CLASSIFIED, 1.0, outcome.id, score=1.0, agreement=0.7)
            yield answered(Verdict.UNCALIBRATED, 0.9, task.classes[0].id, score=0.9, reason="no cut points")


def runs_of_every_answer(catalogue: Catalogue) -> list[Run]:
    """As few runs as show every answer of every task; each answers all tasks."""
    answers = [list(every_answer(task)) for task in catalogue.tasks]
    return [
        run_of(catalogue, tuple(of_task[number % len(of_task)] for of_task in answers), run_uid=f"run-{number}")
        for number in range(max(len(of_task) for of_task in answers))
    ]


def header_of(run: Run, catalogue: Catalogue, **changes: object) -> Dataset:
    """A report whose header is that of the run's, and which takes less time: it has one answer alone."""
    return report_of(replace(run, results=run.results[:1]), catalogue, **changes)


def report_of(run: Run, catalogue: Catalogue, **changes: object) -> Dataset:
    """The Structured Report of such a run, of images whose headers are changed so."""
    evidence = read_image_header(SMALL)
    for keyword, value in changes.items():
        setattr(evidence, keyword, value)
    return build_structured_report(run, catalogue, [evidence])
