import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from config.errors import LeaseLostError
from config.sections.pipeline import PipelineSettings
from config.steps import Lane, Step
from db.lifecycle.announcing import take_announcements
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.reading.queries import study_detail
from db.session import Database
from db.states import StudyState, state_after
from db.tables.studies import Study
from db.working.leases import Claim, Fault, claim, completing, fail_attempt, renew, renew_all

QUIET = timedelta(seconds=30)
Receive = Callable[..., ReceivedInstance]


def take(
    registry: Database, study: int, pipeline: PipelineSettings, now: datetime, step: Step = Step.PREPARE
) -> Claim | None:
    with registry.write() as session:
        return claim(session, study, step, owner="worker", now=now, pipeline=pipeline)


def must_take(
    registry: Database, study: int, pipeline: PipelineSettings, now: datetime, step: Step = Step.PREPARE
) -> Claim:
    held = take(registry, study, pipeline, now, step)
    assert held is not None
    return held


def complete(registry: Database, held: Claim, now: datetime, skip_reason: str | None = None) -> None:
    with registry.write() as session, completing(session, held, now=now, skip_reason=skip_reason):
        pass


def state_of(registry: Database) -> str:
    with registry.read() as session:
        return study_detail(session, "1.2.1").study.state


def announced(registry: Database, now: datetime, wake_again_after_s: float = 300) -> list[tuple[int, Step]]:
    with registry.write() as session:
        return take_announcements(session, now=now, wake_again_after_s=wake_again_after_s)


