"""What a clinical task of the catalogue is: its kinds, with what each of them needs.

Prompts are texts for the model; codes are DICOM's (PS3.16), for the report.
"""

import hashlib
import json
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.coded_concepts import Coded, CodedConcept, Entry
from config.languages import Language

PLACEHOLDER = "{value}"
MINIMUM_FILLED_PROMPTS = 5
"""Of a regression: its estimate is the median of the first fifth of their ranking, which must not be empty."""
Wording = Literal["catalogue", "pack", "catalogue+pack"]
"""Whose words the prompts are: those of this catalogue, those that the model's pack brings, or some of each."""
IDENTIFIER = r"^[a-z][a-z0-9_]*$"


def _plain(prompt: str) -> str:
    if not prompt.strip():
        raise ValueError("is blank")
    if "{" in prompt or "}" in prompt:
        raise ValueError(f"{prompt!r} cannot hold {PLACEHOLDER} or any other brace: nothing is filled in here")
    return prompt


def _template(prompt: str) -> str:
    if prompt.count(PLACEHOLDER) != 1:
        raise ValueError(f"{prompt!r} must hold {PLACEHOLDER} exactly once")
    if "{" in (rest := prompt.replace(PLACEHOLDER, "")) or "}" in rest:
        raise ValueError(f"{prompt!r} cannot hold a brace but those of {PLACEHOLDER}")
    return prompt


def _of_other_languages(names: dict[Language, str]) -> dict[Language, str]:
    if Language.ENGLISH in names:
        raise ValueError("has en: the English name is `name` itself")
    return names


Prompts = Annotated[tuple[Annotated[str, AfterValidator(_plain)], ...], Field(min_length=1)]
"""Sentences that go to the text tower as they are."""
Templates = Annotated[tuple[Annotated[str, AfterValidator(_template)], ...], Field(min_length=1)]
"""Sentences in which a number is filled in."""
Indices = tuple[Annotated[int, Field(ge=0)], ...]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Names = Annotated[dict[Language, Name], AfterValidator(_of_other_languages)]
"""Names in other languages than English, for reports in them; the English one stands in for those that are missing."""


class Threshold(Entry):
    """The score above which a finding is called present, and where that number comes from."""

    value: float = Field(ge=-1.0, le=1.0)
    origin: str = Field(min_length=1)
    model_family: str = Field(min_length=1)
    """The threshold holds for packs of this family alone; any other pack is uncalibrated."""
    wording: Wording
    """Whose prompts it was measured with: those of this catalogue, or those that the pack itself brings."""
    preprocessing: str | None = Field(default=None, min_length=1)
    """The profile of the frames it was measured with; None: not known. Those of another get an answer that says so."""


class ValueRange(Entry):
    """The integers, first to last inclusive, that stand in for the placeholder of a prompt."""

    first: int
    last: int

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.last <= self.first:
            raise ValueError("last must be greater than first")
        return self

    @property
    def numbers(self) -> range:
        """All of them, ascending."""
        return range(self.first, self.last + 1)


