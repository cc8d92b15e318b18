"""The task catalogue: every clinical question that a run answers and every view that a clip can show, validated.

Adding one is adding an entry to ``tasks.toml`` (or to a site's own file); no code changes.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from config.clinical_tasks import IDENTIFIER, AnyTask, BinaryTask, Entry, Prompts, Task
from config.errors import ConfigurationError

BUNDLED_CATALOGUE = Path(__file__).with_name("tasks.toml")


class View(Entry):
    """What a clip may show: a standard view of the heart, or something that is no heart."""

    id: str = Field(pattern=IDENTIFIER, max_length=32)
    name: str = Field(min_length=1, max_length=64)
    """In lower case: it stands within a sentence."""
    heart: bool
    prompts: Prompts


class Catalogue(Entry):
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
    def _references_hold(self) -> Self:
        hearts = {view.id for view in self.views if view.heart}
        above: set[str] = set()
        for task in self.tasks:
            if self.views and (unknown := sorted(set(task.views) - hearts)):
                raise ValueError(f"task {task.id!r}, views: no view of the heart is called {', '.join(unknown)}")
            if task.asked_if is not None and task.asked_if not in above:
                raise ValueError(f"task {task.id!r}, asked_if: no binary task above it is called {task.asked_if}")
            if isinstance(task, BinaryTask):
                above.add(task.id)
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
        field = ".".join(str(part) for part in where[2:] if part not in ("regression", "binary", "class"))
        return f"{kind} {name!r}{f', {field}' if field else ''}: {fault['msg']}"
    return f"{'.'.join(map(str, where)) or 'catalogue'}: {fault['msg']}"
