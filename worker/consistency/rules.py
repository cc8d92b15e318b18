"""When a report and the images do not agree: rules as data, from a file that a hospital may replace by its own."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from config.clinical_tasks import IDENTIFIER, Entry
from config.errors import ConfigurationError
from db.discordances import Severity

BUNDLED_RULES = Path(__file__).with_name("rules.toml")

RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=48)]
FieldId = Annotated[str, Field(pattern=IDENTIFIER, max_length=32)]
Share = Annotated[float, Field(ge=0, le=1)]


class KnownError(Entry):
    """How far the numbers of a family of models are known to be off."""

    family: str = Field(min_length=1)
    field: FieldId
    mean_absolute_error: float = Field(gt=0)
    """In the unit of the task."""
    origin: str = Field(min_length=1)


class KnownQuality(Entry):
    """How often the answers of a family of models are known to be right, where they are no numbers."""

    family: str = Field(min_length=1)
    field: FieldId
    within_one: Share | None = None
    """Grades: the share that is right or one grade off."""
    specificity: Share | None = None
    """Findings: of those that are not there, the share that it calls absent."""
    origin: str = Field(min_length=1)


class _Apart(Entry):
    id: RuleId
    field: FieldId
    differs_by: float = Field(gt=0)
    """In the unit of the task: a difference as large as this is one."""
    major_from: float = Field(gt=0)

    def severity(self, difference: float) -> Severity:
        """Of so large a difference."""
        return Severity.MAJOR if difference >= self.major_from else Severity.MINOR


class NumberRule(_Apart):
    """A reported number against the model's."""

    times_error: float = Field(default=2.0, ge=0)
    """The difference must be as large as so many known errors of the model as well."""
    limits: tuple[float, ...] = ()
    """Numbers at which treatment is decided."""
    crossing_differs_by: float | None = Field(default=None, gt=0)
    """Where one of the limits lies between the two numbers, so large a difference is enough."""

    @model_validator(mode="after")
    def _limits_are_used(self) -> Self:
        if bool(self.limits) != (self.crossing_differs_by is not None):
            raise ValueError("limits and crossing_differs_by belong together")
        return self

    def needed(self, error: float, *, crosses: bool) -> float:
        """From which difference on the two are discordant, with this known error."""
        usual = max(self.differs_by, self.times_error * error)
        return min(usual, max(self.crossing_differs_by, error)) if crosses and self.crossing_differs_by else usual

    def crosses(self, one: float, other: float) -> bool:
        """Whether a limit lies between them: one below it, the other not."""
        return any(min(one, other) < limit <= max(one, other) for limit in self.limits)


class ReportsRule(_Apart):
    """Two numbers that reports of the same study name."""


class ChangeRule(_Apart):
    """The model's number against that of the patient's earlier study."""

    times_error: float = Field(default=2.0, ge=0)

    def needed(self, error: float) -> float:
        """From which difference on it is a change, with this known error of both."""
        return max(self.differs_by, self.times_error * error)


class GradeRule(Entry):
    """A reported grade against the model's."""

    id: RuleId
    fields: tuple[FieldId, ...] = Field(min_length=1)
    distance: int = Field(ge=1)
    """Grades apart."""
    major_from: int = Field(ge=1)
    agreement: Share
    """The share of the frames that say alone what the model says must be at least this."""
    within_one: Share = 0.0
    """Of a model that is known to be within one grade of the truth less often than this, nothing is compared."""


class DeviceRule(Entry):
    """Something that is there, of which the images say one thing and a text another."""

    id: RuleId
    fields: tuple[FieldId, ...] = Field(min_length=1)
    severity: Severity
    in_images: bool
    """What the images say."""
    denied: Share | None = None
    """It is in the images, and the text says that it is not there; so many frames must agree."""
    not_mentioned: Share | None = None
    """It is in the images, and the text does not speak of it; None: that is no discordance."""
    specificity: Share = 0.0
    """Of a model that is known to be less specific than this, what a text does not mention is no discordance."""
    claimed: Share | None = None
    """It is not in the images, and the text says that it is there."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        asked, unasked = ("denied or not_mentioned", "claimed") if self.in_images else ("claimed", "denied")
        wants = (self.denied, self.not_mentioned) if self.in_images else (self.claimed,)
        others = (self.claimed,) if self.in_images else (self.denied, self.not_mentioned)
        if not any(share is not None for share in wants):
            raise ValueError(f"in_images = {str(self.in_images).lower()} needs {asked}")
        if any(share is not None for share in others):
            raise ValueError(f"in_images = {str(self.in_images).lower()} has no use for {unasked}")
        return self


class AnotherPatientRule(Entry):
    """A text that hardly fits the images at all."""

    id: RuleId
    below: Share
    """Of the pairs of text and images of this site's other studies, the share that fit worse."""
    fewest_pairs: int = Field(default=400, ge=1)
    """Of fewer such pairs nothing is said."""

    @model_validator(mode="after")
    def _pairs_show_the_share(self) -> Self:
        if self.below * self.fewest_pairs < 1:
            raise ValueError("below is less than one of fewest_pairs: so few cannot show so small a share")
        return self


