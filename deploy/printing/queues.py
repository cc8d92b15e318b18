"""What the command line prints of queues: tables for people."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from db.reading.queue_summaries import QueueSummary
from db.tables.pipeline import QueuePause
from db.working.pauses import said_of
from deploy.printing.tables import time_column, time_text, whole_column


def queues_table(found: Iterable[QueueSummary], *, width: int) -> Table:
    """One row for each queue."""
    table = Table(
        whole_column("Queue"),
        "Waiting",
        "STAT",
        "Later",
        "Running",
        time_column("Oldest (UTC)", width),
        "Paused",
    )
    for each in found:
        said = [f"{f'to {pause.peer} ' if pause.peer else ''}{said_of(pause)}" for pause in each.pauses]
        table.add_row(
            each.queue,
            str(each.waiting),
            str(each.stat),
            str(each.later),
            str(each.running),
            time_text(each.oldest) if each.oldest else "",
            Text("\n".join(said), style="bold yellow"),
        )
    return table


def pauses_table(found: Iterable[QueuePause], *, width: int) -> Table:
    """One row for each pause."""
    at, until = time_column("Paused (UTC)", width), time_column("Resumed (UTC)", width)
    table = Table(whole_column("Queue"), "Peer", at, "By", "Why", until, "By")
    for each in found:
        table.add_row(
            each.queue,
            Text(each.peer),
            time_text(each.paused_at),
            Text(each.paused_by),
            Text(each.reason),
            time_text(each.resumed_at) if each.resumed_at else "",
            Text(each.resumed_by or ""),
        )
    return table