class CutPoints(Entry):
    """Where one class ends and the next begins, on the severity score of an ordered task; and where they come from."""

    values: tuple[float, ...] = Field(min_length=1)
    """Ascending, one fewer than the task has classes: the answer is the class of that many points not exceeded."""
    origin: str = Field(min_length=1)
    model_family: str = Field(min_length=1)
    wording: Wording
    preprocessing: str | None = Field(default=None, min_length=1)
    """As of a threshold."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.values) != sorted(self.values):
            raise ValueError("values must ascend")
        return self


class _Task(Coded):
    id: str = Field(pattern=IDENTIFIER, max_length=32)
    name: Name
    names: Names = Field(default_factory=dict)
    finding_site: CodedConcept
    """Where that lies which `concept` names: what is measured (regression), looked for (binary) or graded (class)."""
    views: tuple[str, ...] = ()
    """The ids of the views whose clips may answer; empty: those of every view of the heart."""
    asked_if: str | None = None
    """The id of a binary task above this one: the question is asked where its finding is present."""
    published_as: str | None = None
    """The key under which EchoCLIP's own prompt file, where a pack brings it, has this task."""

    @property
    def coded_question(self) -> tuple[object, ...]:
        """All that the codes of a report say of what is asked: no two tasks may have the same."""
        return *self.key, self.finding_site.key

    def filled_prompts(self) -> list[str]:
        """All prompts, in order, as the text tower reads them."""
        raise NotImplementedError

    def wording_digest(self) -> str:
        """SHA-256 over all prompts, with their values: what a threshold was measured with."""
        listed = json.dumps(self.filled_prompts(), ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(listed.encode()).hexdigest()


class RegressionTask(_Task):
    """A number read off by filling every value of `values` into each prompt."""

    kind: Literal["regression"]
    prompts: Templates
    values: ValueRange
    unit: CodedConcept
    reportable: ValueRange | None = None
    """An estimate outside is not given: the model knows such values from its prompts, not from patients."""

    @model_validator(mode="after")
    def _enough_to_rank(self) -> Self:
        filled = len(self.prompts) * (self.values.last - self.values.first + 1)
        if filled < MINIMUM_FILLED_PROMPTS:
            raise ValueError(
                f"prompts and values give {filled} filled prompts: at least {MINIMUM_FILLED_PROMPTS} are needed, "
                "since the estimate is read off the best fifth of them"
            )
        return self

    @model_validator(mode="after")
    def _something_is_reportable(self) -> Self:
        given = self.reportable
        if given is not None and (given.last < self.values.first or given.first > self.values.last):
            raise ValueError(
                f"reportable, {given.first} to {given.last}, and values, {self.values.first} to {self.values.last}, "
                "have nothing in common: every estimate would be withheld"
            )
        return self

    def filled_prompts(self) -> list[str]:
        """Every prompt with every value, template by template: as the text tower reads them."""
        return [prompt.replace(PLACEHOLDER, str(value)) for prompt in self.prompts for value in self.values.numbers]

    def filled_values(self) -> list[int]:
        """The number in each of `filled_prompts`."""
        return [value for _ in self.prompts for value in self.values.numbers]


class BinaryTask(_Task):
    """A presence scored by the mean cosine of frames and prompts; called only with a threshold."""

    kind: Literal["binary"]
    prompts: Prompts
    thresholds: tuple[Threshold, ...] = ()
    published_indices: Indices = ()
    """Which of the published prompts' task are meant, counted from 0; empty: all of them."""

    @model_validator(mode="after")
    def _published(self) -> Self:
        if self.published_indices and self.published_as is None:
            raise ValueError("published_indices need published_as, the task that they count in")
        return self

    def filled_prompts(self) -> list[str]:
        """The prompts, as the text tower reads them."""
        return list(self.prompts)

    def threshold_for(self, model_family: str, wording: Wording = "catalogue") -> Threshold | None:
        """The threshold made with this family of models and these prompts, or None: uncalibrated."""
        made_for = (model_family, wording)
        return next((t for t in self.thresholds if (t.model_family, t.wording) == made_for), None)


class OutcomeClass(Coded):
    """One of the answers of a class task, as a grade of regurgitation."""

    id: str = Field(pattern=IDENTIFIER, max_length=32)
    name: Name
    names: Names = Field(default_factory=dict)
    """As they stand within a sentence."""
    prompts: Prompts
    published_values: tuple[int, ...] = ()
    """Which `values` of the published prompts' task mean this class ..."""
    published_indices: Indices = ()
    """... or, where it has none, which of its prompts, counted from 0."""

    @model_validator(mode="after")
    def _published(self) -> Self:
        if self.published_values and self.published_indices:
            raise ValueError("either published_values or published_indices, not both")
        return self


class ClassTask(_Task):
    """One of several classes: that whose prompts are nearest to the frames, or by cut points where there are some."""

    kind: Literal["class"]
    classes: tuple[OutcomeClass, ...] = Field(min_length=2)
    """From the least to the most severe, where `ordered`."""
    ordered: bool = True
    cut_points: tuple[CutPoints, ...] = ()

    @model_validator(mode="after")
    def _distinct_classes(self) -> Self:
        ids = [each.id for each in self.classes]
        if repeated := sorted({used for used in ids if ids.count(used) > 1}):
            raise ValueError(f"class id used more than once: {', '.join(repeated)}")
        for one, other in combinations(self.classes, 2):
            if one.key == other.key:
                raise ValueError(f"classes {one.id!r} and {other.id!r} have the same concept: a report needs two")
            if shared := sorted(set(one.prompts) & set(other.prompts)):
                raise ValueError(f"classes {one.id!r} and {other.id!r} share the prompt {shared[0]!r}")
        return self

    @model_validator(mode="after")
    def _published(self) -> Self:
        named = [c.id for c in self.classes if c.published_values or c.published_indices]
        if named and self.published_as is None:
            raise ValueError(f"class {named[0]!r} names published prompts: that needs published_as, their task")
        return self

    @model_validator(mode="after")
    def _cut_points_fit(self) -> Self:
        if self.cut_points and not self.ordered:
            raise ValueError("cut_points need classes that are ordered")
        for cut in self.cut_points:
            if len(cut.values) != len(self.classes) - 1:
                raise ValueError(f"cut_points: {len(self.classes)} classes need {len(self.classes) - 1} values")
        return self

    def filled_prompts(self) -> list[str]:
        """The prompts of all classes, class by class."""
        return [prompt for outcome in self.classes for prompt in outcome.prompts]

    def outcome(self, class_id: str) -> OutcomeClass | None:
        """The class of that id, or None when this task does not have it."""
        return next((outcome for outcome in self.classes if outcome.id == class_id), None)

    def cut_points_for(self, model_family: str, wording: Wording = "catalogue") -> CutPoints | None:
        """The cut points made with this family of models and these prompts, or None: uncalibrated."""
        made_for = (model_family, wording)
        return next((c for c in self.cut_points if (c.model_family, c.wording) == made_for), None)


AnyTask = RegressionTask | BinaryTask | ClassTask
Task = Annotated[AnyTask, Field(discriminator="kind")]
