"""The kinds of rules, and of what is known of models, that a file of rules may have: an entry of each, as data."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from config.clinical_tasks import IDENTIFIER
from config.coded_concepts import Entry
from db.consistency.discordances import Severity

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


class Apart(Entry):
    """Numbers that lie apart."""

    id: RuleId
    field: FieldId
    differs_by: float = Field(gt=0)
    """In the unit of the field: a difference as large as this is one."""
    major_from: float = Field(gt=0)

    def severity(self, difference: float) -> Severity:
        """Of so large a difference."""
        return Severity.MAJOR if difference >= self.major_from else Severity.MINOR


class NumberRule(Apart):
    """A reported number against the model's."""

    times_error: float = Field(default=2.0, ge=0)
    """The difference must be as large as so many known errors of the model as well."""
    limits: tuple[float, ...] = ()
    """Numbers at which treatment is decided."""
    crossing_differs_by: float | None = Field(default=None, gt=0)
    """Where one of the limits lies between the two numbers, so large a difference is enough."""
    crossing_times_error: float = Field(default=1.0, ge=0)
    """And there it must be as large as so many known errors."""

    @model_validator(mode="after")
    def _limits_are_used(self) -> Self:
        if bool(self.limits) != (self.crossing_differs_by is not None):
            raise ValueError("limits and crossing_differs_by belong together")
        return self

    def needed(self, error: float, *, crosses: bool) -> float:
        """From which difference on the two are discordant, with this known error."""
        usual = max(self.differs_by, self.times_error * error)
        if not crosses or self.crossing_differs_by is None:
            return usual
        return min(usual, max(self.crossing_differs_by, self.crossing_times_error * error))

    def crosses(self, one: float, other: float) -> bool:
        """Whether a limit lies between them: one below it, the other not."""
        return any(min(one, other) < limit <= max(one, other) for limit in self.limits)


class ReportsRule(Apart):
    """Two numbers that reports of the same study name."""


class Span(Entry):
    """The numbers that a word stands for."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("names neither at_least nor at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is more than at_most")
        return self


class Meaning(Entry):
    """What the grades of a field stand for, in the unit of the numbers that rules compare them with."""

    words: FieldId
    """The field of the grades, as `lv_function`."""
    grades: dict[str, Span] = Field(min_length=1)

    def span(self, grades: Sequence[str]) -> tuple[float | None, float | None] | None:
        """The least and the greatest number that any of these grades stands for, None where that end is open; no span
        where one of them has no meaning."""
        if not grades or not self.grades.keys() >= set(grades):
            return None
        spans = [self.grades[grade] for grade in grades]
        return _outermost([span.at_least for span in spans], min), _outermost([span.at_most for span in spans], max)


class Against(StrEnum):
    """What a word is compared with."""

    IMAGES = "images"
    REPORTS = "reports"


class WordRule(Apart):
    """A word of a report against a number: the model's, where the report names none, or one that a report names.

    The difference counts from the nearer end of what the word stands for.
    """

    words: FieldId
    """The field of the grades; `field` is that of the numbers."""
    against: Against
    times_error: float | None = Field(default=None, ge=0)
    """Against images: the difference must be as large as so many known errors of the model as well."""

    @model_validator(mode="after")
    def _has_errors_of_images_alone(self) -> Self:
        if (self.against is Against.IMAGES) != (self.times_error is not None):
            raise ValueError('against = "images" needs times_error, against = "reports" has no use for it')
        return self

    def needed(self, error: float) -> float:
        """From which difference on word and model are discordant, with this known error."""
        return max(self.differs_by, (self.times_error or 0.0) * error)


class ChangeRule(Apart):
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


def _outermost(ends: Sequence[float | None], furthest: Callable[[list[float]], float]) -> float | None:
    """None where one of them is open."""
    closed = [end for end in ends if end is not None]
    return furthest(closed) if len(closed) == len(ends) else None
