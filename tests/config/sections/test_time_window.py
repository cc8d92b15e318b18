"""A time of day is one moment of that day, also where the clock leaves it out, or has it twice."""

from datetime import UTC, date, datetime, time

import pytest

from config.sections.time_window import moment_of
from tests.support.clocks import machine_in


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (date(2027, 3, 28), time(1, 30), datetime(2027, 3, 28, 0, 30, tzinfo=UTC)),
        (date(2027, 3, 28), time(2, 30), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),  # left out: 03:30 there
        (date(2027, 3, 28), time(3, 30), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        (date(2027, 10, 31), time(2, 30), datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),  # twice: the first
        (date(2027, 10, 31), time(3, 30), datetime(2027, 10, 31, 2, 30, tzinfo=UTC)),
    ],
)
def test_a_time_of_day_where_the_clock_is_changed(day: date, at: time, expected: datetime) -> None:
    with machine_in("Europe/Berlin"):
        moment = moment_of(day, at)
        assert moment.tzinfo is not None
        assert moment.astimezone(UTC) == expected
