"""What the command line prints of what has outlived its time, and of studies that are held: tables for people."""

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from config.sections.keep import KeptKind
from db.lifecycle.holds import Hold
from deploy.printing.tables import time_column, time_text, whole_column
from worker.retention import Outlived


def totals_table(found: Mapping[KeptKind, Sequence[Outlived]]) -> Table:
    """One row for each kind."""
    table = Table("Kind", "Studies", "Files", "MB")
    for kind, studies in found.items():
        files, size = sum(study.files for study in studies), sum(study.size_bytes for study in studies)
        table.add_row(kind.value, str(len(studies)), str(files), f"{size / 1e6:.1f}")
    return table


def outlived_table(found: Mapping[KeptKind, Sequence[Outlived]]) -> Table:
    """One row for each study and kind."""
    table = Table(whole_column("Study"), "Kind", "Files", "MB")
    for kind, studies in found.items():
        for study in studies:
            table.add_row(study.study_instance_uid, kind.value, str(study.files), f"{study.size_bytes / 1e6:.1f}")
    return table


def holds_table(found: Iterable[Hold], *, width: int) -> Table:
    """One row for each hold."""
    at, until = time_column("Held (UTC)", width), time_column("Released (UTC)", width)
    table = Table(whole_column("Study"), at, "By", "Why", until, "By")
    for each in found:
        table.add_row(
            each.study_instance_uid,
            time_text(each.held_at),
            Text(each.held_by),
            Text(each.reason),
            time_text(each.released_at) if each.released_at else "",
            Text(each.released_by or ""),
        )
    return table
