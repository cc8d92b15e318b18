"""Deliveries for people: how each destination is doing, what is dead, what was answered; and sending it once more."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from config.errors import NotFoundError, RegistryError
from config.steps import Purpose, Step
from db.delivery.deliveries import OWED, lock_deliveries, of_current_runs, start_anew
from db.delivery.queues import ask_at_once, is_worked_on, queues_of
from db.journal import record_act, record_transition
from db.states import DeliveryState, StudyState
from db.tables.deliveries import Delivery, DeliveryAnswer, Report
from db.tables.peers import PeerQueue
from db.tables.studies import Study
from db.working.pauses import open_pauses, said_of

OTHER_STATES = tuple(state for state in DeliveryState if state is not DeliveryState.DELIVERED)


@dataclass(frozen=True, kw_only=True)
class DestinationSummary:
    """How deliveries to one destination are doing."""

    destination: str
    counts: dict[str, int]
    """Objects by `DeliveryState`: of current runs, and of former ones those that it got."""
    waiting_since: datetime | None
    """When the oldest of what is due was made."""
    circuit: str
    """`closed`; `open`, while nothing is sent; `half-open`, when its next object is a trial."""
    asked_again_at: datetime | None
    trouble: str | None
    """Why the circuit is open; else what was answered last to an object that it has not taken."""
    worked_on: bool
    """Whether a worker sends to it now."""


@dataclass(frozen=True, kw_only=True)
class DeliveryDetail:
    """One delivery with its object, its study and all that was answered."""

    delivery: Delivery
    report: Report
    study: Study
    answers: list[DeliveryAnswer]


def destination_summaries(session: Session, *, now: datetime) -> list[DestinationSummary]:
    """Every destination that something was due for, by name."""
    counts: dict[str, dict[str, int]] = {}
    asked = (Delivery.destination, Delivery.state, func.count())
    # What was delivered is nearly all of it, and counted from an index alone.
    delivered = select(*asked).where(Delivery.state == DeliveryState.DELIVERED)
    others = of_current_runs(*asked).where(Delivery.state.in_(OTHER_STATES))
    for question in (delivered, others):
        for name, state, count in session.execute(question.group_by(Delivery.destination, Delivery.state)):
            counts.setdefault(name, {})[state] = count
    oldest_due = of_current_runs(Delivery.destination, func.min(Report.created_at))
    due = oldest_due.where(Delivery.state == DeliveryState.DUE).group_by(Delivery.destination)
    since: dict[str, datetime] = dict(session.execute(due).all())
    queues = queues_of(session, Purpose.DELIVER)
    return [
        DestinationSummary(
            destination=name,
            counts=by_state,
            waiting_since=since.get(name),
            circuit=_circuit(queues.get(name), now),
            asked_again_at=queues[name].next_attempt_at if name in queues else None,
            trouble=(queues[name].last_answer if name in queues else None) or _last_refusal(session, name),
            worked_on=name in queues and is_worked_on(queues[name], now),
        )
        for name, by_state in sorted(counts.items())
    ]


def deliveries_in(session: Session, state: DeliveryState, *, limit: int, offset: int = 0) -> list[DeliveryDetail]:
    """Deliveries in this state, the latest first, without their answers."""
    found = (
        select(Delivery, Report, Study)
        .join(Report, Report.id == Delivery.report_id)
        .join(Study, Study.id == Report.study_id)
        .where(Delivery.state == state)
        .order_by(Delivery.id.desc())
    )
    return [
        DeliveryDetail(delivery=delivery, report=report, study=study, answers=[])
        for delivery, report, study in session.execute(found.offset(offset).limit(limit))
    ]


def last_delivered(session: Session, destination: str) -> datetime | None:
    """When this destination last had something of us; None: it never had."""
    had = (Delivery.destination == destination) & (Delivery.state == DeliveryState.DELIVERED)
    return session.scalar(select(Delivery.delivered_at).where(had).order_by(Delivery.id.desc()).limit(1))


def delivery_detail(session: Session, delivery_id: int) -> DeliveryDetail:
    """One delivery.

    Raises
    ------
    RegistryError
        There is none of this number.
    """
    delivery = _required(session, delivery_id)
    said = select(DeliveryAnswer).where(DeliveryAnswer.delivery_id == delivery_id).order_by(DeliveryAnswer.id)
    return _detail(session, delivery, answers=list(session.scalars(said)))


def answers_to(session: Session, delivery_ids: Collection[int]) -> dict[int, list[DeliveryAnswer]]:
    """All that was answered to these, the first first, by delivery."""
    said = select(DeliveryAnswer).where(DeliveryAnswer.delivery_id.in_(delivery_ids)).order_by(DeliveryAnswer.id)
    answers: dict[int, list[DeliveryAnswer]] = {}
    for answer in session.scalars(said):
        answers.setdefault(answer.delivery_id, []).append(answer)
    return answers


def dead_of(session: Session, destination: str, *, limit: int | None = None) -> list[int]:
    """The dead letters of one destination that can be resent, the first ones first.

    Those of a study that has been scored again since are cancelled once its new report is built.
    """
    dead = of_current_runs(Delivery.id).where(Delivery.destination == destination, Delivery.state == DeliveryState.DEAD)
    return list(session.scalars(dead.order_by(Delivery.id).limit(limit)))


def resend_deliveries(session: Session, delivery_ids: Collection[int], *, now: datetime, by: str = "hand") -> None:
    """Make these due with fresh attempts, and ask their destinations at once. The objects are the same as before.

    A study that was DELIVERED, or FAILED with a dead letter, is REPORTED again. The journal of each says by whom.

    Raises
    ------
    RegistryError
        There is no such delivery, or a later run has taken its place.
    """
    wanted = sorted(set(delivery_ids))
    current = of_current_runs(Delivery.id, Delivery.destination).where(Delivery.id.in_(wanted))
    destinations: dict[int, str] = dict(session.execute(current).all())
    for number in wanted:
        if number not in destinations:
            _required(session, number)
            raise RegistryError(f"delivery {number} is of a former run: a later one has taken its place")
    # Queues before studies, as whoever sends locks them.
    ask_at_once(session, Purpose.DELIVER, destinations.values())
    for study, deliveries in lock_deliveries(session, wanted):
        for delivery in deliveries:
            start_anew(delivery)
        failed_here = study.state == StudyState.FAILED and study.failed_step == Step.DELIVER
        if failed_here or study.state == StudyState.DELIVERED:
            before = study.state
            study.state, study.state_since = StudyState.REPORTED, now
            study.reason = study.failed_step = None
            record_transition(session, study, before=before, at=now, reason=f"resent by {by}")
        else:
            record_act(session, study, at=now, reason=f"resent by {by}")


def why_it_waits(session: Session, study_ids: Sequence[int]) -> dict[int, str]:
    """What each of these studies waits for, as far as it is owed anything: free of PHI."""
    queues = queues_of(session, Purpose.DELIVER)
    paused = {pause.peer: pause for pause in open_pauses(session) if pause.queue == Step.DELIVER}
    owed = of_current_runs(Report.study_id, Delivery).where(
        Report.study_id.in_(list(study_ids)), Delivery.state.in_(OWED)
    )
    waits: dict[int, dict[str, None]] = {}
    for study_id, delivery in session.execute(owed.order_by(Delivery.destination, Delivery.id)):
        pause = paused.get("") or paused.get(delivery.destination)
        said = f"{delivery.destination}: paused {said_of(pause)}" if pause else ""
        waits.setdefault(study_id, {})[said or _why(delivery, queues.get(delivery.destination))] = None
    return {study_id: "; ".join(reasons) for study_id, reasons in waits.items()}


def _why(delivery: Delivery, queue: PeerQueue | None) -> str:
    if queue is not None and queue.last_answer:
        return f"{delivery.destination}: {queue.last_answer}"
    if delivery.state == DeliveryState.SENT:
        return f"waits for the storage commitment of {delivery.destination}"
    if delivery.last_answer and delivery.attempts:
        return f"{delivery.destination}: {delivery.last_answer}"
    return f"waits to be sent to {delivery.destination}"


def _circuit(queue: PeerQueue | None, now: datetime) -> str:
    if queue is None or not queue.last_answer:
        return "closed"
    return "open" if queue.next_attempt_at is not None and queue.next_attempt_at > now else "half-open"


def _last_refusal(session: Session, destination: str) -> str | None:
    refused = and_(
        Delivery.destination == destination,
        or_(Delivery.state == DeliveryState.DEAD, Delivery.state == DeliveryState.DUE),
        Delivery.last_answer.is_not(None),
    )
    return session.scalar(select(Delivery.last_answer).where(refused).order_by(Delivery.id.desc()).limit(1))


def _required(session: Session, delivery_id: int) -> Delivery:
    delivery = session.get(Delivery, delivery_id)
    if delivery is None:
        raise NotFoundError(f"no delivery has the number {delivery_id}: echoworker deliveries dead lists some")
    return delivery


def _detail(session: Session, delivery: Delivery, *, answers: list[DeliveryAnswer]) -> DeliveryDetail:
    report = delivery.report
    study = session.get_one(Study, report.study_id)
    return DeliveryDetail(delivery=delivery, report=report, study=study, answers=answers)
