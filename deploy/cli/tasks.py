"""`echoworker tasks`: the questions that are asked of every study, and whether a site's catalogue of them is right."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from config.errors import CatalogueError, ConfigurationError
from deploy.cli.shared import console, start

if TYPE_CHECKING:
    from config.catalogue import Catalogue
    from config.clinical_tasks import AnyTask

tasks_commands = typer.Typer(
    help="The task catalogue: which questions are asked, and whether a site's own file of them is right.",
    no_args_is_help=True,
)


@tasks_commands.command("list")
def list_tasks(
    as_json: Annotated[bool, typer.Option("--json", help="Every field of every task and view, for programs.")] = False,
) -> None:
    """List the questions of this installation, in the order in which they are answered."""
    import json  # noqa: PLC0415

    from config.catalogue import load_catalogue  # noqa: PLC0415

    settings = start("tasks")
    catalogue = load_catalogue(settings.catalogue_path)
    if as_json:
        typer.echo(json.dumps(_facts(catalogue), indent=2, ensure_ascii=False))
        return
    table = Table("Id", "Task", "Kind", "Answers", "Views", "Threshold", "Asked if")
    for task in catalogue.tasks:
        views = ", ".join(task.views) or "any of the heart"
        cells = (task.id, task.name, task.kind, _answers(task), views, _calibrated(task), task.asked_if or "")
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print(f"{settings.catalogue_path}, {catalogue.digest[:12]}", highlight=False, markup=False, soft_wrap=True)


@tasks_commands.command("check")
def check_tasks(
    file: Annotated[Path, typer.Argument(help="A catalogue file, whole or a site's changes.", dir_okay=False)],
) -> None:
    """Say every mistake of a catalogue file, or what it changes. Nothing is scored, and no setting is touched."""
    from config.catalogue import load_catalogue  # noqa: PLC0415

    try:
        catalogue = load_catalogue(file)
    except CatalogueError as error:
        for mistake in error.mistakes:
            console.print(Text(f"  {mistake}", style="red"), soft_wrap=True)
        raise ConfigurationError(f"task catalogue {file}: mistakes: {len(error.mistakes)}") from error
    for line in (_whole(catalogue), *_differences(catalogue, load_catalogue()), *_doubts(catalogue)):
        console.print(Text(line), soft_wrap=True)


def _facts(catalogue: "Catalogue") -> dict[str, Any]:
    return {
        "digest": catalogue.digest,
        "tasks": [task.model_dump(mode="json") for task in catalogue.tasks],
        "views": [view.model_dump(mode="json") for view in catalogue.views],
    }


def _answers(task: "AnyTask") -> str:
    if task.kind == "regression":
        given = task.reportable or task.values
        return f"{given.first} to {given.last} {task.unit.meaning}"
    if task.kind == "class":
        return ", ".join(outcome.id for outcome in task.classes)
    return "present, absent"


def _calibrated(task: "AnyTask") -> str:
    """For which models and whose wording the catalogue itself has a threshold; a pack or a site may have others."""
    if task.kind == "regression":
        return "needs none"
    made = task.cut_points if task.kind == "class" else task.thresholds
    return ", ".join(f"{one.model_family} ({one.wording}'s wording)" for one in made) or "none: uncalibrated"


def _whole(catalogue: "Catalogue") -> str:
    return f"{len(catalogue.tasks)} tasks, {len(catalogue.views)} views, {catalogue.digest[:12]}: no mistake"


def _differences(catalogue: "Catalogue", bundled: "Catalogue") -> list[str]:
    ours = {entry.id: entry for entry in (*catalogue.tasks, *catalogue.views)}
    theirs = {entry.id: entry for entry in (*bundled.tasks, *bundled.views)}
    found = {
        "new": [entry_id for entry_id in ours if entry_id not in theirs],
        "changed": [entry_id for entry_id, entry in ours.items() if theirs.get(entry_id, entry) != entry],
        "not there": [entry_id for entry_id in theirs if entry_id not in ours],
    }
    return [f"{what}, beside the bundled catalogue: {', '.join(ids)}" for what, ids in found.items() if ids]


def _doubts(catalogue: "Catalogue") -> list[str]:
    """What is no mistake, but likely not meant."""
    return [
        f"doubtful: task {task.id!r}: its classes have different numbers of prompts, so that wording may favour one"
        for task in catalogue.tasks
        if task.kind == "class" and len({len(outcome.prompts) for outcome in task.classes}) > 1
    ]
