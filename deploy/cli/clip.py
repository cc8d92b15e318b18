"""`echoworker clip`: what the model will see of a file."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from config.logs import configure_logs
from deploy.cli.shared import console, save_picture


def clip(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM file.", exists=True, dir_okay=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="STRIP.PNG", dir_okay=False, help="Draw it: region, sampled frames, times."),
    ] = None,
    profile: Annotated[Literal["fast", "upstream"], typer.Option(help="How frames are chosen and cropped.")] = "fast",
    uncovered: Annotated[
        bool, typer.Option("--uncovered", help="Draw what is outside the region as it is: names may be burned in.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as JSON, for programs.")] = False,
) -> None:
    """Show what the model will see of a file, or why it is skipped. Needs no installation, and changes nothing."""
    from worker.pixels.look import as_json as facts_of  # noqa: PLC0415  commands load what they need: --help is quick
    from worker.pixels.look import look_at, picture_to_show, stated  # noqa: PLC0415
    from worker.pixels.profiles import FAST, UPSTREAM  # noqa: PLC0415
    from worker.pixels.sheet import contact_sheet  # noqa: PLC0415

    configure_logs(process="clip")
    look = look_at(file, {"fast": FAST, "upstream": UPSTREAM}[profile])
    if out is not None:
        save_picture(contact_sheet(look, picture_to_show(file), uncovered=uncovered), out)
    if as_json:
        typer.echo(json.dumps(facts_of(look), indent=1))
        return
    table = Table(show_header=False)
    for heading, text in stated(look):
        table.add_row(heading, Text(text, style={"Skipped": "yellow", "Note": "dim"}.get(heading, "")))
    console.print(table)
    if out is not None:
        console.print(Text(f"drawn: {out}"), soft_wrap=True)
