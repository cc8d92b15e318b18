"""The demo's table: what is true of each synthetic heart, and what the model made of its pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from rich.table import Column, Table
from rich.text import Text

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask, RegressionTask
from db.consistency.discordance_review import ListedDiscordance
from db.reading.queries import StudyDetail
from db.results.runs import TaskResult, Verdict
from deploy.demo.studies import DemoStudy
from dicom_node.report.answers import brief, outcome_name
from dicom_node.report.wording import discordance_in_words
from worker.phantom.truth import HeartTruth, StudyKind, StudyTruth

MEASURED = {"lvef": "ejection_fraction", "pa_pressure": "pa_pressure"}
"""The catalogue's measurements of what a synthetic heart has, and where its truth has them."""
CLASSED = ("lv_size", "rv_size", "la_size", "ra_size")
FOUND = ("pacemaker", "tavr", "mitraclip", "impella")
TOLERANCE = {"lvef": 10.0, "pa_pressure": 15.0}
"""Further off than this, an estimate is shown in red: our judgement of what a reader would call wrong."""


def truth_table(
    studies: Sequence[tuple[DemoStudy, StudyTruth]], details: Mapping[str, StudyDetail], catalogue: Catalogue
) -> Table:
    """One row for each question of each study that has an answer, or a device to be found."""
    table = Table("Study", "Question", "Truth", "Answer", title="What is true, and what the DEMO model saw")
    for number, (study, truth) in enumerate(studies, 1):
        table.add_section()
        detail = details[truth.study_instance_uid]
        name = Text(f"{number}  {study.about}")
        if truth.kind is StudyKind.NO_VIEW or detail.run is None:
            table.add_row(name, "", "nothing to see", Text(f"{detail.study.state}: {detail.reason or ''}"))
            continue
        results = {result.task_id: result for result in detail.run.results}
        asked = [task for task in catalogue.tasks if task.id in (*MEASURED, *FOUND) or _is_classed(task, results)]
        for row, task in enumerate(asked):
            result = results.get(task.id)
            said = "" if result is None else brief(result, task)
            right = result is not None and _is_right(result, truth.heart, task)
            table.add_row(
                name if row == 0 else "", task.name, _true(truth.heart, task), Text(said, "green" if right else "red")
            )
        for contradiction in truth.contradictions:
            where = contradiction.said_in.replace("_", " ")
            table.add_row(
                "", Text(f"its {where} says", "bold"), "", f"{contradiction.task}: {_short(contradiction.said)}"
            )
    return table


def companions_table(received: Sequence[tuple[Path, Dataset]], studies: Sequence[str]) -> Table:
    """The heat maps and pages that a PACS received, and where they are to be looked at; `studies` by their numbers."""
    table = Table("Study", "Object", "Shows", Column("File", overflow="fold"))
    for path, instance in sorted(
        received, key=lambda each: (studies.index(str(each[1].StudyInstanceUID)), each[1].Modality)
    ):
        kind, shows = "page (PDF)", str(instance.get("DocumentTitle", ""))
        if "NumberOfFrames" in instance:
            kind, shows = f"heat map, {instance.NumberOfFrames} frames", str(instance.ImageComments)
        number = studies.index(str(instance.StudyInstanceUID)) + 1
        table.add_row(str(number), kind, Text(shows), Text(str(path)))
    return table


def disagreements_table(found: Sequence[ListedDiscordance], studies: Sequence[str], catalogue: Catalogue) -> Table:
    """Where a study's reports do not agree with its images, or with each other; `studies` by their numbers."""
    table = Table("Study", "Found", title="Reports that do not agree with the images, as the system found them")
    for one in sorted(found, key=lambda each: studies.index(each.study_instance_uid)):
        number = studies.index(one.study_instance_uid) + 1
        table.add_row(str(number), Text(discordance_in_words(one.found, catalogue)))
    return table


def _is_classed(task: AnyTask, results: Mapping[str, TaskResult]) -> bool:
    """Whether it is a class that a synthetic heart has, and the model has cut points for."""
    return task.id in CLASSED and task.id in results and results[task.id].verdict is Verdict.CLASSIFIED


def _true(heart: HeartTruth, task: AnyTask) -> str:
    if isinstance(task, RegressionTask):
        return f"{getattr(heart, MEASURED[task.id]):.1f} {'%' if task.unit.value == '%' else task.unit.meaning}"
    if isinstance(task, ClassTask):
        return outcome_name(getattr(heart, task.id), task)
    return "present" if task.id in heart.devices else "absent"


def _is_right(result: TaskResult, heart: HeartTruth, task: AnyTask) -> bool:
    if result.verdict is Verdict.MEASURED and result.value is not None:
        return abs(result.value - float(getattr(heart, MEASURED[task.id]))) <= TOLERANCE[task.id]
    if result.verdict is Verdict.CLASSIFIED:
        return result.outcome == str(getattr(heart, task.id))
    return result.verdict is (Verdict.PRESENT if task.id in heart.devices else Verdict.ABSENT)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.0f}"
