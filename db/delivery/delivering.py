"""The queues of destinations: what is due for each, and what it answers to that; the answer moves the study on."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, or_, select
from sqlalchemy.orm import Session

from config.labels import ModelLabel
from config.languages import Language
from config.sections.pipeline import PipelineSettings
from config.sections.report_objects import ReportObject
from config.steps import Lane, Purpose, Step
from db.delivery.deliveries import OWED, bury, lock_deliveries, note_answer, of_current_runs, refuse, settle
from db.delivery.queues import QueueClaim, hold_queue, take_queue_announcements
from db.results.reports import NO_ANSWER
from db.results.run_rows import run_of
from db.results.runs import Run
from db.states import DeliveryState, StudyState
from db.tables.deliveries import Delivery, DeliveryAnswer, Report
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import Study
from db.working.pauses import sending_is_paused


@dataclass(frozen=True, kw_only=True)
class DueDelivery:
    """An object that a destination is to get, or to commit to keeping."""

    delivery_id: int
    study_id: int
    study_instance_uid: str
    model_label: ModelLabel
    kind: ReportObject
    sop_class_uid: str
    sop_instance_uid: str
    spool_path: str
    sha256: str
    language: Language
    """Of its sentences."""
    is_sent: bool
    """The destination has it: only its commitment is asked for."""
    sent_as: str
    """The SOP Instance UID that it has there, where it is another."""


class Answered(Enum):
    """What a destination's answer says of one object."""

    ACCEPTED = auto()
    """It has it, for good."""
    TO_BE_COMMITTED = auto()
    """It has it, and is to be asked to commit to keeping it."""
    REFUSED = auto()
    """It does not take it: tried again, until the attempts are used up."""
    NO_ANSWER = auto()
    """It was sent this one, and broke off or fell silent: as if it had refused, but it may have it."""
    IN_TROUBLE = auto()
    """As not now, but it was sent this one, and may have it."""
    NOT_SENT = auto()
    """It was not asked, as something here failed with this one: as if it had refused."""
    NOT_TAKEN_THERE = auto()
    """It takes no objects of this kind, and has no need to: what goes beside the report is given up there."""
    UNFIT = auto()
    """It cannot be sent as it is: trying again would change nothing."""
    NOT_NOW = auto()
    """The destination, or this machine, is out of something. An attempt is used only where the destination has taken
    another since this one was last tried: then it is this one that it cannot bear."""


_SAID_BY_IT = (Answered.ACCEPTED, Answered.TO_BE_COMMITTED, Answered.REFUSED, Answered.NOT_TAKEN_THERE)
"""A destination that says one of these is there: its circuit closes."""
_MAY_HAVE_IT = (Answered.NO_ANSWER, Answered.IN_TROUBLE)
_SAYS_NOTHING = (Answered.NOT_NOW, Answered.NOT_SENT, Answered.UNFIT)
_IN_VAIN = (Answered.REFUSED, Answered.NO_ANSWER, Answered.NOT_SENT)
_IN_TROUBLE = (Answered.NOT_NOW, Answered.IN_TROUBLE)


def due_deliveries(session: Session, destination: str, *, now: datetime, limit: int) -> list[DueDelivery]:
    """What is to be sent to a destination now, or asked of it.

    First what was never tried, STAT ahead; then what was tried longest ago, in whichever lane and however often: an
    object that the destination has no room for would hold up all others behind it. Of one run, the Structured Report
    last: what it refers to goes ahead of it.
    """
    lane = case((Delivery.last_attempt_at.is_(None), Study.lane), else_=Lane.ROUTINE)
    report_last = case((Report.kind == ReportObject.SR, 1), else_=0)
    rows = session.execute(
        _owed(Delivery, Report, Study, RunRow.model_label)
        .join(RunRow, RunRow.id == Report.run_id)
        .where(Delivery.destination == destination, _is_due(now))
        .order_by(
            Delivery.last_attempt_at.is_not(None),
            lane,
            Delivery.last_attempt_at,
            Report.run_id,
            report_last,
            Delivery.id,
        )
        .limit(limit)
    )
    return [
        DueDelivery(
            delivery_id=delivery.id,
            study_id=study.id,
            study_instance_uid=study.study_instance_uid,
            model_label=ModelLabel(label),
            kind=ReportObject(report.kind),
            sop_class_uid=report.sop_class_uid,
            sop_instance_uid=report.sop_instance_uid,
            spool_path=report.spool_path,
            sha256=report.sha256,
            language=Language(report.language),
            is_sent=delivery.state == DeliveryState.SENT,
            sent_as=delivery.sent_as or "",
        )
        for delivery, report, study, label in rows
    ]


def owed_to(session: Session, destination: str, *, limit: int) -> list[int]:
    """Deliveries that a destination is owed, whatever pause they are in."""
    owed = select(Delivery.id).where(Delivery.destination == destination, Delivery.state.in_(OWED))
    return list(session.scalars(owed.order_by(Delivery.id).limit(limit)))


def owed_run(session: Session, item: DueDelivery) -> Run | None:
    """The run that an object was made of; None where it is owed no more, as a later run has taken its place."""
    of_object = _owed(RunRow).join(RunRow, RunRow.id == Report.run_id).where(Delivery.id == item.delivery_id)
    row = session.scalar(of_object)
    return None if row is None else run_of(row, item.study_instance_uid)


