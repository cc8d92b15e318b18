"""Where a report and the images, or two reports, do not agree: the value objects that pass between the rooms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MODEL = "model"
"""`Side.source` of what the model found in the images."""


class SideKind(StrEnum):
    """What one of the two sides is."""

    MEASUREMENTS = "measurement-report"
    """A machine's Structured Report; the values are those of `worker.consistency.statements.SourceKind`."""
    TEXT = "text-report"
    IMAGES = "images"
    """The model's answer, by the clips that it came from."""
    EARLIER = "earlier-study"
    """The model's answer of the patient's last study before."""


class ReviewState(StrEnum):
    """What somebody who looked at both sides thinks of it."""

    NEW = "NEW"
    """Nobody has looked yet."""
    CONFIRMED = "CONFIRMED"
    """The two do not agree, whichever of them is right."""
    DISMISSED = "DISMISSED"
    """They do agree, or the rule or the reading was wrong."""


class Severity(StrEnum):
    """How soon somebody should look."""

    MINOR = "MINOR"
    MAJOR = "MAJOR"
    """It may change what is done for the patient."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two that do not agree, and where it says so."""

    kind: SideKind
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
    """0..1, as `worker.consistency.comparing.discordances` works it out: of a number from the error that is known of
    the model, of a finding or a class the share of frames that alone say the same. None between reports: both say what
    they say."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a Structured Report and its page say of the comparison; in the report's language."""

    compared: int
    """The number of reports that said something about these images."""
    questions: tuple[str, ...]
    """The fields that both sides answered."""
    discordances: tuple[Discordance, ...]


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How well a text fits the images of a study."""

    towers: str
    """SHA-256 of what decides the embeddings of images and texts; only numbers of the same can be compared, and of one
    profile."""
    preprocessing_profile: str
    made_from: str
    """A digest of the embeddings and the text: while it stays, the number does."""
    likeness: float
    """The cosine of the two, -1..1."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One comparison of a run with the reports of its study."""

    rules_version: str
    reports: tuple[str, ...]
    """The ids of those that said something about these images."""
    notes: tuple[str, ...]
    """What could not be read, report by report; free of what the reports say."""
    discordances: tuple[Discordance, ...]
    told: Told | None
    """None where no question was answered by both sides."""
    likenesses: Mapping[str, Likeness] = field(default_factory=dict)
    """By the id of a report: what was measured of it, or known from the check before."""
