"""Queues of destinations in the registry: pauses, refusals, dead letters, and what they mean for the study."""

from datetime import datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import MetaData, create_engine, event, select

from config.errors import LeaseLostError, RegistryError
from config.sections.pipeline import PipelineSettings
from config.sections.report_objects import ReportObject
from config.steps import Purpose, Step
from db.delivery.commitments import apply_report, await_commitment
from db.delivery.dead_letters import (
    DestinationSummary,
    dead_of,
    deliveries_in,
    delivery_detail,
    destination_summaries,
    resend_deliveries,
)
from db.delivery.deliveries import cancel_deliveries, set_deliveries
from db.delivery.delivering import Answered, offer, record_answer
from db.delivery.queues import QueueClaim, Trouble, queues_of, release_queue
from db.lifecycle.studies import register_instance, requeue
from db.migrating import alembic_config
from db.reading.queries import StudyDetail, list_studies, study_detail
from db.results.recording import append_run
from db.results.reports import NO_ANSWER, delivered_predecessor
from db.session import Database
from db.states import DeliveryState
from db.tables.deliveries import Delivery
from db.tables.studies import Study
from db.working.leases import claim, completing
from tests.db.conftest import Receive
from tests.support.reported import QUIET, announced, due, must_take, report_uid_of, reported, run_of, take

ANSWERS = {
    Answered.ACCEPTED: "0x0000",
    Answered.TO_BE_COMMITTED: "0x0000",
    Answered.REFUSED: "0xA900 data set does not match SOP class",
    Answered.NO_ANSWER: "no answer",
    Answered.NOT_SENT: "OSError",
    Answered.UNFIT: "report 1.2 is lost",
    Answered.NOT_NOW: "0xA700 out of resources",
    Answered.IN_TROUBLE: "answered HTTP 504",
}


def detail(registry: Database, uid: str = "1.2.1") -> StudyDetail:
    with registry.read() as session:
        return study_detail(session, uid)


def answer(
    registry: Database, held: QueueClaim, number: int, answered: Answered, now: datetime, pipeline: PipelineSettings
) -> DeliveryState:
    with registry.write() as session:
        said = ANSWERS[answered]
        return record_answer(session, held, number, answered, answer=said, now=now, pipeline=pipeline)


def release(
    registry: Database, held: QueueClaim, now: datetime, pipeline: PipelineSettings, trouble: Trouble | None = None
) -> None:
    with registry.write() as session:
        release_queue(session, held, trouble=trouble, now=now, pipeline=pipeline)


def summary(registry: Database, name: str, now: datetime) -> DestinationSummary:
    with registry.read() as session:
        return next(found for found in destination_summaries(session, now=now) if found.destination == name)


def number_of(registry: Database, destination: str) -> int:
    with registry.read() as session:
        return session.scalars(select(Delivery.id).where(Delivery.destination == destination)).one()


