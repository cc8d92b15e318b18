"""What is done once a day is one process's to do."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Barrier, BrokenBarrierError

import pytest

from db.monitoring.nightly import begin_nightly, nightly_done, nightly_not_done
from db.session import Database


def begins(registry: Database, scheduled: datetime, now: datetime, duty: str = "duty") -> bool:
    with registry.write() as session:
        return begin_nightly(session, duty, scheduled=scheduled, now=now)


def test_a_day_has_one_and_what_was_broken_off_is_begun_anew(registry: Database, now: datetime) -> None:
    minute = timedelta(minutes=1)
    assert not begins(registry, now, now - minute)
    assert begins(registry, now, now + minute)
    assert not begins(registry, now, now + 2 * minute)
    assert begins(registry, now, now + 2 * minute, duty="another")
    assert begins(registry, now, now + timedelta(hours=4))
    with registry.write() as session:
        nightly_done(session, "duty", now=now + timedelta(hours=5))
    assert not begins(registry, now, now + timedelta(hours=23))
    assert begins(registry, now + timedelta(days=1), now + timedelta(days=1))


@pytest.mark.parametrize("after", ["nothing", "a failure"])
def test_of_two_that_are_woken_at_once_one_does_it(registry: Database, now: datetime, after: str) -> None:
    if after == "a failure":
        begins(registry, now, now)
        with registry.write() as session:
            nightly_not_done(session, "duty")
    is_postgresql = registry.url.startswith("postgresql")
    both_looked = Barrier(2, timeout=2)

    def begin(_: int) -> bool:
        with registry.write() as session:
            is_ours = begin_nightly(session, "duty", scheduled=now, now=now)
            if is_postgresql:
                with suppress(BrokenBarrierError):  # one waits for the other, and comes too late
                    both_looked.wait()
            return is_ours

    with ThreadPoolExecutor(2) as processes:
        assert sorted(processes.map(begin, range(2))) == [False, True]
