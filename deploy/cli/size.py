"""`echoworker size`: what a number of studies a day needs."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.shared import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from deploy.sizing import Sizing

KEPT_DAYS = (0, 365, 90, 30)
"""Of pixels: the ways of keeping that are shown beside each other; 0 is for ever."""


def size(
    studies_per_day: Annotated[float, typer.Option("--studies-per-day", min=0.1, help="On a usual day.")],
    clips_per_study: Annotated[float, typer.Option("--clips-per-study", min=1, help="Images and clips.")] = 60,
    megabytes_per_clip: Annotated[float, typer.Option("--mb-per-clip", min=0.01, help="As they are received.")] = 3.0,
    days_per_year: Annotated[int, typer.Option("--days-per-year", min=1, max=366, help="On which studies come.")] = 365,
    hours_per_day: Annotated[float, typer.Option("--hours-per-day", min=0.5, max=24, help="In which they come.")] = 10,
    peak: Annotated[float, typer.Option("--peak", min=1, help="The busiest hour against the mean of these.")] = 2,
    gpu_frames_per_s: Annotated[
        float | None,
        typer.Option("--gpu-frames-per-s", min=1, help="What python -m bench.score tower says of your GPU."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say how much disk and how many workers so many studies need, and from which measurements that follows."""
    from deploy.sizing import SOURCES, Site  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.sizing import size as reckon  # noqa: PLC0415

    site = Site(
        studies_per_day=studies_per_day,
        clips_per_study=clips_per_study,
        megabytes_per_clip=megabytes_per_clip,
        days_per_year=days_per_year,
        hours_per_day=hours_per_day,
        peak=peak,
        gpu_frames_per_s=gpu_frames_per_s,
    )
    found = reckon(site, KEPT_DAYS)
    if as_json:
        sources = {name: {"is": value, "source": source} for name, (value, source) in SOURCES.items()}
        typer.echo(json.dumps({"site": asdict(site), **asdict(found), "sources": sources}, indent=1))
        return
    console.print(_disk_table(found))
    console.print(
        f"Beside it: {found.tensors_gb:,.0f} GB free for prepared clips, where a whole day waits to be scored; a "
        f"registry of {found.registry_gb_per_year:,.1f} GB a year ({found.registry_rows_per_year:,} rows of instances "
        f"and clips); a first backup of a year, everything kept: {found.backup_gb:,.0f} GB, on another disk.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_worker_table(found))
    console.print(_source_table(SOURCES))


def _disk_table(found: "Sizing") -> "Table":
    from rich.table import Table  # noqa: PLC0415

    columns = ("\\[keep]", "pixels", "embeddings", "reports, headers", "after a year", "each further year")
    table = Table(*columns, title="Spool, GB")
    for disk in found.disk:
        numbers = (disk.pixels_gb, disk.embeddings_gb, disk.rest_gb, disk.total_gb, disk.grows_gb_per_year)
        table.add_row(disk.kept, *(f"{number:,.0f}" for number in numbers))
    return table


def _worker_table(found: "Sizing") -> "Table":
    from rich.table import Table  # noqa: PLC0415

    table = Table("queue", "each has", "workers", "s a study", "", title="Workers for the busiest hour")
    for each in found.workers:
        count = "?" if each.workers is None else str(each.workers)
        seconds = "?" if each.seconds_per_study is None else f"{each.seconds_per_study:,.1f}"
        table.add_row(each.queue, each.device, count, seconds, each.why)
    return table


def _source_table(sources: "Mapping[str, tuple[str, str]]") -> "Table":
    from rich.table import Table  # noqa: PLC0415

    table = Table("figure", "is", "source", title="What it is reckoned from")
    for name, (value, source) in sources.items():
        table.add_row(name, value, source)
    return table
