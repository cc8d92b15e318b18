"""`echoworker drift`: are the answers still distributed as they were?"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from deploy.cli.shared import console, open_registry, start


def drift(
    look: Annotated[bool, typer.Option("--look", help="Compare now, in place of the last night.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show what has not drifted, too.")] = False,
) -> None:
    """Show which answers have drifted: by task, for all studies, for each scanner and for each sender."""
    from rich.table import Table  # noqa: PLC0415  commands load what they need: --help is quick

    from db.monitoring.drift import last_drift  # noqa: PLC0415

    settings = start("drift")
    registry = open_registry(settings)
    if look:
        from config.broker import create_celery_app  # noqa: PLC0415
        from worker.context import WorkerContext  # noqa: PLC0415
        from worker.drift import look_for_drift  # noqa: PLC0415

        look_for_drift(WorkerContext(settings, create_celery_app(settings)), now=datetime.now(UTC))
    with registry.read() as session:
        rows = last_drift(session)
    table = Table("Of", "Which", "Task", "Measure", "Reference", "Recent", "PSI", "Limit", "")
    for row in rows:
        if every or row.has_drifted:
            numbers = (str(row.reference), str(row.recent), f"{row.stability_index:.2f}", f"{row.alarm_limit:.2f}")
            said = "drifted" if row.has_drifted else ""
            table.add_row(row.grouping, row.name, row.task_id, row.measure, *numbers, said)
    drifted = sum(row.has_drifted for row in rows)
    console.print(table)
    day = f" on {rows[0].looked_on}" if rows else ""
    console.print(f"{len(rows)} comparisons{day}, {drifted} drifted", highlight=False)
