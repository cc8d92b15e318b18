"""The list of callers, which whoever reaches the port writes to."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from config.sections.node import CallersSettings
from db.lifecycle.received import ACCEPTED, ELSEWHERE, OTHER_AE_TITLES, Call
from db.monitoring.callers import REFUSED, prune_callers, record_calls
from db.reading.queries import list_callers
from db.session import Database
from db.tables.peers import Caller

KEPT = CallersSettings(days=90, of_one_address=10, in_all=30)


def call(ae_title: str, address: str, at: datetime, outcome: str = "no peer has this calling AE title") -> Call:
    return Call(ae_title=ae_title, address=address, outcome=outcome, count=1, first_at=at, last_at=at)


def record(registry: Database, calls: list[Call], now: datetime) -> None:
    with registry.write() as session:
        record_calls(session, calls)
        prune_callers(session, KEPT, now=now)


def rows(registry: Database) -> dict[tuple[str, str, str], int]:
    with registry.read() as session:
        return {(row.ae_title, row.address, row.outcome): row.count for row in list_callers(session, limit=10_000)}


def test_invented_ae_titles_of_one_address_are_folded_into_a_sum(registry: Database, now: datetime) -> None:
    for batch in range(5):
        at = now + timedelta(seconds=batch)
        record(registry, [call(f"X{batch}-{number}", "10.0.0.9", at) for number in range(20)], at)
    record(registry, [call("ECHO1", "10.0.0.1", now, ACCEPTED)], now)
    found = rows(registry)
    assert found.pop(("ECHO1", "10.0.0.1", ACCEPTED)) == 1
    assert len(found) <= KEPT.of_one_address
    assert sum(found.values()) == 100
    assert found[OTHER_AE_TITLES, "10.0.0.9", REFUSED] == 100 - (len(found) - 1)
    assert all(title == OTHER_AE_TITLES or title.startswith("X4-") for title, _, _ in found), (
        "who called last is still named"
    )


def test_those_who_were_accepted_are_not_counted_among_the_refused(registry: Database, now: datetime) -> None:
    calls = [call(f"X{number}", "10.0.0.9", now, ACCEPTED if number % 2 else "refused") for number in range(40)]
    record(registry, calls, now)
    found = rows(registry)
    accepted = sum(count for (_, _, outcome), count in found.items() if outcome == ACCEPTED)
    assert (len(found), accepted, sum(found.values())) == (KEPT.of_one_address, 20, 40)


def test_a_flood_from_countless_addresses_is_folded_too(registry: Database, now: datetime) -> None:
    for batch in range(4):
        at = now + timedelta(seconds=batch)
        record(registry, [call("X", f"10.{batch}.0.{number}", at) for number in range(100)], at)
    found = rows(registry)
    assert len(found) <= KEPT.in_all
    assert sum(found.values()) == 400
    assert found[OTHER_AE_TITLES, ELSEWHERE, REFUSED] > 300


def test_who_has_not_called_for_long_is_forgotten(registry: Database, now: datetime) -> None:
    record(registry, [call("OLD", "10.0.0.1", now - timedelta(days=91)), call("NEW", "10.0.0.1", now)], now)
    assert [title for title, _, _ in rows(registry)] == ["NEW"]
    with registry.read() as session:
        assert session.scalar(select(func.count()).select_from(Caller)) == 1
