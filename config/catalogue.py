"""The task catalogue: every clinical question that a run answers and every view that a clip can show, validated.

Adding one is adding an entry to ``tasks.toml``, or to a site's own file (docs/tasks.md); no code changes.
"""

import hashlib
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from config.catalogue_extension import EXTENDS, REMOVE, extended
from config.catalogue_mistakes import mistakes_of
from config.clinical_tasks import IDENTIFIER, AnyTask, BinaryTask, Names, Prompts, Task
from config.coded_concepts import Entry
from config.errors import CatalogueError, ConfigurationError

BUNDLED_CATALOGUE = Path(__file__).with_name("tasks.toml")
_MADE = "# A site's task catalogue together with the bundled one that it extends, written by EchoWorker.\n\n"


class View(Entry):
    """What a clip may show: a standard view of the heart, or something that is no heart."""

    id: str = Field(pattern=IDENTIFIER, max_length=32)
    name: str = Field(min_length=1, max_length=64)
    """In lower case: it stands within a sentence."""
    names: Names = Field(default_factory=dict)
    """As they stand within a sentence."""
    heart: bool
    prompts: Prompts


class Catalogue(Entry):
    """All tasks and views of one catalogue file, in its order, with the digest that results carry as provenance."""

    tasks: tuple[Task, ...] = Field(alias="task", min_length=1)
    views: tuple[View, ...] = Field(alias="view", default=())
    """Empty in a catalogue that has none: the view of a clip is then not judged."""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of `content`."""
    content: bytes = Field(repr=False)
    """A whole catalogue file that gives this one, whatever an upgrade does to the bundled one: the file that was read,
    byte for byte; for one that extends the bundled one, what both give together."""

    @model_validator(mode="after")
    def _unique_ids(self) -> Self:
        for kind, ids in (
            ("task id", [task.id for task in self.tasks]),
            ("task name", [task.name for task in self.tasks]),
            ("view id", [view.id for view in self.views]),
        ):
            repeated = sorted({used for used in ids if ids.count(used) > 1})
            if repeated:
                raise ValueError(f"{kind} used more than once: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        hearts = [view.id for view in self.views if view.heart]
        above: set[str] = set()
        for task in self.tasks:
            if self.views and (unknown := sorted(set(task.views) - set(hearts))):
                raise ValueError(
                    f"task {task.id!r}, views: no view of the heart is called {', '.join(unknown)}; "
                    f"there are {', '.join(hearts)}"
                )
            if task.asked_if is not None and task.asked_if not in above:
                raise ValueError(f"task {task.id!r}, asked_if: no binary task above it is called {task.asked_if}")
            if isinstance(task, BinaryTask):
                above.add(task.id)
        return self

    @model_validator(mode="after")
    def _told_apart_in_a_report(self) -> Self:
        for one, other in combinations(self.tasks, 2):
            if one.coded_question == other.coded_question:
                raise ValueError(
                    f"tasks {one.id!r} and {other.id!r} have the same concept ({one.concept.value}, "
                    f"{one.concept.scheme}) and the same finding_site: no reader of a report could tell them apart; "
                    "modifiers may"
                )
        return self

    @model_validator(mode="after")
    def _views_of_both_kinds(self) -> Self:
        if self.views and len({view.heart for view in self.views}) == 1:
            raise ValueError("view: there must be views of the heart and views of something else, or none at all")
        return self

    def task(self, task_id: str) -> AnyTask | None:
        """The task of that id, or None when this catalogue does not have it."""
        return next((task for task in self.tasks if task.id == task_id), None)

    def view(self, view_id: str) -> View | None:
        """The view of that id, or None when this catalogue does not have it."""
        return next((view for view in self.views if view.id == view_id), None)


def load_catalogue(path: Path = BUNDLED_CATALOGUE) -> Catalogue:
    """Read and validate a catalogue file: a whole one, or a site's changes to the bundled one.

    Raises
    ------
    ConfigurationError
        The file is missing or is not TOML; as a CatalogueError, which holds every mistake that was found: an entry is
        wrong. The message names the file, the entry and the field.
    """
    content, entries = _read(path)
    if EXTENDS in entries or REMOVE in entries:
        try:
            entries = extended(entries, _read(BUNDLED_CATALOGUE)[1])
        except ValueError as error:
            raise CatalogueError(path, [str(error)]) from error
        content = (_MADE + tomli_w.dumps(entries)).encode()
    read = {**entries, "digest": hashlib.sha256(content).hexdigest(), "content": content}
    try:
        return Catalogue.model_validate(read)
    except ValidationError as error:
        raise CatalogueError(path, mistakes_of(error, entries)) from error


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"task catalogue {path}: cannot be read ({error.strerror})") from error
    try:
        return content, tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"task catalogue {path}: not valid TOML: {error}") from error
