"""A time of each day, as work that is to disturb nobody is given."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as TimeOfDay  # noqa: N812  a type, as the classes beside it
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class TimeWindow:
    """A time of each day, by this machine's clock; one that closes before it opens lasts over midnight."""

    opens: TimeOfDay
    closes: TimeOfDay

    @classmethod
    def parse(cls, text: str) -> "TimeWindow":
        """Read `22:00-06:00`.

        Raises
        ------
        ConfigurationError
            It has another form, or no length.
        """
        opens, _, closes = text.partition("-")
        try:
            window = cls(opens=_time_of_day(opens), closes=_time_of_day(closes))
        except ValueError as error:
            raise ConfigurationError(f"{text}: give a time of day as HH:MM-HH:MM, from 00:00 to 23:59") from error
        if window.opens == window.closes:
            raise ConfigurationError(f"{text}: this window has no length")
        return window

    def contains(self, moment: TimeOfDay) -> bool:
        """Whether it is open then; it is no more at the minute that it closes."""
        if self.opens < self.closes:
            return self.opens <= moment < self.closes
        return moment >= self.opens or moment < self.closes


def require_window(text: str) -> None:
    """For a setting that is a time of each day.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        TimeWindow.parse(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error


class WindowSettings(BaseModel):
    """Settings of what is done by itself within a window."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: str
    """HH:MM-HH:MM by the clock of the machine whose worker does it."""

    @model_validator(mode="after")
    def _window_is_one(self) -> Self:
        require_window(self.window)
        return self

    @property
    def open_hours(self) -> TimeWindow:
        """The window."""
        return TimeWindow.parse(self.window)


def moment_of(day: date, at: TimeOfDay) -> datetime:
    """When it is that time of that day by this machine's clock, aware.

    The first such moment, where the clock is put back over it; as much later, where it is put forward (PEP 495):
    `astimezone` of a time without a zone would be an hour too early then.
    """
    return datetime.fromtimestamp(datetime.combine(day, at).timestamp(), UTC).astimezone()


def _time_of_day(text: str) -> TimeOfDay:
    return datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007  a time of day has no zone
