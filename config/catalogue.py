"""The task catalogue: every clinical question that a run answers and every view that a clip can show, validated.

Adding one is adding an entry to ``tasks.toml`` (or to a site's own file); no code changes.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.errors import ConfigurationError

PLACEHOLDER = "{value}"
MINIMUM_FILLED_PROMPTS = 5
"""Of a regression: its estimate is the median of the first fifth of their ranking, which must not be empty."""
BUNDLED_CATALOGUE = Path(__file__).with_name("tasks.toml")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CodedConcept(_Frozen):
    """A coded term as DICOM writes it (PS3.3 section 8): value, coding scheme designator, meaning."""

    value: str = Field(min_length=1, max_length=16)
    scheme: str = Field(min_length=1, max_length=16)
    meaning: str = Field(min_length=1, max_length=64)


class Threshold(_Frozen):
    """The score above which a finding is called present, and where that number comes from."""

    value: float = Field(ge=-1.0, le=1.0)
    origin: str = Field(min_length=1)
    model_family: str = Field(min_length=1)
    """The threshold holds for packs of this family alone; any other pack is uncalibrated."""
    wording: Literal["catalogue", "pack"]
    """Whose prompts it was measured with: those of this catalogue, or those that the pack itself brings."""


class ValueRange(_Frozen):
    """The integers, first to last inclusive, that stand in for the placeholder of a prompt."""

    first: int
    last: int

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.last <= self.first:
            raise ValueError("last must be greater than first")
        return self


class _Task(_Frozen):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)
    name: str = Field(min_length=1, max_length=64)
    prompts: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    concept: CodedConcept
    """What is measured (regression) or looked for (binary)."""
    finding_site: CodedConcept


class RegressionTask(_Task):
    """A number read off by filling every value of `values` into each prompt."""

    kind: Literal["regression"]
    values: ValueRange
    unit: CodedConcept

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        for prompt in self.prompts:
            if prompt.count(PLACEHOLDER) != 1:
                raise ValueError(f"prompt {prompt!r} must hold {PLACEHOLDER} exactly once")
        return self

    @model_validator(mode="after")
    def _enough_to_rank(self) -> Self:
        filled = len(self.prompts) * (self.values.last - self.values.first + 1)
        if filled < MINIMUM_FILLED_PROMPTS:
            raise ValueError(
                f"prompts and values give {filled} filled prompts: at least {MINIMUM_FILLED_PROMPTS} are needed, "
                "since the estimate is read off the best fifth of them"
            )
        return self


class BinaryTask(_Task):
    """A presence scored by the mean cosine of frames and prompts; called only with a threshold."""

    kind: Literal["binary"]
    thresholds: tuple[Threshold, ...] = ()

    @model_validator(mode="after")
    def _no_placeholders(self) -> Self:
        for prompt in self.prompts:
            if PLACEHOLDER in prompt:
                raise ValueError(f"prompt {prompt!r} of a binary task cannot hold {PLACEHOLDER}")
        return self

    def threshold_for(self, model_family: str, wording: str = "catalogue") -> Threshold | None:
        """The threshold made with this family of models and these prompts, or None: uncalibrated."""
        made_for = (model_family, wording)
        return next((t for t in self.thresholds if (t.model_family, t.wording) == made_for), None)


Task = Annotated[RegressionTask | BinaryTask, Field(discriminator="kind")]


class View(_Frozen):
    """What a clip may show: a standard view of the heart, or something that is no heart."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)
    name: str = Field(min_length=1, max_length=64)
    """In lower case: it stands within a sentence."""
    heart: bool
    prompts: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)


class Catalogue(_Frozen):
    """All tasks and views of one catalogue file, in its order, with the digest that results carry as provenance."""

    tasks: tuple[Task, ...] = Field(alias="task", min_length=1)
    views: tuple[View, ...] = Field(alias="view", default=())
    """Empty in a catalogue that has none: the view of a clip is then not judged."""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    content: bytes = Field(repr=False)
    """The file that it was read from, byte for byte."""

    @model_validator(mode="after")
    def _unique_ids(self) -> Self:
        for kind, ids in (("task", [task.id for task in self.tasks]), ("view", [view.id for view in self.views])):
            repeated = sorted({used for used in ids if ids.count(used) > 1})
            if repeated:
                raise ValueError(f"{kind} id used more than once: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _views_of_both_kinds(self) -> Self:
        if self.views and len({view.heart for view in self.views}) == 1:
            raise ValueError("view: there must be views of the heart and views of something else, or none at all")
        return self

    def task(self, task_id: str) -> RegressionTask | BinaryTask | None:
        """The task of that id, or None when this catalogue does not have it."""
        return next((task for task in self.tasks if task.id == task_id), None)

    def view(self, view_id: str) -> View | None:
        """The view of that id, or None when this catalogue does not have it."""
        return next((view for view in self.views if view.id == view_id), None)


def load_catalogue(path: Path = BUNDLED_CATALOGUE) -> Catalogue:
    """Read and validate a catalogue file; its digest is the SHA-256 of the file's bytes.

    Raises
    ------
    ConfigurationError
        The file is missing, is not TOML, or an entry is wrong; the message names the file and the entry.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"task catalogue {path}: cannot be read ({error.strerror})") from error
    try:
        entries = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"task catalogue {path}: not valid TOML: {error}") from error
    read = {**entries, "digest": hashlib.sha256(content).hexdigest(), "content": content}
    try:
        return Catalogue.model_validate(read)
    except ValidationError as error:
        raise ConfigurationError(f"task catalogue {path}: {_first_fault(error, entries)}") from error


def _first_fault(error: ValidationError, entries: dict[str, object]) -> str:
    fault = error.errors()[0]
    where = list(fault["loc"])
    kind = str(where[0]) if where else ""
    of_kind = entries.get(kind)
    if len(where) > 1 and isinstance(where[1], int) and isinstance(of_kind, list):
        entry = of_kind[where[1]]
        name = entry.get("id", f"number {where[1] + 1}") if isinstance(entry, dict) else str(where[1] + 1)
        field = ".".join(str(part) for part in where[2:] if part not in ("regression", "binary"))
        return f"{kind} {name!r}{f', {field}' if field else ''}: {fault['msg']}"
    return f"{'.'.join(map(str, where)) or 'catalogue'}: {fault['msg']}"
