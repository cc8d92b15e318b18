"""The numbers that say how the installation is doing."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select, text

from config.sections.pipeline import PipelineSettings
from config.steps import Purpose, Step
from db.delivery.delivering import Answered, record_answer
from db.delivery.queues import Trouble, release_queue
from db.journal_tail import Attempted, JournalTail
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.monitoring.figures import CLOSE, read_figures
from db.session import Database
from db.tables.pipeline import JournalEntry
from db.tables.studies import Study
from db.working.leases import Fault, claim, completing, fail_attempt, hand_back
from tests.support.reported import QUIET, due, must_take, reported

Receive = Callable[..., ReceivedInstance]


def test_of_each_step_the_study_that_has_waited_longest_counts(
    registry: Database, received: Receive, now: datetime
) -> None:
    with registry.write() as session:
        for minutes, study in ((30, "1.2.1"), (10, "1.2.2"), (0, "1.2.3")):
            register_instance(session, received(study, at=now - timedelta(minutes=minutes)), QUIET)
        close_quiet_studies(session, now=now - timedelta(minutes=20))
    with registry.read() as session:
        figures = read_figures(session, now=now)
    assert figures.studies == {"READY": 1, "RECEIVING": 2}
    assert figures.waiting_since == {
        Step.PREPARE: now - timedelta(minutes=20),
        CLOSE: now - timedelta(minutes=10) + QUIET,
    }
    assert figures.last_instance_at == now


def test_deliveries_are_counted_by_destination_and_a_paused_one_has_an_end(
    registry: Database, received: Receive, pipeline: PipelineSettings, now: datetime
) -> None:
    for study in ("1.2.1", "1.2.2"):
        reported(registry, pipeline, received(study, at=now), to=["PACS", "VNA"], now=now)
    held = must_take(registry, "PACS", now)
    answered, *_ = due(registry, "PACS", now)
    with registry.write() as session:
        record_answer(
            session, held, answered.delivery_id, Answered.ACCEPTED, answer="0x0000", now=now, pipeline=pipeline
        )
        release_queue(session, held, trouble=Trouble(reason="out of reach"), now=now, pipeline=pipeline)
    with registry.read() as session:
        figures = read_figures(session, now=now)
    assert figures.deliveries == {("PACS", "DELIVERED"): 1, ("PACS", "DUE"): 1, ("VNA", "DUE"): 2}
    assert figures.waiting_since == {Step.DELIVER: now}
    paused_until = figures.pauses[Purpose.DELIVER, "PACS"]
    assert paused_until is not None
    assert paused_until > now
    assert figures.pauses[Purpose.DELIVER, "VNA"] is None
    assert figures.model is not None
    assert figures.model.label == "RESEARCH"


def test_each_attempt_is_told_once_and_none_from_before(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    tail = JournalTail()
    with registry.read() as session:
        assert list(tail.read(session)) == []
    with registry.write() as session:
        held = claim(session, ready_study, Step.PREPARE, owner="w", now=now, pipeline=pipeline)
        assert held is not None
    later = now + timedelta(seconds=3)
    with registry.write() as session:
        fail_attempt(session, held, reason="a reason", fault=Fault.PASSING, now=later, pipeline=pipeline)
    failed = Attempted(step="prepare", has_failed=True, duration_s=3.0)
    with registry.read() as session:
        assert list(tail.read(session)) == [failed]
        assert list(tail.read(session)) == []
    again = later + timedelta(hours=1)
    with registry.write() as session:
        held = claim(session, ready_study, Step.PREPARE, owner="w", now=again, pipeline=pipeline)
        assert held is not None
    with registry.write() as session, completing(session, held, now=again + timedelta(seconds=2)):
        pass
    with registry.read() as session:
        assert list(tail.read(session)) == [Attempted(step="prepare", has_failed=False, duration_s=2.0)]


def test_what_a_stopped_worker_hands_back_is_no_failed_attempt(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    tail, failed = JournalTail(), text("SELECT failed_attempts FROM v_turnaround")
    with registry.read() as session:
        list(tail.read(session))
    for expected in (0, 1):
        with registry.write() as session:
            held = claim(session, ready_study, Step.PREPARE, owner="w", now=now, pipeline=pipeline)
            assert held is not None
            if expected:
                fail_attempt(session, held, reason="a reason", fault=Fault.PASSING, now=now, pipeline=pipeline)
            else:
                hand_back(session, held, reason="its worker was stopped", now=now)
        with registry.read() as session:
            assert len(list(tail.read(session))) == expected
            assert session.scalar(failed) == expected


def test_an_entry_that_is_committed_after_a_later_one_is_told_too(
    registry: Database, ready_study: int, now: datetime
) -> None:
    def entry(number: int, step: str) -> JournalEntry:
        facts = {"study_id": ready_study, "revision": 1, "at": now, "host": "h", "attempt": 1}
        return JournalEntry(id=number, step=step, state_before="READY", state_after="PREPARED", **facts)

    tail = JournalTail()
    with registry.read() as session:
        list(tail.read(session))
    with registry.write() as session:
        session.add(entry(1002, "score"))
    with registry.read() as session:
        assert [attempt.step for attempt in tail.read(session)] == ["score"]
    with registry.write() as session:
        session.add(entry(1001, "prepare"))
    with registry.read() as session:
        assert [attempt.step for attempt in tail.read(session)] == ["prepare"]
        assert list(tail.read(session)) == []
        assert session.scalar(select(Study.state)) == "READY"
