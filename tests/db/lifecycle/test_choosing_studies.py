from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select

from config.sections.pipeline import PipelineSettings
from config.sections.rules import Decision
from config.steps import Lane, Step
from db.lifecycle.choosing_studies import claim_most_urgent, claim_next
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.session import Database
from db.states import Back
from db.tables.studies import Study
from db.working.leases import Claim, claim, completing

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


def take_next(
    registry: Database, pipeline: PipelineSettings, now: datetime, *but_for: int, lane: Lane = Lane.ROUTINE
) -> Claim | None:
    with registry.write() as session:
        return claim_next(session, Step.PREPARE, but_for=but_for, owner="worker", now=now, pipeline=pipeline, lane=lane)


def make_stat(registry: Database, *numbers: int) -> None:
    with registry.write() as session:
        for number in numbers:
            session.get_one(Study, number).lane = Lane.STAT


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


def test_what_is_stat_goes_before_the_study_that_the_message_named_and_each_once(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    named, later_one, urgent, first_urgent = waiting(registry, received, now, "1.2.1", "1.2.2", "1.2.4", "1.2.3")
    make_stat(registry, urgent, first_urgent)
    with registry.write() as session:
        session.get_one(Study, first_urgent).state_since = now - timedelta(seconds=5)
    taken: list[int] = []
    later = now + timedelta(seconds=10)
    while named not in taken:
        with registry.write() as session:
            number, held = claim_most_urgent(
                session, named, Step.PREPARE, but_for=taken, owner="w", now=later, pipeline=pipeline
            )
        assert held is not None
        assert held.study_id == number
        taken.append(number)
    assert taken == [first_urgent, urgent, named]
    assert later_one not in taken


def test_a_stat_study_takes_only_stat_ones_along_and_a_routine_one_takes_them_first(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    routine, urgent, another = waiting(registry, received, now, "1.2.1", "1.2.2", "1.2.3")
    make_stat(registry, urgent, another)
    later = now + timedelta(seconds=10)
    assert [held and held.study_id for held in [take_next(registry, pipeline, later)]] == [urgent]
    taken = [take_next(registry, pipeline, later, lane=Lane.STAT) for _ in range(2)]
    assert [held and held.study_id for held in taken] == [another, None]
    held = take_next(registry, pipeline, later)
    assert held is not None
    assert held.study_id == routine


def test_one_instance_that_is_stat_makes_its_study_so_and_for_good(
    registry: Database, received: Callable[..., ReceivedInstance], now: datetime
) -> None:
    for lane in (Lane.ROUTINE, Lane.STAT, Lane.ROUTINE):
        with registry.write() as session:
            register_instance(session, replace(received(), decision=Decision(lane=lane)), QUIET)
    with registry.read() as session:
        assert session.scalars(select(Study.lane)).one() == Lane.STAT
