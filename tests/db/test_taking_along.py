from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from config.settings import PipelineSettings
from config.steps import Step
from db.leases import Claim, claim, completing
from db.received import ReceivedInstance
from db.schema import Study
from db.session import Database
from db.states import Back
from db.studies import close_quiet_studies, register_instance
from db.taking_along import claim_next

QUIET = timedelta(seconds=30)


def waiting(registry: Database, received: Callable[..., ReceivedInstance], now: datetime, *uids: str) -> list[int]:
    """Studies that fell quiet one after the other, the first of them at `now`; their numbers."""
    for number, uid in enumerate(uids):
        at = now + timedelta(seconds=number)
        with registry.write() as session:
            register_instance(session, received(uid, at=at - QUIET), QUIET)
            close_quiet_studies(session, now=at)
    with registry.read() as session:
        numbers = {study.study_instance_uid: study.id for study in session.scalars(select(Study))}
    return [numbers[uid] for uid in uids]


def take_next(registry: Database, pipeline: PipelineSettings, now: datetime, *but_for: int) -> Claim | None:
    with registry.write() as session:
        return claim_next(session, Step.PREPARE, but_for=but_for, owner="worker", now=now, pipeline=pipeline)


def test_the_study_that_has_waited_longest_is_next_and_none_twice(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    second, first, mine = waiting(registry, received, now, "1.2.2", "1.2.1", "1.2.3")
    later = now + timedelta(seconds=10)
    taken = [take_next(registry, pipeline, later, mine) for _ in range(3)]
    assert [held and held.study_id for held in taken] == [second, first, None]


def test_what_another_holds_or_is_not_due_is_passed_over(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    held, free, pausing = waiting(registry, received, now, "1.2.1", "1.2.2", "1.2.3")
    later = now + timedelta(seconds=10)
    with registry.write() as session:
        claim(session, held, Step.PREPARE, owner="other", now=later, pipeline=pipeline)
        session.get_one(Study, pausing).next_attempt_at = later + timedelta(seconds=60)
    taken = [take_next(registry, pipeline, later) for _ in range(2)]
    assert [each and each.study_id for each in taken] == [free, None]


def test_one_whose_worker_died_is_not_taken_along(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    died, untried = waiting(registry, received, now, "1.2.1", "1.2.2")
    with registry.write() as session:
        assert claim(session, died, Step.PREPARE, owner="dead", now=now, pipeline=pipeline)
    later = now + timedelta(seconds=pipeline.lease_s + 1)
    taken = [take_next(registry, pipeline, later) for _ in range(2)]
    assert [each and each.study_id for each in taken] == [untried, None]


def test_a_step_can_send_its_study_back_with_fresh_attempts_and_a_reason(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    (number,) = waiting(registry, received, now, "1.2.1")
    for step, back in ((Step.PREPARE, None), (Step.SCORE, Back(step=Step.PREPARE, reason="frames are gone"))):
        with registry.write() as session:
            held = claim(session, number, step, owner="worker", now=now, pipeline=pipeline)
        assert held is not None
        with registry.write() as session, completing(session, held, now=now, back=back):
            pass
    with registry.read() as session:
        study = session.get_one(Study, number)
        assert (study.state, study.reason, study.attempts, study.lease_token) == ("READY", "frames are gone", 0, None)
