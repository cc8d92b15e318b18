"""What becomes of what a worker held that is gone: nobody waits for its leases to run out.

Whoever started it says so, and why it ended; what it cannot say itself is written down for it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from config.sections.pipeline import PipelineSettings
from config.steps import Purpose
from db.delivery.delivering import Answered, record_answer
from db.delivery.forwards import due_forwards, record_forward
from db.delivery.queues import QueueClaim, Trouble, queues_held_by, release_queue
from db.results.reports import NO_ANSWER
from db.states import DeliveryState
from db.tables.deliveries import Delivery, DeliveryAnswer
from db.tables.pipeline import JournalEntry
from db.tables.studies import Study
from db.working.leases import Claim, Fault, fail_attempt, hand_back, held_by

TOOK_TOO_LONG = "took longer than its hard time limit"
ENDED = "its worker ended with status"
KILLED = "its worker was killed by"
"""How the reasons of deaths begin."""


@dataclass(frozen=True, kw_only=True)
class WorkerEnd:
    """How a worker process ended."""

    owner: str
    """As its leases name it."""
    reason: str
    """Free of PHI, as the traceback."""
    traceback: str | None = None


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a worker held when it ended."""

    studies: list[Claim]
    queues: list[QueueClaim]


@dataclass(frozen=True, kw_only=True)
class WorkerDeath:
    """A worker's death, by what the journal of the study says that it was at work on."""

    at: datetime
    host: str
    step: str
    attempt: int | None
    study_instance_uid: str
    reason: str
    traceback: str | None
    """Files, lines and functions alone."""


def worker_deaths(session: Session, *, since: datetime, limit: int) -> list[WorkerDeath]:
    """Those since then that took an attempt of a step with them, the latest first."""
    of_a_death = or_(*(JournalEntry.reason.contains(text) for text in (TOOK_TOO_LONG, ENDED, KILLED)))
    rows = (
        select(JournalEntry, Study.study_instance_uid)
        .join(Study, Study.id == JournalEntry.study_id)
        .where(JournalEntry.at >= since, of_a_death)
    )
    return [
        WorkerDeath(
            at=entry.at,
            host=entry.host,
            step=entry.step or "",
            attempt=entry.attempt,
            study_instance_uid=uid,
            reason=entry.reason or "",
            traceback=entry.traceback,
        )
        for entry, uid in session.execute(rows.order_by(JournalEntry.at.desc(), JournalEntry.id.desc()).limit(limit))
    ]


def worker_died(session: Session, end: WorkerEnd, *, now: datetime, pipeline: PipelineSettings) -> Held:
    """Count what a worker held as failed attempts: any of it may be what it died of.

    A study that has used up its attempts is FAILED. The peer that it was sending to is left alone for a pause, and the
    object that was on its way has been sent in vain.
    """
    queues = queues_held_by(session, end.owner)  # queues before studies, as whoever sends locks them
    for queue in queues:
        _note_what_was_on_its_way(session, queue, now=now, pipeline=pipeline)
        release_queue(session, queue, trouble=Trouble(reason=end.reason), now=now, pipeline=pipeline)
    studies = held_by(session, end.owner)
    for held in studies:
        reason = f"{held.step}: {end.reason}"
        fail_attempt(
            session, held, reason=reason, fault=Fault.PASSING, now=now, pipeline=pipeline, traceback=end.traceback
        )
    return Held(studies=studies, queues=queues)


def worker_stopped(session: Session, owner: str, *, now: datetime, pipeline: PipelineSettings) -> Held:
    """Give back what a worker held that was asked to stop and did not finish: no attempt is used up."""
    queues = queues_held_by(session, owner)
    for queue in queues:
        release_queue(session, queue, trouble=None, now=now, pipeline=pipeline)
    studies = held_by(session, owner)
    for held in studies:
        hand_back(session, held, reason=f"{held.step}: handed back, as its worker was stopped", now=now)
    return Held(studies=studies, queues=queues)


def _note_what_was_on_its_way(
    session: Session, queue: QueueClaim, *, now: datetime, pipeline: PipelineSettings
) -> None:
    if queue.purpose is Purpose.DELIVER:
        answered = select(DeliveryAnswer.id).where(
            DeliveryAnswer.delivery_id == Delivery.id, DeliveryAnswer.at >= Delivery.last_attempt_at
        )
        unanswered = select(Delivery.id).where(
            Delivery.destination == queue.peer,
            Delivery.state == DeliveryState.DUE,
            Delivery.last_attempt_at.is_not(None),
            ~answered.exists(),
        )
        for delivery_id in session.scalars(unanswered.order_by(Delivery.last_attempt_at.desc()).limit(1)).all():
            record_answer(session, queue, delivery_id, Answered.NO_ANSWER, answer=NO_ANSWER, now=now, pipeline=pipeline)
        return
    # Each answer is written down before the next instance goes: it was the first that is due.
    for item in due_forwards(session, queue.peer, now=now, limit=1):
        answer = "none: the worker that sent it died"
        record_forward(session, queue, item.forward_id, answer=answer, accepted=False, now=now, pipeline=pipeline)
