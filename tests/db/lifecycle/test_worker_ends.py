from datetime import datetime, timedelta

from sqlalchemy import select

from config.sections.pipeline import PipelineSettings
from config.steps import Purpose, Step
from db.delivery.delivering import offer, take_delivery_announcements
from db.delivery.queues import claim_queue, queues_of
from db.lifecycle.announcing import take_announcements
from db.lifecycle.worker_ends import WorkerEnd, worker_deaths, worker_died, worker_stopped
from db.reading.queries import study_detail
from db.session import Database
from db.tables.deliveries import Delivery
from db.working.leases import claim
from tests.support.reported import instance_of, reported

END = WorkerEnd(owner="here:7", reason="its worker was killed by SIGSEGV", traceback="  scored.c:1")


def test_only_what_the_dead_worker_held_is_tried_again_and_without_waiting_for_its_lease(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    with registry.write() as session:
        held = claim(session, ready_study, Step.PREPARE, owner="here:7", now=now, pipeline=pipeline)
    died_at = now + timedelta(seconds=3)
    with registry.write() as session:
        other = WorkerEnd(owner="here:70", reason="another")
        assert worker_died(session, other, now=died_at, pipeline=pipeline).studies == []
    with registry.write() as session:
        assert worker_died(session, END, now=died_at, pipeline=pipeline).studies == [held]
    again_at = died_at + timedelta(seconds=pipeline.retry_after_s)
    with registry.write() as session:
        second = claim(session, ready_study, Step.PREPARE, owner="here:8", now=again_at, pipeline=pipeline)
    assert second is not None
    assert second.attempt == 2
    with registry.read() as session:
        row = study_detail(session, "1.2.1").journal[-1]
    assert (row.attempt, row.duration_ms, row.reason) == (1, 3000, f"prepare: {END.reason}")
    assert row.traceback == END.traceback
    with registry.read() as session:
        (death,) = worker_deaths(session, since=now, limit=5)
        assert worker_deaths(session, since=died_at + timedelta(seconds=1), limit=5) == []
    assert (death.at, death.step, death.attempt, death.study_instance_uid) == (died_at, "prepare", 1, "1.2.1")
    assert (death.reason, death.traceback) == (row.reason, row.traceback)


def test_the_last_of_its_attempts_makes_a_study_failed(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    for _ in range(pipeline.maximum_attempts):
        with registry.write() as session:
            assert claim(session, ready_study, Step.PREPARE, owner="here:7", now=now, pipeline=pipeline)
        with registry.write() as session:
            worker_died(session, END, now=now, pipeline=pipeline)
        now += timedelta(seconds=pipeline.retry_at_most_s)
    with registry.read() as session:
        study = study_detail(session, "1.2.1").study
        assert (study.state, study.failed_step, study.reason) == ("FAILED", "prepare", f"prepare: {END.reason}")


def test_a_lease_that_ran_out_leaves_a_row_of_the_attempt(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    with registry.write() as session:
        claim(session, ready_study, Step.PREPARE, owner="gone:1", now=now, pipeline=pipeline)
    later = now + timedelta(seconds=pipeline.lease_s + 1)
    with registry.write() as session:
        claim(session, ready_study, Step.PREPARE, owner="here:7", now=later, pipeline=pipeline)
    with registry.read() as session:
        row = study_detail(session, "1.2.1").journal[-1]
    assert (row.step, row.attempt, row.state_before, row.state_after) == ("prepare", 1, "READY", "READY")
    assert row.reason == "the lease ran out: the worker stopped without a word"
    assert row.duration_ms == round((pipeline.lease_s + 1) * 1000)


def test_the_peer_that_a_dead_worker_sent_to_is_left_alone_and_its_object_was_sent_in_vain(
    registry: Database, pipeline: PipelineSettings, now: datetime
) -> None:
    reported(registry, pipeline, instance_of("1.2.1", sop="1.2.1.1", at=now), to=["PACS"], now=now)
    with registry.write() as session:
        take_delivery_announcements(session, now=now, wake_again_after_s=300)
    with registry.write() as session:
        held = claim_queue(session, "PACS", Purpose.DELIVER, owner="here:7", now=now, lease_s=60)
        number = session.scalars(select(Delivery.id)).one()
    assert held is not None
    with registry.write() as session:
        assert offer(session, held, number, now=now)
    with registry.write() as session:
        assert worker_died(session, END, now=now, pipeline=pipeline).queues == [held]
    with registry.read() as session:
        delivery, queue = session.get_one(Delivery, number), queues_of(session, Purpose.DELIVER)["PACS"]
        assert (delivery.state, delivery.attempts, delivery.last_answer) == ("DUE", 1, "no answer")
        assert (queue.lease_owner, queue.last_answer) == (None, END.reason)
        assert queue.next_attempt_at is not None
        assert queue.next_attempt_at > now


def test_what_a_stopped_worker_held_is_due_at_once_and_has_used_up_nothing(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    reported(registry, pipeline, instance_of("1.2.7", sop="1.2.7.1", at=now), to=["PACS"], now=now)
    with registry.write() as session:
        take_delivery_announcements(session, now=now, wake_again_after_s=300)
        take_announcements(session, now=now, wake_again_after_s=300)
    with registry.write() as session:
        assert claim_queue(session, "PACS", Purpose.DELIVER, owner="here:7", now=now, lease_s=60)
        assert claim(session, ready_study, Step.PREPARE, owner="here:7", now=now, pipeline=pipeline)
    with registry.write() as session:
        held = worker_stopped(session, "here:7", now=now, pipeline=pipeline)
        assert (len(held.studies), len(held.queues)) == (1, 1)
        assert take_announcements(session, now=now, wake_again_after_s=300) == [(ready_study, Step.PREPARE)]
        assert take_delivery_announcements(session, now=now, wake_again_after_s=300) == ["PACS"]
        again = claim(session, ready_study, Step.PREPARE, owner="here:8", now=now, pipeline=pipeline)
    assert again is not None
    assert again.attempt == 1
    with registry.read() as session:
        assert queues_of(session, Purpose.DELIVER)["PACS"].attempts == 0
