"""The days that a page is about, as its address has them: `?since=2026-11-01&until=2026-11-30`."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import Depends

from dashboard.installation import Here
from db.monitoring.quality import Days

BY_DEFAULT = 30
AT_MOST = 366
EARLIEST, LATEST = date(1900, 1, 1), date(2999, 12, 31)
"""No study is of another day, and a year before or behind these is a date, too."""


def _days(here: Here, since: date | None = None, until: date | None = None) -> Days:
    """The last month where nothing is said; at most a year, so that no page is slow."""
    last = _within(until or here.now().date())
    first = _within(since or last - timedelta(days=BY_DEFAULT - 1))
    first, last = min(first, last), max(first, last)
    return Days(first=max(first, last - timedelta(days=AT_MOST - 1)), last=last)


def _within(day: date) -> date:
    return min(max(day, EARLIEST), LATEST)


AskedDays = Annotated[Days, Depends(_days)]
"""For functions that answer requests."""
