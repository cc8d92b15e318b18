"""What a report says, statement by statement, with where it says so.

The same for a machine's measurements and for a reader's text, so that both can be compared with what the model found.
"""

from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """What kind of document a statement stands in."""

    MEASUREMENT_REPORT = "measurement-report"
    """A machine's Structured Report (PS3.16 TID 5200, TID 5300)."""
    TEXT_REPORT = "text-report"
    """Sentences that somebody wrote, however they came: text, Structured Report, PDF or HL7 message."""


class When(StrEnum):
    """What time a statement is about."""

    CURRENT = "current"
    """The study that the report is of."""
    HISTORY = "history"
    """Earlier: a previous study, or the patient's history."""
    PLANNED = "planned"
    """Not yet: a device that somebody is considered, referred or scheduled for."""


class Certainty(StrEnum):
    """How sure the report is."""

    CERTAIN = "certain"
    POSSIBLE = "possible"
    """May be: "possible", "cannot be excluded", "probable"."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number with its unit, or a range of numbers: `low` and `high` are equal where one was named.

    "above 40" has no `high`, "less than 20" no `low`.
    """

    low: float | None
    high: float | None
    unit: str
    """UCUM: "%", "mm[Hg]", "m/s", "cm", "ml", ..."""

    @property
    def middle(self) -> float | None:
        """Of both ends; None where one is open."""
        return None if self.low is None or self.high is None else (self.low + self.high) / 2


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One thing that a report says about `field`: a quantity, a grade, or whether something is there."""

    field: str
    """The id of a task of the catalogue, as `lvef` or `tavr`; or of what no task answers, as `tr_velocity`."""
    start: int
    end: int
    """The characters of the source text that say it: [start, end)."""
    quantity: Quantity | None = None
    grade: str | None = None
    """The id of a class of the task: `normal`, `mild`, ..."""
    grade_to: str | None = None
    """Where a range of grades was named, as in "mild to moderate": the upper one."""
    is_present: bool | None = None
    """Of a finding: whether it is there."""
    certainty: Certainty = Certainty.CERTAIN
    when: When = When.CURRENT
    gives_way: bool = False
    """A number by a method that any other of the same report goes before: in one plane, by Teichholz."""
