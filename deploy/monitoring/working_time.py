"""How much of a time was working time, by this machine's clock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.sections.time_window import TimeWindow, moment_of

LONGEST = timedelta(days=60)
"""Older beginnings count as this old: more is not needed to say that it was long."""


@dataclass(frozen=True, kw_only=True)
class WorkingTime:
    """The hours of the days on which work is done."""

    window: TimeWindow
    days: frozenset[int]
    """ISO: 1 is Monday. Hours over midnight belong to the day on which they begin."""

    @classmethod
    def parse(cls, hours: str, days: Collection[int]) -> "WorkingTime":
        """Of settings.

        Raises
        ------
        ConfigurationError
            The hours are not of the form HH:MM-HH:MM, or have no length.
        """
        return cls(window=TimeWindow.parse(hours), days=frozenset(days))

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much of the time from `start` to `end` (both aware) was working time."""
        start, end = max(start, end - LONGEST).astimezone(), end.astimezone()
        worked = timedelta(0)
        day = start.date() - timedelta(days=1)
        while day <= end.date():
            if day.isoweekday() in self.days:
                opens, closes = self._of(moment_of(day, self.window.opens))
                worked += max(min(closes, end) - max(opens, start), timedelta(0))
            day += timedelta(days=1)
        return worked

    def _of(self, opens: datetime) -> tuple[datetime, datetime]:
        last = opens.date() if self.window.closes > self.window.opens else opens.date() + timedelta(days=1)
        return opens, moment_of(last, self.window.closes)
