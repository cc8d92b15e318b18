"""`echoworker explain`: where in a clip the model finds what speaks for an answer."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from config.errors import ClipError, ConfigurationError
from deploy.cli.shared import console, save_picture, start


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM file.", exists=True, dir_okay=False)],
    task: Annotated[str, typer.Option(metavar="ID", help="As tasks list shows it.")],
    out: Annotated[
        Path | None, typer.Option(metavar="HEAT.PNG", dir_okay=False, help="Draw the maps over the frames.")
    ] = None,
    arrays: Annotated[
        Path | None,
        typer.Option(metavar="HEAT.NPY", dir_okay=False, help="Write the maps: float32 [T, 224, 224], 0 to 1."),
    ] = None,
    value: Annotated[int | None, typer.Option(help="Explain this value, not the estimate.")] = None,
    grade: Annotated[str | None, typer.Option(metavar="CLASS", help="Explain this class, by its id.")] = None,
    frame: Annotated[int | None, typer.Option(help="This frame alone, counted from 1 in the file.")] = None,
    blur: Annotated[bool, typer.Option("--blur", help="Smooth the maps, as the published pictures are.")] = False,
) -> None:
    """Ask the model one question about one file, and show which parts of the frames speak for the answer (Grad-CAM).

    Nothing is stored, sent or reported. A heat map is no outline of a structure, and no proof.
    """
    if out is None and arrays is None:
        raise ConfigurationError("say where the heat maps go: --out HEAT.PNG, --arrays HEAT.NPY, or both")
    if arrays is not None and arrays.suffix != ".npy":
        raise ConfigurationError(f"--arrays {arrays}: give a file name that ends in .npy")
    settings = start("explain")
    import numpy as np  # noqa: PLC0415  commands load what they need: --help is quick

    from config.catalogue import load_catalogue  # noqa: PLC0415
    from worker.echoclip.heat_sheet import frames_shown, heat_sheet, stated  # noqa: PLC0415
    from worker.explaining import explain_clip, load_explainable_pack  # noqa: PLC0415
    from worker.models import Surroundings  # noqa: PLC0415
    from worker.pixels.clip import read_clip  # noqa: PLC0415
    from worker.pixels.profiles import PROFILES  # noqa: PLC0415

    catalogue = load_catalogue(settings.catalogue_path)
    try:
        clip = read_clip(file, PROFILES[settings.pixels.profile])
    except ClipError as error:
        raise ClipError(f"{file} gives the model no clip: {error}") from error
    surroundings = Surroundings(settings=settings, catalogue=catalogue, cache=settings.data_dir / "cache")
    pack = load_explainable_pack(settings)
    explanation = explain_clip(pack, surroundings, clip, task, value=value, outcome=grade, is_blurred=blur)
    shown = frames_shown(explanation, frame)
    if out is not None:
        save_picture(heat_sheet(explanation, shown), out)
    if arrays is not None:
        np.save(arrays, explanation.maps[list(shown)])
    table = Table(show_header=False)
    for heading, text in stated(explanation):
        table.add_row(heading, Text(text, style={"Use": "bold yellow", "Note": "dim"}.get(heading, "")))
    console.print(table)
    for kind, written in (("drawn", out), ("maps", arrays)):
        if written is not None:
            console.print(Text(f"{kind}: {written}"), soft_wrap=True)
