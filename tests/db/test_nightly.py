"""What is done once a day is one process's to do."""

from datetime import datetime, timedelta

from db.nightly import begin_nightly, nightly_done
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
