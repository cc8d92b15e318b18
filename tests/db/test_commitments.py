"""What destinations commit to, in the registry: a report is DELIVERED once its destination is known to keep it."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from config.report_objects import ReportObject
from config.settings import PipelineSettings
from config.steps import Step
from db.commitments import Applied, apply_report, await_commitment, commitment_refused, wait_for_commitments
from db.deliveries import deliver_again, due_deliveries, set_deliveries
from db.leases import Claim, claim, completing, hold, put_off, take_announcements
from db.queries import study_detail
from db.reports import BuiltReport, add_report, delivered_predecessor
from db.results import append_run
from db.runs import ClipEvidence, ModelIdentity, Run
from db.schema import Delivery, Study
from db.session import Database
from db.states import DeliveryState
from db.studies import requeue

REPORT_UID = "2.25.77"
AGAIN_AFTER_S = 3600.0


def run_of(study: str, run_uid: str, now: datetime) -> Run:
    from config.labels import ModelLabel  # noqa: PLC0415

    return Run(
        run_uid=run_uid,
        study_instance_uid=study,
        revision=1,
        model=ModelIdentity(name="m", version="1", family="f", label=ModelLabel.RESEARCH, digest="0" * 64),
        catalogue_digest="0" * 64,
        software_version="0",
        preprocessing_profile="p",
        finished_at=now,
        clips=(ClipEvidence(sop_instance_uid="1.2.1.1.1", frame_numbers=(1,)),),
        results=(),
    )


@pytest.fixture
def reported_study(registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime) -> int:
    """A study whose report is due for PACS and SECOND."""
    for step in (Step.PREPARE, Step.SCORE, Step.REPORT):
        with registry.write() as session:
            held = claim(session, ready_study, step, owner="w", now=now, pipeline=pipeline)
            assert held is not None
            with completing(session, held, now=now):
                if step is Step.SCORE:
                    append_run(session, study_id=ready_study, run=run_of("1.2.1", "r1", now), units={})
                if step is Step.REPORT:
                    report = BuiltReport(
                        kind=ReportObject.SR,
                        sop_instance_uid=REPORT_UID,
                        sop_class_uid="1.2.3",
                        spool_path="x",
                        sha256="0" * 64,
                        created_at=now,
                    )
                    add_report(session, study_id=ready_study, run_uid="r1", report=report)
                    set_deliveries(session, study_id=ready_study, wanted={ReportObject.SR: ["PACS"]})
    return ready_study


def delivery(registry: Database) -> Delivery:
    with registry.read() as session:
        return session.scalars(select(Delivery)).one()


def study(registry: Database) -> Study:
    with registry.read() as session:
        return session.scalars(select(Study)).one()


def take(registry: Database, study_id: int, pipeline: PipelineSettings, now: datetime) -> Claim | None:
    with registry.write() as session:
        return claim(session, study_id, Step.DELIVER, owner="w", now=now, pipeline=pipeline)


def ask(registry: Database, transaction: str, now: datetime, answer: str | None = "0x0000") -> None:
    with registry.write() as session:
        number = session.scalars(select(Delivery.id)).one()
        await_commitment(session, number, transaction_uid=transaction, asked_at=now, answer=answer)


def end_step(registry: Database, held: Claim, now: datetime) -> str | None:
    """As the runner ends a deliver step: what the study waits for, or None when it is DELIVERED."""
    with registry.write() as session:
        hold(session, held)
        wait = wait_for_commitments(session, study_id=held.study_id, again_after_s=AGAIN_AFTER_S)
        if wait is None:
            with completing(session, held, now=now):
                return None
        put_off(session, held, wait, now=now)
        return wait.reason


def sent(
    registry: Database, study_id: int, pipeline: PipelineSettings, now: datetime, transaction: str = "1.9"
) -> None:
    held = take(registry, study_id, pipeline, now)
    assert held is not None
    ask(registry, transaction, now)
    assert end_step(registry, held, now) == "waits for the storage commitment of PACS"


def report(
    registry: Database,
    pipeline: PipelineSettings,
    now: datetime,
    *,
    transaction: str = "1.9",
    ok: bool = True,
    destination: str = "PACS",
) -> Applied | None:
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


def test_while_it_is_awaited_the_study_stays_and_no_attempt_is_used(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
    waiting = study(registry)
    assert (waiting.state, waiting.attempts) == ("REPORTED", 0)
    assert waiting.reason == "waits for the storage commitment of PACS"
    assert delivery(registry).state == DeliveryState.SENT
    soon, later = now + timedelta(seconds=AGAIN_AFTER_S - 1), now + timedelta(seconds=AGAIN_AFTER_S)
    assert take(registry, reported_study, pipeline, soon) is None
    for moment, count in ((now, 0), (later, 1)):
        with registry.read() as session:
            asked_before = moment - timedelta(seconds=AGAIN_AFTER_S)
            assert len(due_deliveries(session, study_id=reported_study, asked_before=asked_before)) == count
    held = take(registry, reported_study, pipeline, later)
    assert held is not None
    ask(registry, "1.10", later, answer=None)
    end_step(registry, held, later)
    assert (study(registry).attempts, delivery(registry).attempts) == (0, 1)
    with registry.read() as session:
        reasons = [entry.reason for entry in study_detail(session, "1.2.1").journal]
    assert reasons.count("waits for the storage commitment of PACS") == 1


def test_a_commitment_makes_the_study_due_at_once_and_delivered(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
    applied = report(registry, pipeline, now)
    assert applied is not None
    assert (applied.destination, applied.state) == ("PACS", DeliveryState.DELIVERED)
    with registry.write() as session:
        assert take_announcements(session, now=now, wake_again_after_s=300) == [(reported_study, Step.DELIVER)]
    held = take(registry, reported_study, pipeline, now)
    assert held is not None
    assert end_step(registry, held, now) is None
    assert study(registry).state == "DELIVERED"
    assert delivery(registry).delivered_at == now
    assert report(registry, pipeline, now + timedelta(days=1)) is not None  # the same once more
    assert delivery(registry).delivered_at == now


def test_a_report_that_is_faster_than_the_step_counts(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    held = take(registry, reported_study, pipeline, now)
    assert held is not None
    ask(registry, "1.9", now)
    report(registry, pipeline, now)
    assert end_step(registry, held, now) is None
    assert study(registry).state == "DELIVERED"


def test_a_refusal_that_is_faster_than_the_step_makes_it_due_again(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    held = take(registry, reported_study, pipeline, now)
    assert held is not None
    ask(registry, "1.9", now)
    report(registry, pipeline, now, ok=False)
    assert end_step(registry, held, now) == "PACS: storage not committed: 0x0112 no such object instance"
    assert study(registry).state == "REPORTED"
    assert take(registry, reported_study, pipeline, now) is None
    assert take(registry, reported_study, pipeline, now + timedelta(seconds=pipeline.retry_after_s)) is not None


def test_a_failure_sends_it_again_after_a_pause_and_fails_the_study_in_the_end(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    few = pipeline.model_copy(update={"maximum_delivery_attempts": 2})
    sent(registry, reported_study, few, now)
    applied = report(registry, few, now, ok=False)
    assert applied is not None
    assert applied.state == delivery(registry).state == DeliveryState.DUE
    assert "0x0112 no such object instance" in str(study(registry).reason)
    assert take(registry, reported_study, few, now) is None
    later = now + timedelta(seconds=few.retry_after_s)
    sent(registry, reported_study, few, later, "1.10")
    report(registry, few, later, ok=False, transaction="1.10")
    failed = study(registry)
    assert (failed.state, failed.failed_step) == ("FAILED", "deliver")
    assert failed.reason == "PACS: storage not committed: 0x0112 no such object instance"
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=later) is Step.DELIVER
    assert take(registry, reported_study, few, later) is not None


def test_a_report_on_what_is_not_ours_changes_nothing(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
    assert report(registry, pipeline, now, transaction="1.1.1", ok=False) is None
    assert report(registry, pipeline, now, transaction="1.1.1", destination="SOMEBODY ELSE") is None
    assert delivery(registry).state == DeliveryState.SENT


def test_a_commitment_in_a_transaction_that_was_asked_for_again_since_counts(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
    ask(registry, "1.10", now + timedelta(hours=1), answer=None)
    assert report(registry, pipeline, now, transaction="1.9") is not None
    assert delivery(registry).state == DeliveryState.DELIVERED


def test_a_request_that_is_not_taken_leaves_it_due_unless_it_was_committed_to(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    ask(registry, "1.9", now)
    number = delivery(registry).id
    for state in (DeliveryState.DUE, DeliveryState.DELIVERED):
        with registry.write() as session:
            commitment_refused(session, number, transaction_uid="1.9", answer="answers 0x0211")
        assert delivery(registry).state == state
        report(registry, pipeline, now)


def test_committed_to_meanwhile_it_is_not_asked_for_again(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
    report(registry, pipeline, now)
    ask(registry, "1.10", now, answer=None)
    assert delivery(registry).state == DeliveryState.DELIVERED


def test_sent_again_by_hand_a_late_report_on_the_first_time_does_not_count(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=now, step=Step.DELIVER) is Step.DELIVER
    assert report(registry, pipeline, now) is None
    assert delivery(registry).state == DeliveryState.DUE


def test_what_waits_for_a_commitment_is_requeued_to_where_it_is(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=now) is Step.DELIVER
    assert delivery(registry).state == DeliveryState.SENT


def test_a_report_that_is_sent_is_kept_so_and_is_a_predecessor(
    registry: Database, reported_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    sent(registry, reported_study, pipeline, now)
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
