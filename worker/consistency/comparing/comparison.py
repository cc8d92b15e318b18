"""What is compared: reports as they were read, and what the model found."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from config.catalogue import Catalogue
from config.clinical_tasks import RegressionTask
from db.results.runs import TaskResult, Verdict
from dicom_node.report.words import ENGLISH, Words
from worker.consistency.comparing.quantities import in_unit
from worker.consistency.comparing.rules import Rules
from worker.consistency.statements import Certainty, Quantity, SourceKind, Statement, When


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One report of a study, as it was read."""

    id: str
    """Names the report in discordances: a SOP Instance UID, or what it was received under. No PHI."""
    kind: SourceKind
    statements: tuple[Statement, ...]

    def of(self, field: str) -> list[Statement]:
        """What it says of this study's images, of one field and for certain."""
        return [s for s in self._current if s.field == field and s.certainty is Certainty.CERTAIN]

    def mentions(self, fields: Iterable[str]) -> bool:
        """Whether it speaks of one of these at all, for certain or not."""
        asked = set(fields)
        return any(statement.field in asked for statement in self.statements)

    def numbers(self, field: str) -> list[tuple[Statement, Quantity]]:
        """Its numbers of one field; of a machine's report the first alone, which leads (see its reader)."""
        found = [(s, s.quantity) for s in self.of(field) if s.quantity is not None]
        return found[:1] if self.kind is SourceKind.MEASUREMENT_REPORT else found

    @property
    def says_something(self) -> bool:
        """Whether anything was read in it that is about this study's images."""
        return any(True for _ in self._current)

    @property
    def _current(self) -> Iterator[Statement]:
        return (statement for statement in self.statements if statement.when is When.CURRENT)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the model found in a study's images."""

    family: str
    results: Mapping[str, TaskResult]
    """By the id of the task."""
    study_instance_uid: str

    @classmethod
    def of(cls, results: Iterable[TaskResult], *, family: str, study_instance_uid: str) -> "Found":
        """Of the results of a run."""
        by_task = {result.task_id: result for result in results}
        return cls(family=family, results=by_task, study_instance_uid=study_instance_uid)

    def number(self, field: str) -> float | None:
        """The estimate; None where there is none."""
        result = self.results.get(field)
        return result.value if result is not None and result.verdict is Verdict.MEASURED else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that there is to compare."""

    found: Found
    catalogue: Catalogue
    rules: Rules
    reports: Sequence[Reported]
    earlier: Found | None = None
    """Of the patient's last study before this one, by a model of the same family."""
    fits_better_than: Mapping[str, float] = field(default_factory=dict)
    """By the id of a report: the share, 0..1, of the pairs of text and images of other studies that fit worse."""
    words: Words = ENGLISH
    """What both sides are told in."""

    def numbers(self, report: Reported, field: str) -> list[tuple[Statement, Quantity]]:
        """What a report names of a field, in the unit of the field's task where it has one; what is in a unit of
        another quantity is left out."""
        numbers = report.numbers(field)
        task = self.catalogue.task(field)
        if not isinstance(task, RegressionTask):
            return numbers
        converted = ((said, in_unit(quantity, task.unit.value)) for said, quantity in numbers)
        return [(said, quantity) for said, quantity in converted if quantity is not None]
