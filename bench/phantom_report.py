"""The numbers of a finished Structured Report, read as any receiver would: by its codes, without our registry."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from config.catalogue import Catalogue
from config.clinical_tasks import ClassTask

TRACKING_IDENTIFIER = ("112039", "DCM")
MEASUREMENT_GROUP = ("125007", "DCM")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a report says of one question."""

    number: float | None
    """The measurement or the similarity; None where it gives none."""
    code: tuple[str, str] | None
    """The answer's value and scheme, of a finding or a class."""


def told_by(report: Dataset, catalogue: Catalogue) -> dict[str, Told]:
    """By the id of the task, which the report knows by its name."""
    names = {task.name: task.id for task in catalogue.tasks}
    told = {}
    for group in _groups(report):
        content = group.ContentSequence
        name = next(str(item.TextValue) for item in content if _code(item) == TRACKING_IDENTIFIER)
        numbers = [item.MeasuredValueSequence[0].NumericValue for item in content if item.ValueType == "NUM"]
        task = catalogue.task(names[name])
        asked = task.concept.key if task is not None else None
        codes = [
            (str(item.ConceptCodeSequence[0].CodeValue), str(item.ConceptCodeSequence[0].CodingSchemeDesignator))
            for item in content
            if item.ValueType == "CODE" and _code(item) == asked
        ]
        told[names[name]] = Told(number=float(numbers[0]) if numbers else None, code=codes[0] if codes else None)
    return told


def class_number(task: ClassTask, told: Told) -> int | None:
    """Which class a report names, from 0; None where it names none."""
    keys = [outcome.concept.key for outcome in task.classes]
    return keys.index(told.code) if told.code in keys else None


def _groups(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        if _code(child) == MEASUREMENT_GROUP:
            yield child
        else:
            yield from _groups(child)


def _code(item: Dataset) -> tuple[str, str] | None:
    named = item.get("ConceptNameCodeSequence")
    return (str(named[0].CodeValue), str(named[0].CodingSchemeDesignator)) if named else None
