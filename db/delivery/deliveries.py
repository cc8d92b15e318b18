"""Where the objects made for the PACS go, what became of that, and what it means for their study.

Whoever changes a delivery that may be under way has locked its study before, as every transaction here does.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from config.labels import ModelLabel
from config.sections.pipeline import PipelineSettings
from config.sections.report_objects import ReportObject
from config.steps import Step
from db.journal import record_transition
from db.results.reports import current_reports
from db.states import DeliveryState, StudyState
from db.tables.deliveries import Delivery, DeliveryAnswer, Report
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import Study

OWED = (DeliveryState.DUE, DeliveryState.SENT)
"""Not settled: to be sent, or to be committed to."""


def set_deliveries(session: Session, *, study_id: int, wanted: Mapping[ReportObject, Collection[str]]) -> None:
    """Make each current object due for exactly these destinations; what was delivered, or sent, stays so.

    What is owed of the study's former runs is cancelled: these objects take its place.
    """
    for report in current_reports(session, study_id=study_id):
        destinations = wanted.get(ReportObject(report.kind), ())
        for delivery in report.deliveries:
            if delivery.state == DeliveryState.DELIVERED:
                continue
            if delivery.destination not in destinations:
                delivery.state = DeliveryState.CANCELLED
            elif delivery.state != DeliveryState.SENT:
                start_anew(delivery)
        known = {delivery.destination for delivery in report.deliveries}
        report.deliveries += [
            Delivery(destination=name, state=DeliveryState.DUE) for name in destinations if name not in known
        ]
    current = select(CurrentRun.run_id).where(CurrentRun.study_id == study_id).scalar_subquery()
    of_former_runs = select(Delivery).join(Report).where(Report.study_id == study_id, Report.run_id != current)
    unsent = (DeliveryState.DUE, DeliveryState.DEAD)
    for delivery in session.scalars(of_former_runs.where(Delivery.state.in_(unsent))):
        _cancel(delivery, "a later run has taken its place")


def deliver_again(session: Session, *, study_id: int, what_is_there_too: bool = True) -> int:
    """Make the deliveries of the current objects due, with fresh attempts, but for cancelled ones; how many these are.

    Not `what_is_there_too`: those alone that no destination has accepted.
    """
    there = (DeliveryState.SENT, DeliveryState.DELIVERED)
    again = [d for d in deliveries_of(session, study_id) if d.state != DeliveryState.CANCELLED]
    for delivery in again:
        if what_is_there_too or delivery.state not in there:
            start_anew(delivery)
    return len(again)


def start_anew(delivery: Delivery) -> None:
    """Make one delivery due, with fresh attempts, whatever became of it."""
    delivery.state = DeliveryState.DUE
    delivery.attempts = 0
    delivery.next_attempt_at = None
    delivery.transaction_uid = None  # a late report on the object as it was sent before does not count


def of_current_runs(*columns: Any) -> Select[Any]:
    """A question about deliveries, with their `Report`: of the current objects of their studies alone."""
    return (
        select(*columns)
        .select_from(Delivery)
        .join(Report, Report.id == Delivery.report_id)
        .join(CurrentRun, and_(CurrentRun.study_id == Report.study_id, CurrentRun.run_id == Report.run_id))
    )


def owed_deliveries(session: Session, *, study_id: int) -> list[Delivery]:
    """The deliveries of the study's current objects that are due, or whose storage commitment is awaited."""
    return [d for d in deliveries_of(session, study_id) if d.state in OWED]


def deliveries_of(session: Session, study_id: int) -> list[Delivery]:
    """All deliveries of the study's current objects."""
    return [d for report in current_reports(session, study_id=study_id) for d in report.deliveries]


def cancel_deliveries(session: Session, delivery_ids: Sequence[int], *, reason: str, now: datetime) -> dict[str, int]:
    """Give these up: nobody is owed them any more. What was delivered or cancelled stays so.

    How many these were, by Study Instance UID.
    """
    of_studies = {}
    for study, deliveries in lock_deliveries(session, delivery_ids):
        of_studies[study.study_instance_uid] = len(deliveries)
        for delivery in deliveries:
            if delivery.state in (*OWED, DeliveryState.DEAD):
                _cancel(delivery, reason)
                note_answer(session, delivery, reason, now=now)
        settle(session, study, now=now)
    return of_studies


