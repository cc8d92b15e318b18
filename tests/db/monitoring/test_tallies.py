"""Sums and signs of life in the registry."""

from datetime import datetime, timedelta

from db.monitoring.tallies import TallyKind, add_to_tallies, heartbeats, note_heartbeat, tallies
from db.session import Database


def test_what_is_counted_adds_up_by_kind_and_label(registry: Database) -> None:
    for counts in ({"0x0000": 7, "0xA700": 1}, {"0x0000": 3}):
        with registry.write() as session:
            add_to_tallies(session, TallyKind.INSTANCE, counts)
    with registry.write() as session:
        add_to_tallies(session, TallyKind.ASSOCIATION, {"accepted": 2})
    with registry.read() as session:
        assert tallies(session, TallyKind.INSTANCE) == {"0x0000": 10, "0xA700": 1}
        assert tallies(session, TallyKind.ASSOCIATION) == {"accepted": 2}


def test_the_last_sign_of_life_counts(registry: Database, now: datetime) -> None:
    for later in (timedelta(), timedelta(seconds=10)):
        with registry.write() as session:
            note_heartbeat(session, "beat", now=now + later)
    with registry.read() as session:
        assert heartbeats(session) == {"beat": now + timedelta(seconds=10)}
