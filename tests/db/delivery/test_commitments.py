"""What destinations commit to, in the registry: a report is DELIVERED once its destination is known to keep it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

import db.delivery.commitments
from config.sections.pipeline import PipelineSettings
from config.sections.report_objects import ReportObject
from config.settings import load_settings
from config.steps import Step
from db.delivery.commitments import Applied, apply_report, await_commitment, commitment_not_asked, commitment_refused
from db.delivery.deliveries import deliver_again, lock_deliveries, set_deliveries
from db.delivery.delivering import Answered, record_answer
from db.delivery.queues import release_queue
from db.lifecycle.studies import requeue
from db.reading.queries import study_detail
from db.results.reports import delivered_predecessor
from db.session import Database
from db.states import DeliveryState
from db.tables.deliveries import Delivery
from db.tables.studies import Study
from tests.db.conftest import Receive
from tests.support.reported import announced, due, must_take, report_uid_of, reported, take

REPORT_UID = report_uid_of("1.2.1")
AGAIN_AFTER_S = 3600.0


@pytest.fixture
def reported_study(registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime) -> int:
    """A study whose report is due for PACS."""
    return reported(registry, pipeline, received(), to=["PACS"], now=now)


def delivery(registry: Database) -> Delivery:
    with registry.read() as session:
        return session.scalars(select(Delivery)).one()


def study(registry: Database) -> Study:
    with registry.read() as session:
        return session.scalars(select(Study)).one()


def reason(registry: Database) -> str | None:
    with registry.read() as session:
        return study_detail(session, "1.2.1").reason


def ask(registry: Database, transaction: str, now: datetime, *, attempts: int = 50) -> list[int]:
    with registry.write() as session:
        numbers = session.scalars(select(Delivery.id)).all()
        pipeline = load_settings().pipeline.model_copy(
            update={"commitment_again_after_s": AGAIN_AFTER_S, "maximum_delivery_attempts": attempts}
        )
        return await_commitment(session, numbers, transaction_uid=transaction, asked_at=now, pipeline=pipeline)


def sent(registry: Database, pipeline: PipelineSettings, now: datetime, transaction: str = "1.9") -> None:
    """As a worker sends the report and asks for its commitment."""
    held = must_take(registry, "PACS", now)
    (item,) = due(registry, "PACS", now)
    with registry.write() as session:
        record_answer(
            session, held, item.delivery_id, Answered.TO_BE_COMMITTED, answer="0x0000", now=now, pipeline=pipeline
        )
    assert ask(registry, transaction, now) == [item.delivery_id]
    with registry.write() as session:
        release_queue(session, held, trouble=None, now=now, pipeline=pipeline)


def report(
    registry: Database,
    pipeline: PipelineSettings,
    now: datetime,
    *,
    transaction: str = "1.9",
    ok: bool = True,
    destination: str = "PACS",
) -> list[Applied]:
    with registry.write() as session:
        return apply_report(
            session,
            transaction_uid=transaction,
            destinations=[destination],
            committed=[REPORT_UID] if ok else [],
            failed={} if ok else {REPORT_UID: "0x0112 no such object instance"},
            now=now,
            pipeline=pipeline,
        )


def test_while_it_is_awaited_the_study_stays_and_it_is_asked_for_again_but_not_sent_again(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    assert (study(registry).state, reason(registry)) == ("REPORTED", "waits for the storage commitment of PACS")
    assert (delivery(registry).state, delivery(registry).attempts) == (DeliveryState.SENT, 1)
    soon, later = now + timedelta(seconds=AGAIN_AFTER_S - 1), now + timedelta(seconds=AGAIN_AFTER_S)
    assert announced(registry, soon) == due(registry, "PACS", soon) == []
    assert announced(registry, later) == ["PACS"]
    (item,) = due(registry, "PACS", later)
    assert item.is_sent
    ask(registry, "1.10", later)
    assert delivery(registry).attempts == 2
    assert due(registry, "PACS", later) == []


def test_one_that_could_not_be_asked_is_asked_as_soon_as_it_is_in_reach(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    with registry.write() as session:
        commitment_not_asked(session, transaction_uid="1.9")
    assert [item.is_sent for item in due(registry, "PACS", now)] == [True]


def test_a_commitment_that_is_never_reported_on_ends_as_a_dead_letter_that_says_so(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    for hour, asked in ((1, True), (2, False)):
        later = now + timedelta(hours=hour)
        assert bool(ask(registry, f"1.9.{hour}", later, attempts=3)) is asked
    assert delivery(registry).state == DeliveryState.DEAD
    assert study(registry).state == "FAILED"
    assert "PACS: given up after 3 attempts: accepted, but no report on its storage commitment comes" in str(
        study(registry).reason
    )
    assert due(registry, "PACS", now + timedelta(days=1)) == []


def test_a_commitment_delivers_the_study_at_once(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    later = now + timedelta(minutes=1)
    (applied,) = report(registry, pipeline, later)
    assert (applied.destination, applied.state) == ("PACS", DeliveryState.DELIVERED)
    assert study(registry).state == "DELIVERED"
    assert delivery(registry).delivered_at == later
    assert report(registry, pipeline, now + timedelta(days=1)) != []  # the same once more
    assert delivery(registry).delivered_at == later
    with registry.read() as session:
        entry = study_detail(session, "1.2.1").journal[-1]
    assert (entry.step, entry.state_before, entry.state_after) == ("deliver", "REPORTED", "DELIVERED")
    assert entry.duration_ms == 60_000


def test_one_report_is_about_all_that_went_in_one_association(
    registry: Database, reported_study: int, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    reported(registry, pipeline, received(study="1.2.2"), to=["PACS"], now=now)
    held = must_take(registry, "PACS", now)
    for item in due(registry, "PACS", now):
        with registry.write() as session:
            answered = Answered.TO_BE_COMMITTED
            record_answer(session, held, item.delivery_id, answered, answer="0", now=now, pipeline=pipeline)
    assert len(ask(registry, "1.9", now)) == 2
    with registry.write() as session:
        apply_report(
            session,
            transaction_uid="1.9",
            destinations=["PACS"],
            committed=[REPORT_UID],
            failed={report_uid_of("1.2.2"): "0x0213 resource limitation"},
            now=now,
            pipeline=pipeline,
        )
    with registry.read() as session:
        states = {row.study_instance_uid: row.state for row in session.scalars(select(Study))}
        answers = set(session.scalars(select(Delivery.last_answer)))
    assert states == {"1.2.1": "DELIVERED", "1.2.2": "REPORTED"}
    assert answers == {"storage committed", "storage not committed: 0x0213 resource limitation"}


def test_a_report_that_is_faster_than_the_answer_to_the_request_counts(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    report(registry, pipeline, now)
    with registry.write() as session:
        commitment_refused(session, transaction_uid="1.9", answer="answers 0x0211", now=now, pipeline=pipeline)
        commitment_not_asked(session, transaction_uid="1.9")
    assert (study(registry).state, delivery(registry).state) == ("DELIVERED", "DELIVERED")


def test_a_failure_sends_it_again_after_a_pause_and_ends_as_a_dead_letter(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    few = pipeline.model_copy(update={"maximum_delivery_attempts": 2})
    sent(registry, few, now)
    (applied,) = report(registry, few, now, ok=False)
    assert applied.state == delivery(registry).state == DeliveryState.DUE
    assert reason(registry) == "PACS: storage not committed: 0x0112 no such object instance"
    later = now + timedelta(seconds=few.retry_after_s)
    sent(registry, few, later, "1.10")
    report(registry, few, later, ok=False, transaction="1.10")
    failed = study(registry)
    assert (failed.state, failed.failed_step) == ("FAILED", "deliver")
    assert str(failed.reason).startswith("PACS: given up after 2 attempts: storage not committed: 0x0112")
    assert delivery(registry).state == DeliveryState.DEAD
    assert due(registry, "PACS", later + timedelta(days=1)) == []
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=later) is Step.DELIVER
    assert (study(registry).state, [item.is_sent for item in due(registry, "PACS", later)]) == ("REPORTED", [False])


def test_a_report_on_what_is_not_ours_changes_nothing(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    assert report(registry, pipeline, now, transaction="1.1.1", ok=False) == []
    assert report(registry, pipeline, now, transaction="1.1.1", destination="SOMEBODY ELSE") == []
    assert delivery(registry).state == DeliveryState.SENT


def test_a_commitment_in_a_transaction_that_was_asked_for_again_since_counts(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    ask(registry, "1.10", now + timedelta(hours=1))
    assert report(registry, pipeline, now, transaction="1.9") != []
    assert delivery(registry).state == DeliveryState.DELIVERED


def test_a_request_that_is_not_taken_leaves_it_due(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    with registry.write() as session:
        commitment_refused(session, transaction_uid="1.9", answer="answers 0x0211", now=now, pipeline=pipeline)
    assert (delivery(registry).state, reason(registry)) == (DeliveryState.DUE, "PACS: answers 0x0211")


def test_committed_to_meanwhile_it_is_not_asked_for_again(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    report(registry, pipeline, now)
    assert ask(registry, "1.10", now) == []
    assert delivery(registry).state == DeliveryState.DELIVERED


def test_sent_again_by_hand_a_late_report_on_the_first_time_does_not_count(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=now, step=Step.DELIVER) is Step.DELIVER
    assert report(registry, pipeline, now) == []
    assert delivery(registry).state == DeliveryState.DUE


def test_what_waits_for_a_commitment_is_requeued_to_where_it_is(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=now) is Step.DELIVER
    assert delivery(registry).state == DeliveryState.SENT
    assert take(registry, "PACS", now) is not None


def test_a_report_that_is_sent_is_kept_so_and_is_a_predecessor(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, pipeline, now)
    with registry.write() as session:
        predecessor = delivered_predecessor(session, study_id=reported_study, run_uid="r2")
        assert predecessor is not None
        set_deliveries(session, study_id=reported_study, wanted={ReportObject.SR: ["PACS"]})
    assert delivery(registry).state == DeliveryState.SENT
    with registry.write() as session:
        set_deliveries(session, study_id=reported_study, wanted={ReportObject.SR: []})
    assert delivery(registry).state == DeliveryState.CANCELLED
    with registry.write() as session:
        assert deliver_again(session, study_id=reported_study) == 0


@pytest.mark.parametrize("asks", [True, False])
def test_who_asks_locks_the_studies_first_as_who_reports_does(
    registry: Database,
    reported_study: int,
    pipeline: PipelineSettings,
    received: Receive,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    asks: bool,
) -> None:
    """Otherwise the two wait for each other in a circle."""
    sent(registry, pipeline, now)
    locked: list[list[int]] = []

    def lock(session: Session, delivery_ids: Sequence[int]) -> list[tuple[Study, list[Delivery]]]:
        locked.append(list(delivery_ids))
        return lock_deliveries(session, delivery_ids)

    monkeypatch.setattr(db.delivery.commitments, "lock_deliveries", lock)
    if asks:
        ask(registry, "1.10", now)
    else:
        with registry.write() as session:
            commitment_not_asked(session, transaction_uid="1.9")
    assert locked == [[delivery(registry).id]]
