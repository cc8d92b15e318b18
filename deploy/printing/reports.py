"""What the command line prints of received reports: ids and reasons, never whose they are."""

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from db.consistency.received_reports import ReceivedSummary
from deploy.printing.tables import time_column, time_text, uid_column, whole_column


def received_table(found: Iterable[ReceivedSummary], *, width: int) -> Table:
    """One row for each report; its number is what `match` takes."""
    table = Table(
        "ID", time_column("Received (UTC)", width), "Via", whole_column("Status"),
        uid_column("Study Instance UID", width), "Matched by, or why not",
    )  # fmt: skip
    for each in found:
        table.add_row(
            str(each.id),
            time_text(each.received_at),
            each.via,
            each.status,
            each.study_instance_uid or "",
            Text(_why(each)),
        )
    return table


def received_facts(each: ReceivedSummary) -> dict[str, object]:
    """The same for programs."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in vars(each).items()}


def in_a_line(each: ReceivedSummary) -> str:
    """What became of one report, for who has just brought it."""
    if each.study_instance_uid is None:
        return f"report {each.id}: unmatched, {_why(each)}"
    return f"report {each.id}: study {each.study_instance_uid}, matched by {_why(each)}"


def _why(each: ReceivedSummary) -> str:
    said = (each.matched_by if each.study_instance_uid else each.why_unmatched) or "its study was removed"
    return f"{said}; report {each.superseded_by} took its place" if each.superseded_by else said