def lock_deliveries(session: Session, delivery_ids: Sequence[int]) -> list[tuple[Study, list[Delivery]]]:
    """These deliveries by study, all of them locked and as they are now.

    Studies are locked in the order of their UIDs, as everybody does: none waits for another in a circle.
    """
    of_studies = select(Study.id).join(Report, Report.study_id == Study.id).join(Delivery)
    chosen = of_studies.where(Delivery.id.in_(delivery_ids))
    studies = session.scalars(
        select(Study).where(Study.id.in_(chosen)).order_by(Study.study_instance_uid).with_for_update()
    ).all()
    locked = (
        select(Report.study_id, Delivery)
        .join(Delivery.report)
        .where(Delivery.id.in_(delivery_ids))
        .order_by(Delivery.id)
        .with_for_update(of=Delivery)
        .execution_options(populate_existing=True)
    )
    by_study: dict[int, list[Delivery]] = {}
    for study_id, delivery in session.execute(locked):
        by_study.setdefault(study_id, []).append(delivery)
    return [(study, by_study.get(study.id, [])) for study in studies]


def refuse(session: Session, delivery: Delivery, *, answer: str, now: datetime, pipeline: PipelineSettings) -> None:
    """The destination does not have it: due again after a pause, or dead where its attempts are used up."""
    if delivery.attempts >= pipeline.maximum_delivery_attempts:
        bury(session, delivery, answer=answer, now=now)
        return
    delivery.state = DeliveryState.DUE
    delivery.last_answer = answer
    delivery.next_attempt_at = now + timedelta(seconds=pipeline.back_off_with_jitter_s(delivery.attempts))
    note_answer(session, delivery, answer, now=now)


def bury(session: Session, delivery: Delivery, *, answer: str, now: datetime) -> None:
    """It is tried no more until somebody says so: a dead letter."""
    delivery.state = DeliveryState.DEAD
    delivery.last_answer = answer
    delivery.next_attempt_at = None
    note_answer(session, delivery, answer, now=now)


def note_answer(session: Session, delivery: Delivery, answer: str, *, now: datetime) -> None:
    """Keep what a destination has said, with the state that this has led to."""
    session.add(DeliveryAnswer(delivery_id=delivery.id, at=now, state=delivery.state, answer=answer))


def settle(session: Session, study: Study, *, now: datetime) -> None:
    """Move a (locked) study on, if what became of its deliveries does: FAILED with the first dead letter, DELIVERED
    once it is owed nothing more. One that nobody has, and nobody is to have, stays REPORTED and says so.
    """
    if study.state != StudyState.REPORTED:
        return
    session.flush()
    deliveries = deliveries_of(session, study.id)
    if dead := [d for d in deliveries if d.state == DeliveryState.DEAD]:
        reason = "; ".join(_why_dead(d) for d in dead)
        _end(session, study, StudyState.FAILED, now=now, attempt=max(d.attempts for d in dead), reason=reason)
    elif any(d.state in OWED for d in deliveries):
        study.reason = None
    elif any(d.state == DeliveryState.DELIVERED for d in deliveries):
        _end(session, study, StudyState.DELIVERED, now=now, attempt=max(d.attempts for d in deliveries))
    else:
        of_current_run = select(RunRow.model_label).join(CurrentRun, CurrentRun.run_id == RunRow.id)
        label = session.scalar(of_current_run.where(CurrentRun.study_id == study.id))
        study.reason = no_destination(ModelLabel(label)) if label else None


def no_destination(label: ModelLabel) -> str:
    """Why a study with a report goes no further."""
    return f"the report stays here: no destination accepts results of {label} models"


def _why_dead(delivery: Delivery) -> str:
    attempts = f" after {delivery.attempts} attempts" if delivery.attempts else ""
    return (
        f"{delivery.destination}: given up{attempts}: {delivery.last_answer}; mend the cause, then "
        f"echoworker deliveries resend {delivery.id}"
    )


def _end(
    session: Session, study: Study, state: StudyState, *, now: datetime, attempt: int, reason: str | None = None
) -> None:
    before, took = study.state, now - study.state_since
    study.state, study.state_since, study.reason = state, now, reason
    study.failed_step = Step.DELIVER if state is StudyState.FAILED else None
    record_transition(
        session,
        study,
        before=before,
        at=now,
        step=Step.DELIVER,
        attempt=attempt,
        duration_ms=max(round(took.total_seconds() * 1000), 0),
        reason=reason,
    )


def _cancel(delivery: Delivery, reason: str) -> None:
    delivery.state = DeliveryState.CANCELLED
    delivery.last_answer = reason