class Rules(Entry):
    """All of them, with the version that every discordance names."""

    version: str = Field(min_length=1, max_length=32)
    errors: tuple[KnownError, ...] = ()
    qualities: tuple[KnownQuality, ...] = ()
    numbers: tuple[NumberRule, ...] = ()
    reports: tuple[ReportsRule, ...] = ()
    grades: tuple[GradeRule, ...] = ()
    devices: tuple[DeviceRule, ...] = ()
    changes: tuple[ChangeRule, ...] = ()
    another_patient: AnotherPatientRule | None = None
    kin: tuple[tuple[FieldId, ...], ...] = ()
    """Findings that take each other's place: a text that names one of them has not left the others out, nor made them
    up, whichever it is in the images."""

    @model_validator(mode="after")
    def _ids_are_distinct(self) -> Self:
        ids = [rule.id for rule in self._with_ids()]
        if repeated := sorted({used for used in ids if ids.count(used) > 1}):
            raise ValueError(f"rule id used more than once: {', '.join(repeated)}")
        return self

    def error_of(self, family: str, field: str) -> float | None:
        """How far a model of this family is known to be off; None: nothing is known."""
        known = (error for error in self.errors if (error.family, error.field) == (family, field))
        return next((error.mean_absolute_error for error in known), None)

    def grades_well(self, rule: GradeRule, *, family: str, field: str) -> bool:
        """Whether grades of this family are good enough for a rule, or nothing is known of them."""
        quality = self._quality(family, field)
        return quality is None or quality.within_one is None or quality.within_one >= rule.within_one

    def tells_absence(self, rule: DeviceRule, *, family: str, field: str) -> bool:
        """Whether this family seldom sees what is not there, as a rule asks, or nothing is known of that."""
        quality = self._quality(family, field)
        return quality is None or quality.specificity is None or quality.specificity >= rule.specificity

    def _quality(self, family: str, field: str) -> KnownQuality | None:
        return next((known for known in self.qualities if (known.family, known.field) == (family, field)), None)

    def kin_of(self, field: str) -> frozenset[str]:
        """The other findings that may stand for this one."""
        return frozenset(other for group in self.kin if field in group for other in group) - {field}

    def _with_ids(self) -> Iterator[_Apart | GradeRule | DeviceRule | AnotherPatientRule]:
        groups: Iterable[Iterable[_Apart | GradeRule | DeviceRule]] = (
            self.numbers, self.reports, self.changes, self.grades, self.devices,
        )  # fmt: skip
        for group in groups:
            yield from group
        if self.another_patient is not None:
            yield self.another_patient


def load_rules(path: Path = BUNDLED_RULES) -> Rules:
    """Read and validate a file of rules.

    Raises
    ------
    ConfigurationError
        It is missing, is not TOML, or an entry is wrong; the message names the file and the entry.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"consistency rules {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"consistency rules {path}: not valid TOML: {error}") from error
    try:
        return Rules.model_validate(entries)
    except ValidationError as error:
        raise ConfigurationError(f"consistency rules {path}: {_first_fault(error, entries)}") from error


def _first_fault(error: ValidationError, entries: dict[str, object]) -> str:
    fault = error.errors()[0]
    where = list(fault["loc"])
    group = entries.get(str(where[0])) if where else None
    if len(where) > 1 and isinstance(where[1], int) and isinstance(group, list) and isinstance(group[where[1]], dict):
        where[1] = str(group[where[1]].get("id", f"number {where[1] + 1}"))
    said = fault["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, where)) + ': ' if where else ''}{said}"
