from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from config.errors import RegistryError
from config.sections.pipeline import PipelineSettings
from config.steps import Purpose, Step
from db.delivery.delivering import offer, take_delivery_announcements
from db.delivery.queues import claim_queue
from db.lifecycle.announcing import take_announcements
from db.lifecycle.choosing_studies import claim_next
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.reading.queries import count_left_waiting, study_detail
from db.reading.queue_summaries import QueueSummary, queue_summaries
from db.session import Database
from db.tables.deliveries import Delivery
from db.working.leases import claim, completing, renew
from db.working.pauses import former_pauses, pause_queue, resume_queue
from tests.support.reported import announced, instance_of, must_take, reported, take

WHY = {"by": "k.meyer@echo1", "reason": "GPU 0 is replaced"}


def pause(registry: Database, queue: str, now: datetime, peer: str = "") -> None:
    with registry.write() as session:
        pause_queue(session, queue, peer=peer, now=now, **WHY)


def resume(registry: Database, queue: str, now: datetime, peer: str = "") -> None:
    with registry.write() as session:
        resume_queue(session, queue, peer=peer, by="night shift", now=now)


def summary_of(registry: Database, queue: str, now: datetime) -> QueueSummary:
    with registry.read() as session:
        return next(each for each in queue_summaries(session, now=now) if each.queue == queue)


def test_nothing_begins_in_a_paused_queue_and_all_goes_on_at_once_when_it_is_resumed(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    with registry.write() as session:
        assert take_announcements(session, now=now, wake_again_after_s=300) == [(ready_study, Step.PREPARE)]
    pause(registry, "prepare", now)
    later = now + timedelta(hours=1)
    known = {"owner": "w", "now": later, "pipeline": pipeline}
    with registry.write() as session:
        assert claim(session, ready_study, Step.PREPARE, **known) is None
        assert claim_next(session, Step.PREPARE, but_for=[], **known) is None
        assert take_announcements(session, now=later, wake_again_after_s=300) == []
        assert count_left_waiting(session, since=later) == {}, "nobody has to look after it but who paused it"
    assert summary_of(registry, "prepare", later).waiting == 1
    resume(registry, "prepare", later)
    with registry.write() as session:
        assert take_announcements(session, now=later, wake_again_after_s=1e9) == [(ready_study, Step.PREPARE)]
        held = claim(session, ready_study, Step.PREPARE, **known)
    assert held is not None
    assert held.attempt == 1, "a pause uses up no attempt"


def test_what_is_running_goes_to_its_end_and_only_the_paused_step_waits(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    with registry.write() as session:
        held = claim(session, ready_study, Step.PREPARE, owner="w", now=now, pipeline=pipeline)
    assert held is not None
    pause(registry, "prepare", now)
    assert summary_of(registry, "prepare", now).running == 1
    with registry.write() as session:
        assert renew(session, held, now=now, lease_s=60)
    with registry.write() as session, completing(session, held, now=now):
        pass
    with registry.write() as session:
        assert claim(session, ready_study, Step.SCORE, owner="w", now=now, pipeline=pipeline)


def test_a_paused_peer_is_sent_nothing_more_and_others_are(
    registry: Database, pipeline: PipelineSettings, now: datetime
) -> None:
    for study in ("1.2.1", "1.2.2"):
        reported(registry, pipeline, instance_of(study, sop=f"{study}.1", at=now), to=["PACS", "VNA"], now=now)
    held = must_take(registry, "PACS", now)
    with registry.read() as session:
        first, second = session.scalars(
            select(Delivery.id).where(Delivery.destination == "PACS").order_by(Delivery.id)
        ).all()
    with registry.write() as session:
        assert offer(session, held, first, now=now)
    pause(registry, "deliver", now, peer="PACS")
    with registry.write() as session:
        assert not offer(session, held, second, now=now), "the one on its way is the last"
    later = now + timedelta(hours=1)
    assert announced(registry, later) == ["VNA"]
    assert take(registry, "PACS", later) is None
    assert take(registry, "VNA", later) is not None
    with registry.read() as session:
        assert "PACS: paused by k.meyer@echo1" in (study_detail(session, "1.2.2").reason or "")
        assert session.get_one(Delivery, second).attempts == 0
    resume(registry, "deliver", later, peer="PACS")
    assert announced(registry, later) == ["PACS"]


def test_all_peers_of_a_queue_are_paused_together(
    registry: Database, pipeline: PipelineSettings, now: datetime
) -> None:
    reported(registry, pipeline, instance_of("1.2.1", sop="1.2.1.1", at=now), to=["PACS", "VNA"], now=now)
    pause(registry, "deliver", now)
    with registry.write() as session:
        assert take_delivery_announcements(session, now=now, wake_again_after_s=0) == []
        assert claim_queue(session, "VNA", Purpose.DELIVER, owner="w", now=now, lease_s=60) is None
    assert (summary_of(registry, "deliver", now).waiting, summary_of(registry, "forward", now).waiting) == (2, 0)
    resume(registry, "deliver", now)
    assert announced(registry, now) == ["PACS", "VNA"]


def test_who_paused_what_and_who_resumed_it_is_kept(registry: Database, now: datetime) -> None:
    pause(registry, "score", now)
    with (
        registry.write() as session,
        pytest.raises(RegistryError, match=r"score is paused already: by k\.meyer@echo1 since .* GPU 0 is replaced"),
    ):
        pause_queue(session, "score", now=now, by="other", reason="another")
    resume(registry, "score", now + timedelta(minutes=5))
    with registry.write() as session, pytest.raises(RegistryError, match="score is not paused"):
        resume_queue(session, "score", by="x", now=now)
    pause(registry, "score", now + timedelta(minutes=6))
    with registry.read() as session:
        rows = [(row.queue, row.paused_by, row.reason, row.resumed_by) for row in former_pauses(session, limit=9)]
    who = ("score", WHY["by"], WHY["reason"])
    assert rows == [(*who, None), (*who, "night shift")]


@pytest.mark.parametrize(("queue", "peer"), [("maintenance", ""), ("scroe", ""), ("score", "PACS")])
def test_what_cannot_be_paused_is_said(registry: Database, now: datetime, queue: str, peer: str) -> None:
    with registry.write() as session, pytest.raises(RegistryError, match="no queue"):
        pause_queue(session, queue, peer=peer, now=now, **WHY)


def test_a_summary_counts_what_waits_what_is_later_and_since_when(
    registry: Database, pipeline: PipelineSettings, now: datetime, received: Callable[..., ReceivedInstance]
) -> None:
    quiet = timedelta(seconds=30)
    for number in range(3):
        with registry.write() as session:
            register_instance(session, received(f"1.2.{number}", at=now - quiet), quiet)
            close_quiet_studies(session, now=now + timedelta(seconds=number))
    with registry.write() as session:
        study_detail(session, "1.2.0").study.next_attempt_at = now + timedelta(hours=1)
        study_detail(session, "1.2.2").study.lane = 0
    found = summary_of(registry, "prepare", now + timedelta(seconds=10))
    assert (found.waiting, found.stat, found.later, found.running) == (2, 1, 1, 0)
    assert found.oldest == now + timedelta(seconds=1)
    assert found.pauses == ()