def offer(session: Session, held: QueueClaim, delivery_id: int, *, now: datetime) -> bool:
    """Note that an object goes to its destination now; False where it is not to, overtaken since it was due, or paused.

    From here on the destination may have it, whatever becomes of its answer
    (`db.results.reports.delivered_predecessor`).

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    hold_queue(session, held)
    ((_, (delivery,)),) = lock_deliveries(session, [delivery_id])
    if sending_is_paused(session, Purpose.DELIVER, held.peer):
        return False
    still_due = _owed(Delivery.id).where(Delivery.id == delivery_id, Delivery.state == DeliveryState.DUE)
    if session.scalar(still_due) is None:
        return False
    delivery.last_attempt_at = now
    return True


def record_answer(
    session: Session,
    held: QueueClaim,
    delivery_id: int,
    answered: Answered,
    *,
    answer: str,
    now: datetime,
    pipeline: PipelineSettings,
    sent_as: str = "",
) -> DeliveryState:
    """Note what a destination answered to one object, and let its study go on; the state that the delivery is in.

    `sent_as` is the SOP Instance UID that it was sent under, where that is another.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    queue = hold_queue(session, held)
    if answered in _SAID_BY_IT:
        queue.attempts = 0
    ((study, (delivery,)),) = lock_deliveries(session, [delivery_id])
    answer = _with_doubt(delivery, answered, answer)
    in_vain = answered in _IN_VAIN or (answered in _IN_TROUBLE and _took_another_since(session, delivery))
    delivery.last_attempt_at = now
    if answered in (Answered.ACCEPTED, Answered.TO_BE_COMMITTED):
        delivery.sent_as = sent_as or None
    delivery.attempts += in_vain or answered in (Answered.ACCEPTED, Answered.TO_BE_COMMITTED)
    is_owed = delivery.state in OWED
    if is_owed and in_vain:
        refuse(session, delivery, answer=answer, now=now, pipeline=pipeline)
    elif is_owed and answered is Answered.UNFIT:
        bury(session, delivery, answer=answer, now=now)
    else:
        if is_owed and answered is Answered.NOT_TAKEN_THERE:
            delivery.state = DeliveryState.CANCELLED
        if answered is Answered.ACCEPTED:
            delivery.state, delivery.delivered_at = DeliveryState.DELIVERED, now
        elif answered is Answered.TO_BE_COMMITTED:
            delivery.state, delivery.next_attempt_at = DeliveryState.SENT, None
        delivery.last_answer = answer
        note_answer(session, delivery, answer, now=now)
    settle(session, study, now=now)
    return DeliveryState(delivery.state)


def _took_another_since(session: Session, delivery: Delivery) -> bool:
    """Whether its destination has taken another object since it last answered to this one."""
    of_this = select(DeliveryAnswer).where(DeliveryAnswer.delivery_id == delivery.id)
    last = session.scalar(of_this.order_by(DeliveryAnswer.id.desc()).limit(1))
    if last is None:
        return False
    another = (
        select(Delivery.id)
        .join(DeliveryAnswer, DeliveryAnswer.delivery_id == Delivery.id)
        .where(
            DeliveryAnswer.id > last.id,  # of all that was ever taken there, what is new
            Delivery.destination == delivery.destination,
            Delivery.state.in_((DeliveryState.SENT, DeliveryState.DELIVERED)),
            Delivery.last_attempt_at > last.at,  # that it has committed to one says nothing of its room
        )
    )
    return session.scalar(another.limit(1)) is not None


def _with_doubt(delivery: Delivery, answered: Answered, answer: str) -> str:
    """That the destination may have it is said with the answer, and is true until it says otherwise itself."""
    if answered in _MAY_HAVE_IT and answer != NO_ANSWER:
        return f"{NO_ANSWER}: {answer}"
    if answered in _SAYS_NOTHING and (delivery.last_answer or "").startswith(NO_ANSWER):
        return f"{NO_ANSWER} before; {answer}"
    return answer


def take_delivery_announcements(
    session: Session, *, now: datetime, wake_again_after_s: float, study_id: int | None = None
) -> list[str]:
    """The destinations that something waits for unannounced, or whose announcement or lease ran out; marked.

    Of all studies, or of one alone, however many others wait. Those that are owed nothing more are settled first: one
    whose report was made due for those alone who have it.
    """
    _settle_what_is_owed_nothing(session, now=now, study_id=study_id)
    waiting = _owed(Delivery.destination).where(_is_due(now))
    if study_id is not None:
        waiting = waiting.where(Study.id == study_id)
    peers = session.scalars(waiting.distinct()).all()
    return take_queue_announcements(session, Purpose.DELIVER, peers, now=now, wake_again_after_s=wake_again_after_s)


def _settle_what_is_owed_nothing(session: Session, *, now: datetime, study_id: int | None) -> None:
    of_current_run = and_(
        CurrentRun.study_id == Study.id, Report.run_id == CurrentRun.run_id, Delivery.report_id == Report.id
    )
    left = (
        select(Study)
        .where(
            Study.state == StudyState.REPORTED,
            exists().where(of_current_run, Delivery.state == DeliveryState.DELIVERED),
            ~exists().where(of_current_run, Delivery.state.in_(OWED)),
        )
        .order_by(Study.study_instance_uid)
        .with_for_update(skip_locked=True, of=Study)
    )
    if study_id is not None:
        left = left.where(Study.id == study_id)
    for study in session.scalars(left).all():
        settle(session, study, now=now)


def _owed(*columns: Any) -> Select[Any]:
    """What is owed of current objects, whose study is not being received or read anew.

    A dead letter fails the study; what the other destinations are owed is delivered all the same.
    """
    failed_here = and_(Study.state == StudyState.FAILED, Study.failed_step == Step.DELIVER)
    return (
        of_current_runs(*columns)
        .join(Study, Study.id == Report.study_id)
        .where(Delivery.state.in_(OWED), or_(Study.state == StudyState.REPORTED, failed_here))
    )


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(Delivery.next_attempt_at.is_(None), Delivery.next_attempt_at <= now)
