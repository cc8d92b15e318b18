"""Rows of the documented views, with the types that their columns have, whatever the database makes of them.

SQLite has no times, dates or booleans; a view's columns say nothing of theirs there. So the kinds of columns are here,
by their names, which mean the same in every view, and a test holds them to what PostgreSQL says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, Float, Integer, Text, column, select, table
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from config.errors import NotFoundError
from db.migrating import views_at
from db.tables.base import UTCDateTime
from db.views.definitions import View, read_view

AT_ONCE = 5000
"""Rows that are held in memory while a view is read."""


class ColumnKind(StrEnum):
    """What a column of a view holds; each may be NULL."""

    TEXT = "text"
    WHOLE = "whole number"
    REAL = "number"
    YES_NO = "yes or no"
    TIME = "time"
    """UTC."""
    DATE = "date"
    """Of a day, or the first of a month, in UTC."""


_SQL: Mapping[ColumnKind, TypeEngine[Any]] = {
    ColumnKind.TEXT: Text(),
    ColumnKind.WHOLE: Integer(),
    ColumnKind.REAL: Float(),
    ColumnKind.YES_NO: Boolean(),
    ColumnKind.TIME: UTCDateTime(),
    ColumnKind.DATE: Date(),
}
_NAMED: Mapping[ColumnKind, str] = {
    ColumnKind.WHOLE: (
        "study_revision run_revision revision clips_used place attempt duration_ms failed_attempts attempts "
        "discordance_id studies with_a_lease tried_before instances bytes stored_only present absent uncalibrated "
        "abstained answered numbers"
    ),
    ColumnKind.REAL: (
        "value score threshold spread agreement quiet_s processing_s delivery_s total_s seconds_to_delivery "
        "seconds_since confidence prevalence mean minimum p10 median p90 maximum"
    ),
    ColumnKind.YES_NO: "is_current is_open",
    ColumnKind.TIME: (
        "received_at finished_at at last_instance_at ready_at prepared_at scored_at reported_at delivered_at "
        "created_at last_attempt_at next_attempt_at commitment_asked_at found_at superseded_at reviewed_at since "
        "oldest_since first_at last_at"
    ),
    ColumnKind.DATE: "day month",
}
RANGES: Mapping[str, str | None] = {
    "v_current_results": "finished_at",
    "v_study_timeline": "at",
    "v_turnaround": "last_instance_at",
    "v_deliveries": "created_at",
    "v_discordances": "found_at",
    "v_worklist": "since",
    "v_states": None,
    "v_intake_daily": "day",
    "v_device_prevalence": "month",
    "v_drift_daily": "day",
    "v_outcomes_daily": "day",
}
"""The views, and the column that a range of days is of; of what is of this moment, none."""


@dataclass(frozen=True, kw_only=True)
class OpenDays:
    """A range of days in UTC, both included; None: open."""

    first: date | None = None
    last: date | None = None


def kind_of(name: str) -> ColumnKind:
    """What a column of this name holds, in every view."""
    return next((kind for kind, names in _NAMED.items() if name in names.split()), ColumnKind.TEXT)


@cache
def documented_view(name: str) -> View:
    """A view as this version has it.

    Raises
    ------
    NotFoundError
        There is none of this name.
    """
    versions = views_at("head")
    if name not in versions:
        raise NotFoundError(f"there is no view of this name: there are {', '.join(sorted(versions))}")
    return read_view(name, versions[name])


def view_rows(
    session: Session, name: str, days: OpenDays, *, equal: Mapping[str, str] | None = None, limit: int | None = None
) -> Iterator[tuple[Any, ...]]:
    """The rows of these days, with the view's columns in order; `AT_ONCE` are in memory, however many there are.

    `equal`: what text columns are to be. With a `limit` the latest come first; without one they come as they lie, as
    nothing that large is sorted.

    Raises
    ------
    NotFoundError
        There is no such view.
    """
    view = documented_view(name)
    columns = {each: column(each, _SQL[kind_of(each)]) for each in view.columns}
    query = select(*columns.values()).select_from(table(view.name, *columns.values()))
    if (of := RANGES[name]) is not None:
        query = query.where(*_within(columns[of], kind_of(of), days))
        if limit is not None:
            query = query.order_by(columns[of].desc())
    query = query.where(*(columns[each] == value for each, value in (equal or {}).items()))
    rows = session.execute(query.limit(limit).execution_options(yield_per=AT_ONCE))
    return (tuple(row) for row in rows)


def _within(of: ColumnElement[Any], kind: ColumnKind, days: OpenDays) -> Iterator[ColumnElement[bool]]:
    is_time = kind is ColumnKind.TIME
    if days.first is not None:
        yield of >= (datetime.combine(days.first, time.min, UTC) if is_time else days.first)
    if days.last is not None:
        yield of <= (datetime.combine(days.last, time.max, UTC) if is_time else days.last)
