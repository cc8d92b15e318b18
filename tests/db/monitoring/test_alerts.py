"""Who is to be told of what, as the registry keeps it."""

from datetime import datetime, timedelta

from config.sections.monitoring import AlertCause
from db.monitoring.alerts import (
    Condition,
    alert_not_told,
    alert_told,
    forget_other_receivers,
    note_conditions,
    open_alerts,
    take_alerts,
)
from db.session import Database
from db.tables.monitoring import AlertRow

HOUR = timedelta(hours=1)
DEAD = Condition(cause=AlertCause.DEAD_LETTER, subject="PACS", said="3 objects")


def noted(registry: Database, *conditions: Condition, now: datetime, host: str = "a") -> None:
    with registry.write() as session:
        note_conditions(session, "on call", conditions, host=host, now=now, again_after=HOUR)


def taken(registry: Database, now: datetime, *, heard: bool | None, host: str = "a") -> list[tuple[str, bool]]:
    """What is to be told; whether it is, or, of a process that dies over it, None."""
    with registry.write() as session:
        alerts = take_alerts(session, "on call", host=host, now=now)
    for alert in alerts:
        with registry.write() as session:
            if heard:
                alert_told(session, alert, now=now, again_after=HOUR)
            elif heard is False:
                alert_not_told(session, alert, now=now)
    return [(alert.subject, alert.is_resolved) for alert in alerts]


def test_two_processes_tell_it_once_and_what_one_leaves_undone_the_other_does(
    registry: Database, now: datetime
) -> None:
    noted(registry, DEAD, now=now)
    noted(registry, DEAD, now=now)
    assert taken(registry, now, heard=None) == [("PACS", False)]
    assert taken(registry, now, heard=True) == []
    assert taken(registry, now + timedelta(minutes=3), heard=False) == [("PACS", False)]
    assert taken(registry, now + timedelta(minutes=3), heard=True) == []
    assert taken(registry, now + timedelta(minutes=4), heard=True) == [("PACS", False)]


def test_what_nobody_heard_of_is_forgotten_and_what_somebody_did_is_resolved(registry: Database, now: datetime) -> None:
    slow = Condition(cause=AlertCause.CIRCUIT_OPEN, subject="VNA", said="away", told_after=HOUR)
    noted(registry, DEAD, slow, now=now)
    assert taken(registry, now, heard=True) == [("PACS", False)]
    noted(registry, now=now + HOUR / 2)
    assert taken(registry, now + HOUR / 2, heard=True) == [("PACS", True)]
    with registry.read() as session:
        assert open_alerts(session) == []
    assert taken(registry, now + 3 * HOUR, heard=True) == []


def test_what_is_wrong_again_while_it_is_said_to_be_right_is_said_at_once(registry: Database, now: datetime) -> None:
    noted(registry, DEAD, now=now)
    taken(registry, now, heard=True)
    noted(registry, now=now + HOUR / 4)
    with registry.write() as session:
        (resolved,) = take_alerts(session, "on call", host="a", now=now + HOUR / 4)
    noted(registry, DEAD, now=now + HOUR / 4)
    with registry.write() as session:
        alert_told(session, resolved, now=now + HOUR / 4, again_after=HOUR)
    assert taken(registry, now + HOUR / 4, heard=True) == [("PACS", False)]


def test_what_one_host_sees_of_itself_another_neither_says_nor_ends_until_that_host_is_gone(
    registry: Database, now: datetime
) -> None:
    low = Condition(cause=AlertCause.SPOOL_LOW, subject="a", said="no room")
    noted(registry, low, now=now)
    noted(registry, now=now, host="b")
    assert taken(registry, now, heard=True, host="b") == []
    assert taken(registry, now, heard=True) == [("a", False)]
    for minutes in (1, 60, 110):
        later = now + timedelta(minutes=minutes)
        noted(registry, now=later, host="b")
        assert taken(registry, later, heard=True, host="b") == []
    noted(registry, now=now + 2 * HOUR, host="b")
    assert taken(registry, now + 2 * HOUR, heard=True, host="b") == [("a", True)]


def test_a_receiver_that_nobody_has_told_for_days_is_told_nothing_more(registry: Database, now: datetime) -> None:
    """Another host's receivers are not in our settings either."""
    noted(registry, DEAD, now=now)
    for days, is_there in ((1, True), (4, False)):
        with registry.write() as session:
            forget_other_receivers(session, ["somebody else"], now=now + timedelta(days=days))
        with registry.read() as session:
            assert bool(session.get(AlertRow, ("on call", "dead-letter", "PACS"))) is is_there
