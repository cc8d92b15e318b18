"""`echoworker phantom`: synthetic echo studies whose truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from config.logs import configure_logs
from deploy.cli.shared import console

if TYPE_CHECKING:
    from worker.phantom.truth import StudyTruth


def phantom(
    studies: Annotated[int, typer.Option(metavar="N", min=1, help="How many.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder; a folder in it for each study.")],
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of the first study; the others have the next.")] = 0,
    clips: Annotated[int, typer.Option(metavar="M", min=1, max=60, help="Clips of a study.")] = 10,
    style: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The machine; by default one after the other, see docs/phantom.md."),
    ] = None,
    contradicted: Annotated[
        int | None, typer.Option(min=0, help="Studies whose report says what is not true. By default a quarter.")
    ] = None,
    no_view: Annotated[
        int | None, typer.Option(min=0, help="Studies that show no heart. By default one in eight.")
    ] = None,
) -> None:
    """Make synthetic echo studies: DICOM clips, stills and reports, and the truth in a JSON file beside them."""
    from worker.phantom.series import Series, make_series  # noqa: PLC0415  commands load what they need: --help is quick
    from worker.phantom.styles import style_named  # noqa: PLC0415

    configure_logs(process="phantom")
    series = Series(
        studies=studies,
        seed=seed,
        clips=clips,
        style=None if style is None else style_named(style),
        contradicted=studies // 4 if contradicted is None else contradicted,
        no_view=studies // 8 if no_view is None else no_view,
    )
    table = Table(title="Synthetic studies; the truth is in truth.json of each")
    for heading in ("Study", "Kind", "Machine", "Clips", "EF", "EDV", "PA", "LV", "Devices", "Contradiction"):
        table.add_column(heading, justify="right" if heading in ("Clips", "EF", "EDV", "PA") else "left")
    for folder, truth in make_series(out, series):
        table.add_row(folder.name, *_described(truth))
    console.print(table)
    console.print(f"send one: echoworker send {out}/study-0001/*.dcm", highlight=False, markup=False, soft_wrap=True)


def _described(truth: "StudyTruth") -> list[str]:
    heart = truth.heart
    return [
        truth.kind,
        truth.style,
        str(len(truth.clips())),
        f"{heart.ejection_fraction:.0f} %",
        f"{heart.end_diastolic_volume_ml:.0f} ml",
        f"{heart.pa_pressure:.0f} mmHg",
        heart.lv_size,
        ", ".join(heart.devices) or "-",
        "; ".join(f"{item.task}: {item.said}, true {_short(item.true)}" for item in truth.contradictions) or "-",
    ]


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.0f}"