def test_a_study_is_delivered_with_the_last_answer_that_it_is_owed(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    reported(registry, pipeline, received(), to=["PACS", "SECOND"], now=now)
    assert announced(registry, now) == ["PACS", "SECOND"]
    assert announced(registry, now) == []
    for name, state in (("PACS", "REPORTED"), ("SECOND", "DELIVERED")):
        held = take(registry, name, now)
        assert held is not None
        (item,) = due(registry, name, now)
        assert answer(registry, held, item.delivery_id, Answered.ACCEPTED, now, pipeline) is DeliveryState.DELIVERED
        assert detail(registry).study.state == state
    assert [entry.state_after for entry in detail(registry).journal][-2:] == ["REPORTED", "DELIVERED"]


def test_all_that_waits_for_a_destination_costs_one_probe_a_pause_and_no_attempt(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    for number in range(3):
        reported(registry, pipeline, received(study=f"1.2.{number}"), to=["PACS"], now=now)
    pauses = []
    for _ in range(60):
        held = must_take(registry, "PACS", now)
        assert len(due(registry, "PACS", now)) == 3
        release(registry, held, now, pipeline, Trouble(reason="PACS: connection refused"))
        found = summary(registry, "PACS", now)
        assert (found.circuit, found.trouble, found.counts) == ("open", "PACS: connection refused", {"DUE": 3})
        assert found.asked_again_at is not None
        assert announced(registry, found.asked_again_at - timedelta(milliseconds=1)) == []
        assert take(registry, "PACS", now) is None
        pauses.append((found.asked_again_at - now).total_seconds())
        now = found.asked_again_at
    assert summary(registry, "PACS", now).circuit == "half-open"
    longest = [pipeline.back_off_s(attempts) for attempts in range(1, 61)]
    assert longest[:3] == [10, 20, 40]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert len(set(pauses)) == 60, "two installations do not ask at the same moments for ever"
    with registry.read() as session:
        assert {study.reason for study in list_studies(session)} == {"PACS: PACS: connection refused"}
        assert set(session.scalars(select(Delivery.attempts))) == {0}


def test_one_answer_closes_the_circuit_again(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    for number in range(2):
        reported(registry, pipeline, received(study=f"1.2.{number}"), to=["PACS"], now=now)
    for _ in range(5):
        release(registry, must_take(registry, "PACS", now), now, pipeline, Trouble(reason="away"))
        now += timedelta(seconds=pipeline.retry_at_most_s)
    held = must_take(registry, "PACS", now)
    first, second = due(registry, "PACS", now)
    answer(registry, held, first.delivery_id, Answered.ACCEPTED, now, pipeline)
    answer(registry, held, second.delivery_id, Answered.NOT_NOW, now, pipeline)
    release(registry, held, now, pipeline, Trouble(reason="0xA700"))
    again = summary(registry, "PACS", now).asked_again_at
    assert again is not None
    assert again <= now + timedelta(seconds=pipeline.retry_after_s)


@pytest.mark.parametrize("answered", [Answered.NO_ANSWER, Answered.NOT_SENT, Answered.UNFIT])
def test_what_the_destination_has_not_said_closes_no_circuit(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime, answered: Answered
) -> None:
    reported(registry, pipeline, received(), to=["PACS"], now=now)
    for _ in range(5):
        release(registry, must_take(registry, "PACS", now), now, pipeline, Trouble(reason="away"))
        now += timedelta(seconds=pipeline.retry_at_most_s)
    held = must_take(registry, "PACS", now)
    answer(registry, held, number_of(registry, "PACS"), answered, now, pipeline)
    with registry.read() as session:
        assert queues_of(session, Purpose.DELIVER)["PACS"].attempts == 5
        assert delivery_detail(session, number_of(registry, "PACS")).delivery.attempts == (
            0 if answered is Answered.UNFIT else 1
        )


def test_what_is_out_of_resources_for_one_object_goes_behind_the_others_and_uses_no_attempt(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    for number in range(2):
        reported(registry, pipeline, received(study=f"1.2.{number}"), to=["PACS"], now=now)
    held = must_take(registry, "PACS", now)
    first, second = (item.delivery_id for item in due(registry, "PACS", now))
    assert answer(registry, held, first, Answered.NOT_NOW, now, pipeline) is DeliveryState.DUE
    assert [item.delivery_id for item in due(registry, "PACS", now)] == [second, first]
    with registry.read() as session:
        assert delivery_detail(session, first).delivery.attempts == 0


@pytest.mark.parametrize("in_trouble", [Answered.NOT_NOW, Answered.IN_TROUBLE])
@pytest.mark.parametrize("taken", [Answered.ACCEPTED, Answered.TO_BE_COMMITTED])
def test_an_object_that_a_destination_is_out_of_resources_for_while_it_takes_others_is_dead_in_the_end(
    registry: Database,
    pipeline: PipelineSettings,
    received: Receive,
    now: datetime,
    in_trouble: Answered,
    taken: Answered,
) -> None:
    few = pipeline.model_copy(update={"maximum_delivery_attempts": 3})
    reported(registry, few, received(), to=["PACS"], now=now)
    held, number = must_take(registry, "PACS", now), number_of(registry, "PACS")

    def answered() -> tuple[str, int]:
        state = answer(registry, held, number, in_trouble, now, few)
        with registry.read() as session:
            return state, delivery_detail(session, number).delivery.attempts

    for tries in range(4):
        now += timedelta(hours=1)
        assert answered() == (("DEAD" if tries == 3 else "DUE"), tries)
        now += timedelta(hours=1)
        if tries < 3:
            assert answered() == ("DUE", tries), "nothing was taken between the two"
        reported(registry, few, received(study=f"1.2.9{tries}"), to=["PACS"], now=now)
        (other,) = (item for item in due(registry, "PACS", now) if item.study_instance_uid == f"1.2.9{tries}")
        answer(registry, held, other.delivery_id, taken, now + timedelta(minutes=1), few)
    failed = detail(registry)
    assert failed.study.state == "FAILED"
    assert "PACS: given up after 3 attempts: " in str(failed.reason)


def test_what_others_have_taken_or_was_committed_to_does_not_blame_an_object(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    """A full PACS commits to what it has; and it is another that has room."""
    reported(registry, pipeline, received(study="1.2.8"), to=["PACS"], now=now)
    held = must_take(registry, "PACS", now)
    (there,) = due(registry, "PACS", now)
    answer(registry, held, there.delivery_id, Answered.TO_BE_COMMITTED, now, pipeline)
    with registry.write() as session:
        await_commitment(session, [there.delivery_id], transaction_uid="2.25.1", asked_at=now, pipeline=pipeline)
    now += timedelta(seconds=1)
    reported(registry, pipeline, received(), to=["PACS", "SECOND"], now=now)
    (waits,) = (item.delivery_id for item in due(registry, "PACS", now) if not item.is_sent)
    answer(registry, held, waits, Answered.NOT_NOW, now, pipeline)
    now += timedelta(seconds=1)
    with registry.write() as session:
        uids = [report_uid_of("1.2.8")]
        said = {"transaction_uid": "2.25.1", "destinations": ["PACS"], "committed": uids, "failed": {}}
        (applied,) = apply_report(session, **said, now=now, pipeline=pipeline)  # type: ignore[arg-type]
        assert applied.state == "DELIVERED"
    second = must_take(registry, "SECOND", now)
    (elsewhere,) = due(registry, "SECOND", now)
    answer(registry, second, elsewhere.delivery_id, Answered.ACCEPTED, now, pipeline)
    answer(registry, held, waits, Answered.NOT_NOW, now + timedelta(seconds=1), pipeline)
    with registry.read() as session:
        assert delivery_detail(session, waits).delivery.attempts == 0


def test_a_trouble_of_ours_is_looked_at_again_soon_and_does_not_make_pauses_grow(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    reported(registry, pipeline, received(), to=["PACS"], now=now)
    for _ in range(20):
        held = must_take(registry, "PACS", now)
        release(registry, held, now, pipeline, Trouble(reason="the spool is not there", is_ours=True))
        again = summary(registry, "PACS", now).asked_again_at
        assert again == now + timedelta(seconds=pipeline.surroundings_again_after_s)
        now = again


def test_a_refused_object_waits_a_random_part_of_growing_pauses_and_then_is_dead(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    few = pipeline.model_copy(update={"maximum_delivery_attempts": 6})
    reported(registry, few, received(), to=["PACS", "SECOND"], now=now)
    number, waits = number_of(registry, "PACS"), []
    for attempt in range(1, 7):
        held = must_take(registry, "PACS", now)
        state = answer(registry, held, number, Answered.REFUSED, now, few)
        release(registry, held, now, few)
        with registry.read() as session:
            delivery = delivery_detail(session, number).delivery
        assert delivery.attempts == attempt
        if delivery.next_attempt_at is None:
            break
        wait_s = (delivery.next_attempt_at - now).total_seconds()
        assert 0 <= wait_s <= few.back_off_s(attempt)
        waits.append(wait_s)
        now = delivery.next_attempt_at
    assert state is DeliveryState.DEAD
    assert len(waits) == len(set(waits)) == 5
    failed = detail(registry)
    assert (failed.study.state, failed.study.failed_step) == ("FAILED", "deliver")
    assert failed.reason == (
        "PACS: given up after 6 attempts: 0xA900 data set does not match SOP class; mend the cause, then "
        f"echoworker deliveries resend {number}"
    )
    with registry.read() as session:
        found = delivery_detail(session, number)
    assert [(said.state, said.answer) for said in found.answers] == [
        *[("DUE", ANSWERS[Answered.REFUSED])] * 5,
        ("DEAD", ANSWERS[Answered.REFUSED]),
    ]


def dead_letter(registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime) -> int:
    """Of a study that SECOND is owed too."""
    reported(registry, pipeline, received(), to=["PACS", "SECOND"], now=now)
    held, number = must_take(registry, "PACS", now), number_of(registry, "PACS")
    assert answer(registry, held, number, Answered.UNFIT, now, pipeline) is DeliveryState.DEAD
    release(registry, held, now, pipeline)
    return number


def test_other_destinations_of_a_study_with_a_dead_letter_are_served_all_the_same(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    number = dead_letter(registry, pipeline, received, now)
    held = must_take(registry, "SECOND", now + timedelta(hours=1))
    (item,) = due(registry, "SECOND", now)
    answer(registry, held, item.delivery_id, Answered.ACCEPTED, now, pipeline)
    assert detail(registry).study.state == "FAILED"
    with registry.read() as session:
        assert [found.delivery.id for found in deliveries_in(session, DeliveryState.DEAD, limit=10)] == [number]
        assert (dead_of(session, "PACS"), dead_of(session, "SECOND")) == ([number], [])


def test_a_dead_letter_is_resent_at_once_and_its_study_goes_on(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    number = dead_letter(registry, pipeline, received, now)
    reported(registry, pipeline, received(study="1.2.9"), to=["PACS"], now=now)
    release(registry, must_take(registry, "PACS", now), now, pipeline, Trouble(reason="away"))
    with registry.write() as session:
        resend_deliveries(session, [number], now=now)
    assert detail(registry).study.state == "REPORTED"
    assert announced(registry, now) == ["PACS"], "the pause is over"
    for name in ("PACS", "SECOND"):
        held = must_take(registry, name, now + timedelta(hours=1))
        for item in due(registry, name, now):
            answer(registry, held, item.delivery_id, Answered.ACCEPTED, now, pipeline)
    assert detail(registry).study.state == "DELIVERED"
    with registry.write() as session:
        resend_deliveries(session, [number], now=now)
    assert detail(registry).study.state == "REPORTED"
    assert [item.delivery_id for item in due(registry, "PACS", now)] == [number]
    with registry.write() as session:
        resend_deliveries(session, [number], now=now, by="somebody else")
        last = study_detail(session, detail(registry).study.study_instance_uid).journal[-1]
    assert (last.state_before, last.state_after, last.reason) == ("REPORTED", "REPORTED", "resent by somebody else")


def test_many_dead_letters_are_resent_with_as_few_questions_as_one(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    for number in range(9):
        reported(registry, pipeline, received(study=f"1.2.{number}"), to=["PACS"], now=now)
    with registry.read() as session:
        first, *others = session.scalars(select(Delivery.id).order_by(Delivery.id))

    def asked_for(numbers: list[int]) -> int:
        with registry.write() as session:
            asked: list[str] = []

            def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
                asked.append(statement)

            event.listen(session.connection(), "before_cursor_execute", note)
            resend_deliveries(session, numbers, now=now)
            return sum(statement.startswith("SELECT") for statement in asked)

    assert asked_for(others) == asked_for([first])


def test_a_study_that_is_scored_again_keeps_no_other_dead_letter_from_being_resent(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    dead_letter(registry, pipeline, received, now)
    reported(registry, pipeline, received(study="1.2.9"), to=["PACS"], now=now)
    held = must_take(registry, "PACS", now)
    (of_other,) = (item.delivery_id for item in due(registry, "PACS", now) if item.study_instance_uid == "1.2.9")
    answer(registry, held, of_other, Answered.UNFIT, now, pipeline)
    release(registry, held, now, pipeline)
    with registry.write() as session:
        requeue(session, "1.2.1", now=now, step=Step.PREPARE)
        study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == "1.2.1")).one()
    for step in (Step.PREPARE, Step.SCORE):
        with registry.write() as session:
            claimed = claim(session, study_id, step, owner="w", now=now, pipeline=pipeline)
            assert claimed is not None
            with completing(session, claimed, now=now):
                if step is Step.SCORE:
                    append_run(session, study_id=study_id, run=run_of("1.2.1", "again", now), units={})
    with registry.write() as session:
        assert dead_of(session, "PACS") == [of_other], "the other is cancelled once the new run is reported"
        resend_deliveries(session, dead_of(session, "PACS"), now=now)
    assert [item.delivery_id for item in due(registry, "PACS", now)] == [of_other]


def test_what_is_not_known_or_replaced_is_not_resent(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    number = dead_letter(registry, pipeline, received, now)
    with registry.write() as session, pytest.raises(RegistryError, match="no delivery has the number 4711"):
        resend_deliveries(session, [number, 4711], now=now)
    later = now + timedelta(minutes=5)
    reported(registry, pipeline, received(at=later), to=["PACS"], now=later)
    with registry.read() as session:
        old = delivery_detail(session, number).delivery
    assert (old.state, old.last_answer) == (DeliveryState.CANCELLED, "a later run has taken its place")
    with registry.write() as session, pytest.raises(RegistryError, match="of a former run"):
        resend_deliveries(session, [number], now=later)
    assert [item.delivery_id for item in due(registry, "PACS", later)] != [number]


def test_nothing_is_due_of_a_study_that_is_opened_again(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    reported(registry, pipeline, received(), to=["PACS"], now=now)
    with registry.write() as session:
        register_instance(session, received(at=now), QUIET)
    assert announced(registry, now) == due(registry, "PACS", now) == []


def test_with_the_last_destination_gone_the_study_says_that_nobody_has_its_report(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    reported(registry, pipeline, received(), to=["PACS"], now=now)
    with registry.write() as session:
        of_studies = cancel_deliveries(session, [number_of(registry, "PACS")], reason="no longer configured", now=now)
    assert of_studies == {"1.2.1": 1}
    assert detail(registry).study.state == "REPORTED"
    assert detail(registry).reason == "the report stays here: no destination accepts results of RESEARCH models"
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=now) is Step.REPORT


def test_a_report_that_is_made_due_for_those_alone_who_have_it_is_delivered(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    study_id = reported(registry, pipeline, received(), to=["PACS", "SECOND"], now=now)
    held, number = must_take(registry, "PACS", now), number_of(registry, "PACS")
    answer(registry, held, number, Answered.ACCEPTED, now, pipeline)
    with registry.write() as session:
        set_deliveries(session, study_id=study_id, wanted={ReportObject.SR: ["PACS"]})
    assert detail(registry).study.state == "REPORTED"
    announced(registry, now)
    assert detail(registry).study.state == "DELIVERED"


def test_the_report_goes_after_what_it_refers_to_and_fresh_objects_before_refused_ones(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    kinds = (ReportObject.SR, ReportObject.HEAT_MAP, ReportObject.PDF)
    reported(registry, pipeline, received(study="1.2.1"), to=["PACS"], now=now, kinds=kinds)
    reported(registry, pipeline, received(study="1.2.2"), to=["PACS"], now=now)
    order = [(item.study_instance_uid, item.kind) for item in due(registry, "PACS", now)]
    assert order == [
        ("1.2.1", ReportObject.HEAT_MAP),
        ("1.2.1", ReportObject.PDF),
        ("1.2.1", ReportObject.SR),
        ("1.2.2", ReportObject.SR),
    ]
    held, first = must_take(registry, "PACS", now), due(registry, "PACS", now)[0]
    answer(registry, held, first.delivery_id, Answered.REFUSED, now, pipeline)
    later = now + timedelta(hours=1)
    assert due(registry, "PACS", later)[-1] == first


def predecessor(registry: Database, study_id: int) -> str | None:
    """What a next report of this study would say that it supersedes."""
    with registry.read() as session:
        found = delivered_predecessor(session, study_id=study_id, run_uid="a later one")
        return found.sop_instance_uid if found else None


def test_what_is_under_way_or_was_without_an_answer_is_superseded_by_the_next_report_and_what_was_refused_is_not(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    study_id = reported(registry, pipeline, received(), to=["PACS"], now=now)
    number, held = number_of(registry, "PACS"), must_take(registry, "PACS", now)

    def offered() -> None:
        with registry.write() as session:
            assert offer(session, held, number, now=now)

    assert predecessor(registry, study_id) is None
    offered()
    assert predecessor(registry, study_id) == report_uid_of("1.2.1")
    now += timedelta(seconds=1)
    answer(registry, held, number, Answered.REFUSED, now, pipeline)
    assert predecessor(registry, study_id) is None
    now += timedelta(hours=1)
    offered()
    with registry.write() as session:
        said = Answered.NO_ANSWER
        record_answer(session, held, number, said, answer=NO_ANSWER, now=now + timedelta(seconds=1), pipeline=pipeline)
    assert predecessor(registry, study_id) == report_uid_of("1.2.1")
    reported(registry, pipeline, received(at=now), to=["PACS"], now=now)
    assert predecessor(registry, study_id) == report_uid_of("1.2.1"), "its delivery is cancelled, the object is there"
    with registry.write() as session:
        assert not offer(session, held, number, now=now)


@pytest.mark.parametrize("in_doubt", [Answered.NO_ANSWER, Answered.IN_TROUBLE])
def test_what_may_have_been_stored_is_superseded_until_the_destination_says_otherwise(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime, in_doubt: Answered
) -> None:
    reported(registry, pipeline, received(), to=["VNA"], now=now)
    held, number = must_take(registry, "VNA", now), number_of(registry, "VNA")
    with registry.read() as session:
        study_id = session.scalars(select(Study.id)).one()
    expected = report_uid_of("1.2.1")
    for answered, there in (
        (Answered.NOT_NOW, None),
        (in_doubt, expected),
        (Answered.NOT_NOW, expected),
        (Answered.NOT_SENT, expected),
        (Answered.REFUSED, None),
        (Answered.NOT_NOW, None),
    ):
        with registry.write() as session:
            assert offer(session, held, number, now=now)
        now += timedelta(seconds=1)
        answer(registry, held, number, answered, now, pipeline)
        assert predecessor(registry, study_id) == there, answered
        now += timedelta(hours=1)
    with registry.read() as session:
        found = delivery_detail(session, number)
        kept, attempts = [said.answer for said in found.answers], found.delivery.attempts
    assert kept[1] in ("no answer", "no answer: answered HTTP 504")
    assert kept[2:4] == ["no answer before; 0xA700 out of resources", "no answer before; OSError"]
    assert attempts == (3 if in_doubt is Answered.NO_ANSWER else 2)


def test_what_a_pacs_has_is_superseded_also_where_it_is_being_sent_once_more(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    study_id = reported(registry, pipeline, received(), to=["PACS"], now=now)
    number, held = number_of(registry, "PACS"), must_take(registry, "PACS", now)
    answer(registry, held, number, Answered.ACCEPTED, now, pipeline)
    with registry.write() as session:
        resend_deliveries(session, [number], now=now)
    later = now + timedelta(minutes=5)
    answer(registry, held, number, Answered.REFUSED, later, pipeline)
    reported(registry, pipeline, received(at=later), to=["PACS"], now=later)
    with registry.read() as session:
        assert delivery_detail(session, number).delivery.state == DeliveryState.CANCELLED
    assert predecessor(registry, study_id) == report_uid_of("1.2.1")


def test_a_lease_that_ran_out_writes_nothing(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    reported(registry, pipeline, received(), to=["PACS"], now=now)
    first = must_take(registry, "PACS", now)
    later = now + timedelta(seconds=61)
    must_take(registry, "PACS", later)
    with pytest.raises(LeaseLostError):
        answer(registry, first, number_of(registry, "PACS"), Answered.ACCEPTED, later, pipeline)
    assert detail(registry).study.state == "REPORTED"
    assert summary(registry, "PACS", later).worked_on


def test_what_an_earlier_version_has_given_up_becomes_dead_letters(registry_url: str, now: datetime) -> None:
    """It had a row for each peer that it forwarded to, and let a destination out of reach use up attempts."""
    registry, engine = Database(registry_url), create_engine(registry_url)
    registry.upgrade("0007")
    text = {"model_name": "m", "model_version": "1", "model_family": "f", "model_label": "RESEARCH"}
    digests = {"model_digest": "", "catalogue_digest": "", "software_version": "0", "preprocessing_profile": "p"}
    with engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection)

        def put(table: str, **row: object) -> None:
            connection.execute(tables.tables[table].insert().values(**row))

        for number, state, step in ((1, "FAILED", "deliver"), (2, "REPORTED", None)):
            times = {"state_since": now, "created_at": now, "last_instance_at": now}
            uid = {"study_instance_uid": f"1.2.{number}", "revision": 1, "attempts": 50, "lease_token": "x"}
            put("studies", id=number, state=state, failed_step=step, **uid, **times)
            run = {"run_uid": f"r{number}", "study_id": number, "revision": 1, "finished_at": now, "clips": []}
            put("runs", id=number, **run, **text, **digests)
            put("current_runs", study_id=number, run_id=number)
            file = {"sop_class_uid": "1", "spool_path": "x", "sha256": "", "created_at": now, "language": "en"}
            put("reports", id=number, study_id=number, run_id=number, sop_instance_uid=f"2.25.{number}", **file)
            put("deliveries", id=number, report_id=number, destination="PACS", state="DUE", attempts=50)
        put("forward_peers", peer="LAB", attempts=3, last_answer="away")
    registry.upgrade()
    with registry.read() as session:
        assert dead_of(session, "PACS") == [1]
        assert delivery_detail(session, 2).delivery.attempts == 0
        assert {name: queue.attempts for name, queue in queues_of(session, Purpose.FORWARD).items()} == {"LAB": 3}
    assert announced(registry, now) == ["PACS"]
    assert [item.delivery_id for item in due(registry, "PACS", now)] == [2]
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0007")
        after = MetaData()
        after.reflect(connection)
        assert set(connection.scalars(select(after.tables["deliveries"].c.state))) == {"DUE"}
        assert connection.scalars(select(after.tables["forward_peers"].c.attempts)).one() == 3
    engine.dispose()
    registry.close()
