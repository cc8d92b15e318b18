"""`echoworker reconcile`: which ultrasound studies of the archives never came here."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.shared import console, open_registry, start

if TYPE_CHECKING:
    from rich.table import Table

    from db.tables.monitoring import Reconciliation


def reconcile(
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days back, today included.")] = 1,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch what is missing or incomplete.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Ask no archive: show what the last looks found.")] = False,
    archive: Annotated[
        str, typer.Option("--from", metavar="PEER", help="This archive alone. By default, every one.")
    ] = "",
) -> None:
    """Compare the archives' ultrasound studies of these days with ours; list, and fetch, what never came."""
    from config.errors import EchoWorkerError  # noqa: PLC0415  commands load what they need: --help is quick
    from db.monitoring.reconciliations import reconciliations  # noqa: PLC0415
    from deploy.fetch import archive_named  # noqa: PLC0415
    from deploy.processes.stopping import stop_on_signals  # noqa: PLC0415
    from dicom_node.archive.reconciling import archives  # noqa: PLC0415
    from dicom_node.archive.reconciling import reconcile as reconcile_with  # noqa: PLC0415

    settings = start("reconcile")
    registry = open_registry(settings)
    today = datetime.now(UTC).astimezone().date()
    if show:
        with registry.read() as session:
            rows = reconciliations(session, since=today - timedelta(days=days - 1))
    else:
        chosen = (archive_named(settings, archive),) if archive or not archives(settings) else archives(settings)
        stop = stop_on_signals()
        rows = [
            row
            for one in chosen
            for row in reconcile_with(settings, registry, one, last_day=today, days=days, fetch=fetch, stop=stop)
        ]
    console.print(_table(rows))
    for row in rows:
        for what, uids in (("missing", row.missing), ("incomplete", row.incomplete)):
            for uid in uids:
                console.print(f"{row.day} {row.archive} {what} {uid}", highlight=False)
    if trouble := [f"{row.archive}, {row.day}: {row.trouble}" for row in rows if row.trouble]:
        raise EchoWorkerError(trouble[-1])


def _table(rows: "list[Reconciliation]") -> "Table":
    from rich.table import Table  # noqa: PLC0415

    table = Table("Day", "Archive", "Studies there", "Missing here", "Incomplete", "Fetched", "Looked at")
    for row in rows:
        counts = (row.found, len(row.missing), len(row.incomplete), row.fetched)
        looked_at = f"{row.looked_at:%Y-%m-%d %H:%M}"
        table.add_row(str(row.day), row.archive, *(str(count) for count in counts), looked_at)
    return table
