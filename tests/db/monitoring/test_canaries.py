"""Canaries in the registry: when the next is due, how far one came, and that they are kept out and away."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from config.sections.canary import is_canary
from db.lifecycle.holds import hold_study
from db.monitoring.canaries import (
    CAME_THROUGH,
    FAILED,
    SENT,
    begin_canary,
    canary_progress,
    canary_set_out_at,
    canary_uid,
    forget_canary,
    last_canary,
    locked_canary,
    note_canary_of,
    note_canary_sent,
    outlived_canaries,
)
from db.monitoring.figures import read_figures
from db.monitoring.tallies import heartbeats
from db.session import Database
from db.tables.pipeline import JournalEntry
from db.tables.studies import Study

NOW = datetime(2026, 11, 29, 12, 0, 0, 250_000, UTC)
HOUR = timedelta(hours=1)
AT_NOW = {"state_since": NOW, "created_at": NOW, "last_instance_at": NOW}


def test_its_uid_is_valid_known_as_a_canary_and_tells_when_it_set_out() -> None:
    uid = canary_uid(NOW, 9999)
    assert is_canary(uid)
    assert not is_canary("1.2.826.0.1.3680043.8.498.32262791")
    assert len(f"{uid}.1.12") <= 64
    assert canary_set_out_at(uid) == NOW


def test_the_next_is_due_once_the_time_has_come_and_for_one_caller_alone(registry: Database) -> None:
    with registry.write() as session:
        due = [begin(session, after) for after in (0 * HOUR, 0.1 * HOUR, HOUR, HOUR)]
    assert due == [True, False, True, False]


def begin(session: Session, after: timedelta) -> bool:
    return begin_canary(session, every=HOUR, within=HOUR / 4, now=NOW + after)


def test_one_that_the_node_did_not_take_is_sent_again_until_its_time_is_over(registry: Database) -> None:
    with registry.write() as session:
        assert begin(session, 0 * HOUR)
        note_canary_sent(session, sent=False, now=NOW)
        assert [begin(session, after) for after in (0.01 * HOUR, 0.24 * HOUR, 0.25 * HOUR)] == [True, True, False]
        assert heartbeats(session)[SENT] == NOW, "it is late by when it was due"
        assert begin(session, HOUR)
        assert not begin(session, 1.1 * HOUR), "of the next one nothing is known yet"
        note_canary_sent(session, sent=False, now=NOW + HOUR)
        note_canary_sent(session, sent=True, now=NOW + 1.1 * HOUR)
        assert not begin(session, 1.2 * HOUR)
        assert "canary not sent" not in read_figures(session, now=NOW).heartbeats


def test_what_became_of_one_is_not_noted_of_the_next(registry: Database) -> None:
    with registry.write() as session:
        begin(session, 0 * HOUR)
        begin(session, HOUR)
        assert not note_canary_of(session, NOW, came_through=False, now=NOW + HOUR)
        assert FAILED not in heartbeats(session)
        assert note_canary_of(session, NOW + HOUR, came_through=True, now=NOW + 1.1 * HOUR)
        assert heartbeats(session)[CAME_THROUGH] == NOW + 1.1 * HOUR


def a_canary(registry: Database, *states: tuple[str, float], set_out: datetime = NOW) -> str:
    """One that came to these states so many seconds after it set out."""
    uid = canary_uid(set_out, 7)
    with registry.write() as session:
        times = {"state_since": set_out, "created_at": set_out, "last_instance_at": set_out}
        study = Study(study_instance_uid=uid, state=states[-1][0], **times)
        session.add(study)
        session.flush()
        before = None
        for state, after_s in states:
            at = set_out + timedelta(seconds=after_s)
            entry = {"study_id": study.id, "revision": 1, "host": "h", "at": at}
            session.add(JournalEntry(state_before=before, state_after=state, **entry))
            before = state
    return uid


TO_REPORTED = (("RECEIVING", 2), ("READY", 32), ("READY", 34), ("PREPARED", 36), ("SCORED", 40), ("REPORTED", 41))


def test_each_stage_takes_what_passed_since_the_one_before_failed_attempts_included(registry: Database) -> None:
    uid = a_canary(registry, *TO_REPORTED)
    with registry.read() as session:
        progress = canary_progress(session, uid, sent_on=False)
    assert progress is not None
    assert progress.stages == {"receive": 2, "close": 30, "prepare": 4, "score": 4, "report": 1}


@pytest.mark.parametrize(
    ("state", "sent_on", "came_through", "has_ended"),
    [
        ("REPORTED", False, True, True),
        ("REPORTED", True, False, False),
        ("DELIVERED", True, True, True),
        ("FAILED", False, False, True),
        ("SCORED", False, False, False),
    ],
)
def test_it_has_come_through_when_all_is_done_that_is_to_be_done(
    registry: Database, state: str, sent_on: bool, came_through: bool, has_ended: bool
) -> None:
    a_canary(registry, (state, 1))
    with registry.read() as session:
        progress = last_canary(session, since=NOW - HOUR, sent_on=sent_on)
    assert progress is not None
    assert (progress.came_through, progress.has_ended) == (came_through, has_ended)


def test_a_node_whose_clock_is_behind_has_it_all_the_same(registry: Database) -> None:
    uid = a_canary(registry, *TO_REPORTED)
    with registry.write() as session:
        session.execute(update(Study).values(created_at=NOW - timedelta(seconds=30)))
    with registry.read() as session:
        last = last_canary(session, since=NOW, sent_on=False)
        assert last is not None
        assert last.study_instance_uid == uid
        assert last_canary(session, since=NOW + timedelta(seconds=1), sent_on=False) is None, "one that set out before"


def test_what_was_kept_long_enough_goes_with_all_that_refers_to_it_and_what_is_held_stays(registry: Database) -> None:
    old, held = a_canary(registry, *TO_REPORTED), a_canary(registry, ("FAILED", 1), set_out=NOW + timedelta(seconds=1))
    a_canary(registry, *TO_REPORTED, set_out=NOW + 2 * HOUR)
    with registry.write() as session:
        session.add(Study(study_instance_uid="1.2", state="DELIVERED", **AT_NOW))
        hold_study(session, held, by="somebody", reason="why?", now=NOW)
    with registry.write() as session:
        assert outlived_canaries(session, before=NOW + HOUR) == [old]
        number = locked_canary(session, old)
        assert number is not None
        forget_canary(session, number)
        assert locked_canary(session, "1.2") is None
    with registry.read() as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 3
        assert session.scalar(select(func.count()).where(JournalEntry.study_id == number)) == 0


def test_a_canary_does_not_count_as_a_sender_that_sends(registry: Database) -> None:
    with registry.write() as session:
        session.add(Study(study_instance_uid="1.2", state="DELIVERED", **AT_NOW))
    a_canary(registry, *TO_REPORTED, set_out=NOW + HOUR)
    with registry.read() as session:
        assert read_figures(session, now=NOW + 2 * HOUR).last_instance_at == NOW
