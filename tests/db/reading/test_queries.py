from collections.abc import Callable
from datetime import datetime, timedelta

from config.sections.pipeline import PipelineSettings
from config.steps import Step
from db.lifecycle.received import Call, ReceivedInstance
from db.lifecycle.studies import register_instance
from db.monitoring.callers import record_calls
from db.reading.queries import count_left_waiting, list_callers
from db.session import Database
from db.working.leases import Fault, claim, fail_attempt

SECOND = timedelta(seconds=1)


def left_waiting(registry: Database, since: datetime) -> dict[str, int]:
    with registry.read() as session:
        return count_left_waiting(session, since=since)


def test_a_step_that_nobody_takes_is_left_waiting(
    registry: Database, ready_study: int, now: datetime, pipeline: PipelineSettings
) -> None:
    assert left_waiting(registry, now - SECOND) == {}
    assert left_waiting(registry, now + SECOND) == {"READY": 1}
    with registry.write() as session:
        held = claim(session, ready_study, Step.PREPARE, owner="w", now=now, pipeline=pipeline)
    assert held is not None
    assert left_waiting(registry, now + SECOND) == {}, "somebody is at work on it"
    with registry.write() as session:
        fail_attempt(session, held, reason="disk full", fault=Fault.PASSING, now=now, pipeline=pipeline)
    assert left_waiting(registry, now + SECOND) == {}, "it waits for its next attempt"
    retry = timedelta(seconds=pipeline.retry_after_s)
    assert left_waiting(registry, now + retry + SECOND) == {"READY": 1}


def test_a_quiet_study_that_nobody_closes_is_left_waiting(
    registry: Database, received: Callable[..., ReceivedInstance], now: datetime
) -> None:
    quiet = timedelta(seconds=30)
    with registry.write() as session:
        register_instance(session, received(at=now), quiet)
    assert left_waiting(registry, now + quiet - SECOND) == {}
    assert left_waiting(registry, now + quiet + SECOND) == {"RECEIVING": 1}


def test_callers_are_listed_with_the_latest_first_and_the_refused_alone(registry: Database, now: datetime) -> None:
    def call(ae_title: str, outcome: str, at: datetime) -> Call:
        return Call(ae_title=ae_title, address="10.1.2.3", outcome=outcome, count=2, first_at=at, last_at=at)

    with registry.write() as session:
        record_calls(session, [call("ECHO1", "accepted", now), call("STRANGER", "no peer has it", now + SECOND)])
        record_calls(session, [call("ECHO1", "accepted", now + 2 * SECOND)])
    with registry.read() as session:
        listed = [(caller.ae_title, caller.count, caller.last_at) for caller in list_callers(session)]
        refused = [caller.ae_title for caller in list_callers(session, refused_only=True)]
        (latest,) = list_callers(session, limit=1)
    assert listed == [("ECHO1", 4, now + 2 * SECOND), ("STRANGER", 2, now + SECOND)]
    assert refused == ["STRANGER"]
    assert latest.ae_title == "ECHO1"
