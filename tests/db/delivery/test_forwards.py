"""Received instances on their way to other peers: leases, pauses, refusals, and what was given up."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, select, text

from config.errors import LeaseLostError
from config.sections.pipeline import PipelineSettings
from config.sections.rules import Action, Decision
from config.steps import Purpose
from db.delivery.forwards import (
    cancel_forwards,
    due_forwards,
    forward_again,
    forward_summaries,
    record_forward,
    take_forward_announcements,
)
from db.delivery.queues import QueueClaim, Trouble, claim_queue, release_queue
from db.lifecycle.studies import ReceivedInstance, Registration, register_instance
from db.migrating import alembic_config
from db.reading.queries import rules_of, spool_paths_of, study_detail
from db.session import Database
from db.states import DeliveryState
from db.tables.peers import Forward
from db.tables.studies import Instance

QUIET = timedelta(seconds=30)
Receive = Callable[..., ReceivedInstance]


def receive(registry: Database, instance: ReceivedInstance, *peers: str, rule: str = "all") -> Registration:
    decided = replace(instance, decision=Decision(rule=rule, forward_to=peers))
    with registry.write() as session:
        return register_instance(session, decided, QUIET)


def announced(registry: Database, now: datetime) -> list[str]:
    with registry.write() as session:
        return take_forward_announcements(session, now=now, wake_again_after_s=300)


def take(registry: Database, peer: str, now: datetime) -> QueueClaim | None:
    with registry.write() as session:
        return claim_queue(session, peer, Purpose.FORWARD, owner="worker", now=now, lease_s=60)


def must_take(registry: Database, peer: str, now: datetime) -> QueueClaim:
    announced(registry, now)
    held = take(registry, peer, now)
    assert held is not None
    return held


def due(registry: Database, peer: str, now: datetime) -> list[int]:
    with registry.read() as session:
        return [item.forward_id for item in due_forwards(session, peer, now=now, limit=10)]


def refuse(registry: Database, held: QueueClaim, number: int, now: datetime, pipeline: PipelineSettings) -> None:
    with registry.write() as session:
        record_forward(session, held, number, answer="0xA700", accepted=False, now=now, pipeline=pipeline)


def release(
    registry: Database, held: QueueClaim, now: datetime, pipeline: PipelineSettings, trouble: str | None = None
) -> None:
    with registry.write() as session:
        release_queue(session, held, trouble=Trouble(reason=trouble) if trouble else None, now=now, pipeline=pipeline)


def test_what_the_rules_decided_is_kept_and_each_peer_is_owed_the_instance_once(
    registry: Database, received: Receive, now: datetime
) -> None:
    instance = received()
    assert receive(registry, instance, "PACS", "LAB") is Registration.ADDED
    assert receive(registry, instance, "PACS", "LAB", "OTHER") is Registration.KNOWN
    with registry.read() as session:
        (row,) = session.scalars(select(Instance))
        assert (row.action, row.rule) == (Action.SCORE, "all")
        assert sorted(session.scalars(select(Forward.peer))) == ["LAB", "PACS"]
        assert rules_of(session, row.study_id) == ["all"]
    assert announced(registry, now) == ["LAB", "PACS"]
    assert announced(registry, now) == []
    assert announced(registry, now + timedelta(seconds=301)) == ["LAB", "PACS"]


def test_of_many_workers_one_sends_to_a_peer(registry: Database, received: Receive, now: datetime) -> None:
    receive(registry, received(), "PACS")
    announced(registry, now)
    start = threading.Barrier(6)
    claims: list[QueueClaim | None] = []

    def compete() -> None:
        start.wait()
        claims.append(take(registry, "PACS", now))

    threads = [threading.Thread(target=compete) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(held is not None for held in claims) == 1
    assert len(claims) == 6


def test_many_receivers_may_register_for_the_same_peers_at_once(
    registry: Database, received: Receive, now: datetime
) -> None:
    instances = [received(study=f"1.2.{number}") for number in range(24)]
    start = threading.Barrier(4)
    faults: list[Exception] = []

    def register(part: int) -> None:
        start.wait()
        try:
            for instance in instances[part::2]:  # each by two of them
                receive(registry, instance, *(("A", "B") if part % 2 else ("B", "A")))
                announced(registry, now)
        except Exception as error:  # noqa: BLE001
            faults.append(error)

    threads = [threading.Thread(target=register, args=[part]) for part in (0, 1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with registry.read() as session:
        assert [(peer.peer, peer.due) for peer in forward_summaries(session)] == [("A", 24), ("B", 24)]


def test_a_lease_that_ran_out_passes_to_another_and_the_first_writes_nothing(
    registry: Database, received: Receive, pipeline: PipelineSettings, now: datetime
) -> None:
    receive(registry, received(), "PACS")
    first = must_take(registry, "PACS", now)
    assert announced(registry, now + timedelta(seconds=59)) == []
    later = now + timedelta(seconds=61)
    must_take(registry, "PACS", later)
    (number,) = due(registry, "PACS", later)
    with pytest.raises(LeaseLostError):
        refuse(registry, first, number, later, pipeline)
    with pytest.raises(LeaseLostError):
        release(registry, first, later, pipeline)
    assert due(registry, "PACS", later) == [number]


def test_a_peer_out_of_reach_is_asked_again_after_growing_pauses_and_costs_its_instances_nothing(
    registry: Database, received: Receive, pipeline: PipelineSettings, now: datetime
) -> None:
    for _ in range(3):
        receive(registry, received(), "PACS")
    receive(registry, received(), "LAB")
    pauses = []
    for _ in range(60):
        held = must_take(registry, "PACS", now)
        release(registry, held, now, pipeline, trouble="PACS: cannot be reached")
        assert take(registry, "PACS", now) is None
        with registry.read() as session:
            (_, pacs) = forward_summaries(session)
        assert pacs.next_attempt_at is not None
        assert (pacs.due, pacs.cancelled, pacs.last_answer) == (3, 0, "PACS: cannot be reached")
        pauses.append((pacs.next_attempt_at - now).total_seconds())
        now = pacs.next_attempt_at
    longest = [10, 20, 40]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=False))
    assert all(pipeline.retry_at_most_s / 2 <= pause <= pipeline.retry_at_most_s for pause in pauses[-20:])
    assert len(set(pauses[-20:])) > 1, "peers that were lost together are asked again at different times"
    assert take(registry, "LAB", now) is not None


def test_a_refused_instance_waits_longer_each_time_behind_the_others_and_is_given_up_at_last(
    registry: Database, received: Receive, pipeline: PipelineSettings, now: datetime
) -> None:
    for _ in range(2):
        receive(registry, received(), "PACS")
    first, second = due(registry, "PACS", now)
    for attempt in range(1, pipeline.maximum_delivery_attempts + 1):
        held = must_take(registry, "PACS", now)
        assert due(registry, "PACS", now) == ([first, second] if attempt == 1 else [second, first])
        refuse(registry, held, first, now, pipeline)
        assert due(registry, "PACS", now) == [second]
        release(registry, held, now, pipeline)
        now += timedelta(seconds=pipeline.retry_at_most_s)
    assert due(registry, "PACS", now) == [second]
    with registry.read() as session:
        given_up = session.get_one(Forward, first)
    assert (given_up.state, given_up.last_answer) == (DeliveryState.CANCELLED, "given up after 50 attempts: 0xA700")
    with registry.write() as session:
        assert forward_again(session, "PACS") == 1
    assert sorted(due(registry, "PACS", now)) == [first, second]
    assert announced(registry, now) == ["PACS"]


def test_what_a_peer_has_stays_delivered_when_the_rest_is_given_up(
    registry: Database, received: Receive, pipeline: PipelineSettings, now: datetime
) -> None:
    for _ in range(2):
        receive(registry, received(), "PACS")
    held = must_take(registry, "PACS", now)
    first, _ = due(registry, "PACS", now)
    with registry.write() as session:
        record_forward(session, held, first, answer="0x0000", accepted=True, now=now, pipeline=pipeline)
    with registry.write() as session:
        assert cancel_forwards(session, "PACS", reason="no longer a peer") == 1
    with registry.read() as session:
        (pacs,) = forward_summaries(session)
    assert (pacs.due, pacs.delivered, pacs.cancelled, pacs.last_answer) == (0, 1, 1, "no longer a peer")
    assert announced(registry, now + timedelta(days=1)) == []


def test_a_late_instance_that_is_not_to_be_scored_leaves_the_study_where_it_is(
    registry: Database, ready_study: int, received: Receive, now: datetime
) -> None:
    late = replace(received(at=now), decision=Decision(rule="kept", action=Action.STORE, forward_to=("LAB",)))
    with registry.write() as session:
        assert register_instance(session, late, QUIET) is Registration.STORED_ONLY
    with registry.read() as session:
        detail = study_detail(session, "1.2.1")
        assert (detail.study.state, detail.study.revision, len(detail.instances)) == ("READY", 1, 2)
        assert late.sop_instance_uid not in spool_paths_of(session, ready_study, action=Action.SCORE)
        assert late.sop_instance_uid in spool_paths_of(session, ready_study)
    assert announced(registry, now) == ["LAB"]
    assert receive(registry, received(at=now)) is Registration.REOPENED


def test_instances_received_before_there_were_rules_are_those_to_score(registry_url: str) -> None:
    registry, engine = Database(registry_url), create_engine(registry_url)
    registry.upgrade("0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO studies (id, study_instance_uid, revision, state, state_since, created_at, "
                "last_instance_at, attempts) VALUES (1, '1.2', 1, 'DELIVERED', '2026-11-24 12:00:00+00:00', "
                "'2026-11-24 12:00:00+00:00', '2026-11-24 12:00:00+00:00', 0)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO instances (id, study_id, sop_instance_uid, sop_class_uid, series_instance_uid, "
                "transfer_syntax_uid, spool_path, sha256, size_bytes, received_at, revision) "
                "VALUES (1, 1, '1.2.3', '1.2', '1.2', '1.2', 'x', '', 1, '2026-11-24 12:00:00+00:00', 1)"
            )
        )
    registry.upgrade()
    with registry.read() as session:
        assert spool_paths_of(session, 1, action=Action.SCORE) == {"1.2.3": "x"}
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    assert "action" not in {column["name"] for column in inspect(engine).get_columns("instances")}
    engine.dispose()
    registry.close()
