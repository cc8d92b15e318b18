"""Where a report and the images, or two reports, do not agree: the value objects that pass between the rooms."""

from dataclasses import dataclass
from enum import StrEnum

MODEL = "model"
"""`Side.source` of what the model found in the images."""


class Severity(StrEnum):
    """How soon somebody should look."""

    MINOR = "MINOR"
    MAJOR = "MAJOR"
    """It may change what is done for the patient."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two that do not agree, and where it says so."""

    source: str
    """`MODEL`, the id of a report, or the Study Instance UID of an earlier study."""
    said: str
    """In a few words: "55 to 60 %", "mild", "present", "not mentioned"."""
    start: int | None = None
    end: int | None = None
    """The characters of the report that say it: [start, end); None where nothing says it, and of the model."""
    clips: tuple[str, ...] = ()
    """Of the model: the SOP Instance UIDs that its answer comes from."""


@dataclass(frozen=True, kw_only=True)
class Discordance:
    """Something to look at."""

    rule: str
    """The id of the rule that found it."""
    rules_version: str
    field: str
    """What it is about: the id of a task, or of what only reports name."""
    severity: Severity
    sides: tuple[Side, Side]
    """The report first, and then the model, the other report, or the earlier study."""
    confidence: float | None = None
    """0..1, as `worker.consistency.comparing` works it out: of a number from the error that is known of the model, of a
    finding or a class the share of frames that alone say the same. None between reports: both say what they say."""
