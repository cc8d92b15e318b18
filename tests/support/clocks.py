"""The time zone and the clock of this machine, as a test wants them."""

import os
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.tools import require_file

LIBFAKETIME = Path("/usr/lib", str(sysconfig.get_config_var("MULTIARCH")), "faketime/libfaketimeMT.so.1")
WHAT_IT_MISSES = """\
import functools
import os
import select
import time


def moved(stat):
    @functools.wraps(stat)
    def of_moved_clock(*arguments, **options):
        facts = stat(*arguments, **options)
        with open({clock!r}) as file:
            ahead_ns = int(float(file.read()) * 1e9)
        times = [ns + ahead_ns for ns in (facts.st_atime_ns, facts.st_mtime_ns, facts.st_ctime_ns)]
        names = [f"st_{{which}}time{{unit}}" for unit in ("", "_ns") for which in "amc"]
        exact = dict(zip(names, [*(ns / 1e9 for ns in times), *times]))
        return os.stat_result([*facts[:7], *(ns // 10**9 for ns in times)], exact)

    return of_moved_clock


os.stat, os.fstat = moved(os.stat), moved(os.fstat)
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""
"""Of Python what libfaketime 0.9.10 passes by, or does wrong: the times of files in today's system calls, and sleeping
until a moment of the monotonic clock, which it takes for one of the clock that has moved."""
STEP_S = 0.1
"""Between two moves of a quick clock, by the real one."""


@contextmanager
def machine_in(zone: str) -> Iterator[None]:
    """This process on a machine in that zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


class QuickClock:
    """A clock that other processes see instead of the machine's, and that is moved on: by libfaketime.

    Their monotonic clock, and with it every timeout, stays as it is. What they see of the times of files has moved on
    as well. It begins at `local`, `YYYY-MM-DD HH:MM` in `zone`.
    """

    def __init__(self, folder: Path, local: str, zone: str) -> None:
        library = require_file(LIBFAKETIME, "a clock that can be moved")
        self._file = folder / "clock"
        self._zone = ZoneInfo(zone)
        self._be_ahead(self._moment(local) - datetime.now(UTC))
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join([str(folder / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "TZ": zone,
        }
        (folder / "python").mkdir(exist_ok=True)
        (folder / "python" / "sitecustomize.py").write_text(WHAT_IT_MISSES.format(clock=str(self._file)))

    def now(self) -> datetime:
        """What the processes see, in the clock's zone."""
        return (datetime.now(UTC) + self._ahead).astimezone(self._zone)

    def pass_until(self, local: str, *, times_as_fast: int) -> None:
        """Let the clock go so many times as fast until it says `local`."""
        until = self._moment(local)
        while self.now() < until:
            time.sleep(STEP_S)
            self._be_ahead(self._ahead + timedelta(seconds=STEP_S * (times_as_fast - 1)))

    def _moment(self, local: str) -> datetime:
        return datetime.fromisoformat(local).replace(tzinfo=self._zone).astimezone(UTC)

    def _be_ahead(self, ahead: timedelta) -> None:
        self._ahead = ahead
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(f"{ahead.total_seconds():+.3f}\n")
        unfinished.replace(self._file)