def test_of_very_many_that_wait_the_first_are_announced_and_the_others_at_the_next_occasion(
    registry: Database, received: Receive, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.lifecycle.announcing.ANNOUNCED_AT_ONCE", 2)
    with registry.write() as session:
        for number in (1, 2, 3):
            register_instance(session, received(f"1.2.{number}", at=now - QUIET), QUIET)
        close_quiet_studies(session, now=now)
        urgent = session.scalars(select(Study).where(Study.study_instance_uid == "1.2.3")).one()
        urgent.lane = Lane.STAT
    first = [number for number, _ in announced(registry, now)]
    assert len(first) == 2
    assert first[0] == urgent.id
    (last,) = announced(registry, now)
    assert last[0] not in first
    assert announced(registry, now) == []


def test_of_many_workers_one_gets_the_step(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    start = threading.Barrier(6)
    claims: list[Claim | None] = []

    def compete() -> None:
        start.wait()
        claims.append(take(registry, ready_study, pipeline, now))

    threads = [threading.Thread(target=compete) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == 6
    assert sum(held is not None for held in claims) == 1


def test_only_the_step_that_is_due_can_be_claimed(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    for step in (Step.SCORE, Step.REPORT, Step.DELIVER):
        assert take(registry, ready_study, pipeline, now, step) is None
    complete(registry, must_take(registry, ready_study, pipeline, now), now)
    assert take(registry, ready_study, pipeline, now, Step.PREPARE) is None
    assert take(registry, ready_study, pipeline, now, Step.SCORE) is not None


def test_a_lease_that_ran_out_passes_to_another_and_the_first_writes_nothing(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    first = must_take(registry, ready_study, pipeline, now)
    later = now + timedelta(seconds=pipeline.lease_s + 1)
    second = must_take(registry, ready_study, pipeline, later)
    assert second.attempt == 2
    with pytest.raises(LeaseLostError):
        complete(registry, first, later)
    assert state_of(registry) == StudyState.READY
    complete(registry, second, later)
    assert state_of(registry) == StudyState.PREPARED


def test_a_renewed_lease_stays(registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime) -> None:
    held = must_take(registry, ready_study, pipeline, now)
    halfway = now + timedelta(seconds=pipeline.lease_s / 2)
    with registry.write() as session:
        assert renew(session, held, now=halfway, lease_s=pipeline.lease_s)
    assert take(registry, ready_study, pipeline, now + timedelta(seconds=pipeline.lease_s + 1)) is None


def test_leases_of_a_batch_are_renewed_in_the_order_in_which_all_lock_studies(
    registry: Database, received: Receive, pipeline: PipelineSettings, now: datetime
) -> None:
    uids = ("1.2.1", "1.2.9")
    with registry.write() as session:
        for uid in uids:
            register_instance(session, received(uid, at=now - QUIET), QUIET)
        close_quiet_studies(session, now=now)
        numbers = dict(session.execute(select(Study.study_instance_uid, Study.id)).all())
    held = [must_take(registry, numbers[uid], pipeline, now) for uid in reversed(uids)]
    renewed: list[bool] = []

    def renew_them() -> None:
        with registry.write() as session:
            renewed.append(renew_all(session, held, now=now, lease_s=60))

    other = threading.Thread(target=renew_them)
    with registry.write() as session:  # as the intake does, with late instances of both
        register_instance(session, received(uids[0], at=now), QUIET)
        other.start()
        time.sleep(0.5)
        register_instance(session, received(uids[1], at=now), QUIET)
    other.join()
    assert renewed == [False], "both were re-opened"


def test_a_late_instance_takes_the_study_away_from_a_running_step(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime, received: Receive
) -> None:
    held = must_take(registry, ready_study, pipeline, now)
    with registry.write() as session:
        register_instance(session, received(at=now), QUIET)
    with pytest.raises(LeaseLostError):
        complete(registry, held, now)
    with registry.write() as session:
        assert not renew(session, held, now=now, lease_s=60)
    assert state_of(registry) == StudyState.RECEIVING


def test_failed_attempts_wait_longer_each_time_and_then_the_study_is_failed(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    waits = []
    for attempt in range(1, pipeline.maximum_attempts + 1):
        held = must_take(registry, ready_study, pipeline, now)
        assert held.attempt == attempt
        with registry.write() as session:
            fail_attempt(session, held, reason="no luck", fault=Fault.PASSING, now=now, pipeline=pipeline)
        with registry.read() as session:
            due = study_detail(session, "1.2.1").study.next_attempt_at
        if due is None:
            break
        assert take(registry, ready_study, pipeline, due - timedelta(seconds=1)) is None
        waits.append((due - now).total_seconds())
        now = due
    assert waits == [pipeline.retry_after_s * 2**n for n in range(pipeline.maximum_attempts - 1)]
    assert state_of(registry) == StudyState.FAILED


def test_a_step_that_kills_its_worker_each_time_ends_as_failed(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    for _ in range(pipeline.maximum_attempts):
        must_take(registry, ready_study, pipeline, now)
        now += timedelta(seconds=pipeline.lease_s + 1)
    assert take(registry, ready_study, pipeline, now) is None
    assert state_of(registry) == StudyState.FAILED


def test_a_study_without_usable_clips_is_skipped_with_its_reason(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    complete(registry, must_take(registry, ready_study, pipeline, now), now, skip_reason="no usable clip")
    with registry.read() as session:
        study = study_detail(session, "1.2.1").study
        assert (study.state, study.reason) == (StudyState.SKIPPED, "no usable clip")


def test_a_study_is_skipped_before_it_has_results_and_not_after() -> None:
    assert state_after(Step.SCORE, skipped=True) is StudyState.SKIPPED
    for step in (Step.REPORT, Step.DELIVER):
        with pytest.raises(ValueError, match="cannot skip"):
            state_after(step, skipped=True)


def test_a_waiting_step_is_announced_once_until_its_message_is_given_up(
    registry: Database, ready_study: int, now: datetime
) -> None:
    assert announced(registry, now) == [(ready_study, Step.PREPARE)]
    assert announced(registry, now + timedelta(seconds=299)) == []
    assert announced(registry, now + timedelta(seconds=301)) == [(ready_study, Step.PREPARE)]


def test_a_step_whose_worker_died_is_announced_as_soon_as_its_lease_is_over(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    announced(registry, now)
    must_take(registry, ready_study, pipeline, now)
    assert announced(registry, now + timedelta(seconds=pipeline.lease_s - 1)) == []
    assert announced(registry, now + timedelta(seconds=pipeline.lease_s + 1)) == [(ready_study, Step.PREPARE)]


def test_a_retry_is_announced_when_its_time_has_come(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    announced(registry, now)
    held = must_take(registry, ready_study, pipeline, now)
    with registry.write() as session:
        fail_attempt(session, held, reason="no luck", fault=Fault.PASSING, now=now, pipeline=pipeline)
    assert announced(registry, now + timedelta(seconds=pipeline.retry_after_s - 1)) == []
    assert announced(registry, now + timedelta(seconds=pipeline.retry_after_s)) == [(ready_study, Step.PREPARE)]


def test_every_transition_and_failed_attempt_is_in_the_journal(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    held = must_take(registry, ready_study, pipeline, now)
    with registry.write() as session:
        fail_attempt(session, held, reason="no luck", fault=Fault.PASSING, now=now, pipeline=pipeline)
    later = now + timedelta(seconds=pipeline.retry_after_s)
    complete(registry, must_take(registry, ready_study, pipeline, later), later + timedelta(seconds=2))
    with registry.read() as session:
        rows = [
            (row.step, row.state_before, row.state_after, row.attempt, row.reason, row.duration_ms)
            for row in study_detail(session, "1.2.1").journal
        ]
    assert rows == [
        (None, None, "RECEIVING", None, None, None),
        (None, "RECEIVING", "READY", None, None, None),
        ("prepare", "READY", "READY", 1, "no luck", 0),
        ("prepare", "READY", "PREPARED", 2, None, 2000),
    ]


def test_a_worker_that_is_woken_while_another_writes_the_study_waits_for_it(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    """The wake-up comes once: on PostgreSQL a claim that skipped a locked row would throw it away."""
    claims: list[Claim | None] = []
    other = threading.Thread(target=lambda: claims.append(take(registry, ready_study, pipeline, now)))
    with registry.write() as session:
        session.scalars(select(Study).where(Study.id == ready_study).with_for_update()).one()
        other.start()
        other.join(0.5)
    other.join(30)
    assert [held is not None for held in claims] == [True]
