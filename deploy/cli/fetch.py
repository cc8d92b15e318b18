"""`echoworker fetch`: studies and priors out of an archive, and the back-fill of a range of days."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import EchoWorkerError
from deploy.cli.shared import console, open_registry, start

if TYPE_CHECKING:
    from dicom_node.archive.answers import FoundStudy
    from dicom_node.archive.fetching import Fetched, Fetcher, Pace

DAY_FORMATS = ["%Y-%m-%d", "%Y%m%d"]


def fetch(
    archive: Annotated[
        str, typer.Option("--from", metavar="PEER", help="The archive. By default, the only one configured.")
    ] = "",
    study: Annotated[str, typer.Option(metavar="UID", help="This study.")] = "",
    accession: Annotated[str, typer.Option(metavar="NUMBER", help="The studies of this accession number.")] = "",
    patient: Annotated[str, typer.Option(metavar="ID", help="All ultrasound studies of this patient.")] = "",
    since: Annotated[
        datetime | None,
        typer.Option(metavar="DATE", formats=DAY_FORMATS, help="All ultrasound studies from this day on."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=DAY_FORMATS, help="The last such day; by default, today.")
    ] = None,
    priors_of: Annotated[
        str,
        typer.Option(metavar="UID", help="The patient's earlier ultrasound studies, before this one; it must be here."),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what the archive has; fetch nothing.")] = False,
    at_most: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many studies; those here do not count.")
    ] = None,
    pause: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Between two studies.")] = 0.0,
    between: Annotated[
        str, typer.Option(metavar="HH:MM-HH:MM", help="Only in this time of day; waits outside of it.")
    ] = "",
) -> None:
    """Fetch studies out of an archive: one, a patient's, a range of days, or the priors of a study that is here.

    What the registry has whole is passed over, so that the same command goes on where an earlier one was stopped.
    """
    from config.sections.time_window import TimeWindow  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.fetch import Wanted, archive_named, found_table, wanted_studies  # noqa: PLC0415
    from deploy.processes.stopping import stop_on_signals  # noqa: PLC0415
    from dicom_node.archive.fetching import Fetcher, Pace  # noqa: PLC0415
    from dicom_node.calling import called_peer  # noqa: PLC0415

    settings = start("fetch")
    wanted = Wanted(
        study=study,
        accession=accession,
        patient=patient,
        since=_day(since),
        until=_day(until),
        priors_of=priors_of,
    )
    window = TimeWindow.parse(between) if between else None
    chosen = archive_named(settings, archive)
    peer = called_peer(settings, chosen)
    registry = open_registry(settings)
    # Those that are here do not count when studies are fetched, and how many these are is known only afterwards.
    limit = at_most if dry_run or priors_of else None
    studies = wanted_studies(peer, wanted, registry, limit=limit)
    if dry_run:
        console.print(found_table(islice(studies, at_most), registry))
        return
    fetcher = Fetcher(settings, registry, peer, by=chosen.retrieve)
    _fetch_all(fetcher, studies, Pace(pause_s=pause, window=window, stop=stop_on_signals()), at_most)


def _fetch_all(fetcher: "Fetcher", studies: "Iterable[FoundStudy]", pace: "Pace", at_most: int | None) -> None:
    outcomes: Counter[str] = Counter()
    with console.status("asking the archive") as status:
        try:
            for fetched in fetcher.fetch(
                studies,
                pace,
                at_most=at_most,
                on_progress=lambda study, counts: status.update(
                    f"{study.study_instance_uid}: {counts.sent} of {counts.total}"
                ),
                on_closed=lambda window: console.print(f"waiting for {window.opens:%H:%M}", highlight=False),
            ):
                outcomes[fetched.outcome] += 1
                _print_outcome(fetched)
        finally:
            total = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "nothing to fetch"
            console.print(total, style="bold", highlight=False)
    if failed := outcomes["failed"]:
        raise EchoWorkerError(
            f"{failed} of {outcomes.total()} studies were not fetched: the same command tries them again"
        )
    if pace.stop.is_set():
        raise EchoWorkerError("stopped before the end: the same command goes on from here")


def _print_outcome(fetched: "Fetched") -> None:
    study, counts = fetched.study, fetched.counts
    day = f"{study.study_date or '(no date)'}"
    parts = [study.study_instance_uid, day, " ".join(study.modalities) or "(modalities unknown)", fetched.outcome]
    if fetched.outcome == "fetched":
        parts.append(f"{counts.sent} instances" + (f", {counts.warned} with a warning" if counts.warned else ""))
    if fetched.reason:
        parts.append(fetched.reason)
    style = {"fetched": "green", "failed": "red"}.get(fetched.outcome, "dim")
    console.print("  ".join(parts), style=style, highlight=False, soft_wrap=True, markup=False)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
