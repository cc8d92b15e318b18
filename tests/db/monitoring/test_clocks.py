"""Clocks that jump, messages that come twice, in the wrong order or not at all: one outcome of each step, and soon."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from config.errors import LeaseLostError
from config.settings import Settings, load_settings
from config.steps import Purpose, Step
from db.delivery.queues import Trouble, claim_queue, queues_of, release_queue
from db.lifecycle.announcing import take_announcements
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.monitoring.clocks import bring_back
from db.monitoring.drift import LOOKED_ON
from db.monitoring.tallies import heartbeats, note_heartbeat
from db.session import Database
from db.states import LEASED_STEPS, TRANSITIONS
from db.tables.consistency import DueCheck
from db.tables.monitoring import AlertRow
from db.tables.pipeline import JournalEntry
from db.tables.studies import Study
from db.working.leases import Claim, Fault, claim, completing, fail_attempt, renew
from tests.support.reported import announced, instance_of, must_take, reported

QUIET = timedelta(seconds=30)
JUMPS = st.sampled_from([0, 1, -1, 30, 61, 90, 3600, -90, -3600, 86400, -86400])
ACTIONS = st.sampled_from(["message", "message", "doubled message", "wrong message", "renew", "finish", "fail", "reap"])
EVENTS = st.lists(st.tuples(JUMPS, ACTIONS, st.integers(0, 2)), min_size=3, max_size=14)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # Attempts are for another test: here no study is to run out of them.
    monkeypatch.setenv("ECHOWORKER_PIPELINE__MAXIMUM_ATTEMPTS", "1000")
    return load_settings(data_dir=tmp_path)


class House:
    """Three workers on one study, with a clock that anybody may turn."""

    def __init__(self, registry: Database, installed: Settings, number: int, now: datetime) -> None:
        self.registry, self.pipeline, self.installed = registry, installed.pipeline, installed
        self.number, self.now = number, now
        self.holds: dict[int, Claim] = {}
        self.last: Claim | None = None

    def due(self) -> Step | None:
        with self.registry.read() as session:
            state = session.get_one(Study, self.number).state
        return next((step for step in LEASED_STEPS if TRANSITIONS[step].before == state), None)

    def message(self, worker: int, step: Step | None) -> None:
        if step is None:
            return
        with self.registry.write() as session:
            taken = claim(session, self.number, step, owner=str(worker), now=self.now, pipeline=self.pipeline)
        if taken is not None:
            assert step == self.due(), "only the step that is due"
            self.holds[worker] = self.last = taken

    def finish(self, worker: int) -> None:
        held = self.holds.pop(worker, None)
        if held is None:
            return
        try:
            with self.registry.write() as session, completing(session, held, now=self.now):
                pass
        except LeaseLostError:
            assert held != self.last, "who holds it is heard"
        else:
            assert held == self.last, "who has lost it is not"
            self.last = None

    def fail(self, worker: int) -> None:
        held = self.holds.pop(worker, None)
        if held is None:
            return
        with self.registry.write() as session:
            state = fail_attempt(
                session, held, reason="no luck", fault=Fault.PASSING, now=self.now, pipeline=self.pipeline
            )
        assert (state is not None) == (held == self.last)
        self.last = None if state is not None else self.last

    def reap(self) -> list[tuple[int, Step]]:
        with self.registry.write() as session:
            bring_back(session, self.installed, now=self.now)
        with self.registry.write() as session:
            due = take_announcements(
                session, now=self.now, wake_again_after_s=self.pipeline.wake_again_after_s, study_id=self.number
            )
            if session.get_one(Study, self.number).lease_token is None:
                self.last = None
        return due

    def do(self, action: str, worker: int) -> None:
        if action in ("message", "doubled message"):
            self.message(worker, self.due())
            if action == "doubled message":
                self.message((worker + 1) % 3, self.due())
        elif action == "wrong message":
            for step in LEASED_STEPS:
                if step is not self.due():
                    self.message(worker, step)
        elif action == "renew" and worker in self.holds:
            with self.registry.write() as session:
                renewed = renew(session, self.holds[worker], now=self.now, lease_s=self.pipeline.lease_s)
            assert renewed == (self.holds[worker] == self.last)
        elif action == "finish":
            self.finish(worker)
        elif action == "fail":
            self.fail(worker)
        elif action == "reap":
            self.reap()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=EVENTS)
def test_whatever_the_clock_does_each_step_has_one_outcome_and_the_study_arrives(
    registry: Database,
    installed: Settings,
    received: Callable[..., ReceivedInstance],
    now: datetime,
    events: list[tuple[int, str, int]],
) -> None:
    with registry.write() as session:
        known = session.scalar(select(func.count(Study.id))) or 0
        register_instance(session, received(f"1.2.{known + 1}", at=now - QUIET), QUIET)
        close_quiet_studies(session, now=now)
        number = session.scalars(select(func.max(Study.id))).one()
    house = House(registry, installed, number, now)
    for jump, action, worker in events:
        house.now += timedelta(seconds=jump)
        house.do(action, worker)
    house.holds.clear()  # every worker is killed, and the clock goes as it should from here on
    longest_s = installed.pipeline.lease_s + installed.pipeline.retry_at_most_s + 300 * len(LEASED_STEPS)
    until = house.now + timedelta(seconds=longest_s)
    while house.due() is not None and house.now < until:
        for _, step in house.reap():
            house.message(0, step)
            house.finish(0)
        house.now += timedelta(seconds=20)
    assert house.due() is None, "nothing waits for a time that a wrong clock wrote"
    with registry.read() as session:
        moved = session.execute(
            select(JournalEntry.state_before, JournalEntry.state_after, JournalEntry.duration_ms)
            .where(JournalEntry.study_id == number, JournalEntry.step.is_not(None))
            .where(JournalEntry.state_before != JournalEntry.state_after)
            .order_by(JournalEntry.id)
        ).all()
    assert [(before, after) for before, after, _ in moved] == [
        (TRANSITIONS[step].before, TRANSITIONS[step].after) for step in LEASED_STEPS
    ]
    assert all(duration_ms >= 0 for _, _, duration_ms in moved)


def test_after_a_clock_was_set_back_a_peer_is_asked_as_soon_as_by_a_right_one(
    registry: Database, installed: Settings, now: datetime
) -> None:
    pipeline, ahead = installed.pipeline, now + timedelta(days=1)
    reported(registry, pipeline, instance_of("1.2.1", sop="1.2.1.1", at=now), to=["PACS"], now=now)
    held = must_take(registry, "PACS", ahead)
    with registry.write() as session:
        release_queue(session, held, trouble=Trouble(reason="away"), now=ahead, pipeline=pipeline)
    with registry.write() as session:
        assert bring_back(session, installed, now=now) == 1
        assert bring_back(session, installed, now=now) == 0
    with registry.read() as session:
        again_at = queues_of(session, Purpose.DELIVER)["PACS"].next_attempt_at
    assert again_at == now + timedelta(seconds=pipeline.retry_at_most_s)
    assert announced(registry, again_at) == ["PACS"]
    with registry.write() as session:
        assert claim_queue(session, "PACS", Purpose.DELIVER, owner="w", now=again_at, lease_s=60)


def test_what_was_done_or_is_to_be_said_tomorrow_is_not_waited_for(
    registry: Database, installed: Settings, ready_study: int, now: datetime
) -> None:
    """But for the day of the last look at drift, which is ahead of UTC in the east."""
    ahead = now + timedelta(days=2)
    with registry.write() as session:
        for name in ("drift", LOOKED_ON):
            note_heartbeat(session, name, now=ahead)
        alert = {"receiver": "r", "cause": "drift", "subject": "", "said": "said", "attempts": 0}
        session.add(AlertRow(**alert, since=now, tell_at=ahead))
        session.add(DueCheck(study_id=ready_study, due_at=ahead))
    with registry.write() as session:
        assert bring_back(session, installed, now=now) == 3
        assert bring_back(session, installed, now=now) == 0
    with registry.read() as session:
        assert heartbeats(session) == {"drift": now, LOOKED_ON: ahead}
        told_after_h = installed.monitoring.alerting.repeat_after_h
        assert session.scalars(select(AlertRow.tell_at)).one() == now + timedelta(hours=told_after_h)
        assert session.scalars(select(DueCheck.due_at)).one() == now + timedelta(minutes=10)


def test_times_that_can_be_are_left_alone(
    registry: Database, installed: Settings, ready_study: int, now: datetime
) -> None:
    with registry.write() as session:
        claim(session, ready_study, Step.PREPARE, owner="w", now=now, pipeline=installed.pipeline)
    a_little_behind = now - timedelta(seconds=59)
    with registry.write() as session:
        assert bring_back(session, installed, now=a_little_behind) == 0


def test_a_study_that_came_by_a_clock_that_was_ahead_falls_quiet_all_the_same(
    registry: Database, installed: Settings, received: Callable[..., ReceivedInstance], now: datetime
) -> None:
    with registry.write() as session:
        register_instance(session, received(at=now + timedelta(hours=3)), QUIET)
    with registry.write() as session:
        assert bring_back(session, installed, now=now) == 1
        soon = now + timedelta(seconds=installed.study.quiet_period_s)
        assert close_quiet_studies(session, now=soon) == ["1.2.1"]
