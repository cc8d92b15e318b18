"""Queues by the API: what waits and runs, pausing one, and letting it go on."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from config.logs import Event, emit
from dashboard.access.people import Viewer
from dashboard.api.acting import AdminActs
from dashboard.api.answers import Answer, Asked, AtMost, Name, Words, refusals
from dashboard.installation import Here, Installation
from db.reading.queue_summaries import queue_summaries
from db.working.pauses import former_pauses, pause_queue, resume_queue

router = APIRouter(prefix="/queues", tags=["queues"])


class Pause(Answer):
    """That somebody has paused a queue."""

    queue: str
    peer: str
    """Of those that send: this peer alone; empty: all of it."""
    paused_at: datetime
    """UTC."""
    paused_by: str
    reason: str
    resumed_at: datetime | None
    """UTC; null: it goes on."""
    resumed_by: str | None


class Queue(Answer):
    """How one queue is doing: of steps studies are counted, of those that send objects, of rescore batches."""

    queue: str
    """prepare, score, report, deliver, forward or rescore."""
    waiting: int = Field(ge=0)
    """Due now, with nobody at work on them."""
    stat: int = Field(ge=0)
    """Of those, in the lane ahead of the others."""
    later: int = Field(ge=0)
    """To be tried again once a pause is over."""
    running: int = Field(ge=0)
    oldest: datetime | None
    """Since when the one that has waited longest waits; UTC."""
    pauses: list[Pause]
    """That go on."""


class PauseAsked(Asked):
    """Which queue is to stand still, and why."""

    queue: Name
    """prepare, score, report, deliver, forward or rescore."""
    peer: Name = ""
    """Of deliver and forward: this peer alone."""
    reason: Words = Field(min_length=1)
    """Without names of patients."""


class ResumeAsked(Asked):
    """Which queue is to go on."""

    queue: Name
    peer: Name = ""
    """Where that of one peer was paused."""


@router.get("", responses=refusals())
def queues(here: Here, person: Viewer) -> list[Queue]:
    """Every queue that work goes through, in the order of the pipeline."""
    return _queues(here)


@router.get("/pauses", responses=refusals())
def pauses(here: Here, person: Viewer, limit: AtMost = 50) -> list[Pause]:
    """Who paused which queue, when and why, and who ended it; the latest first."""
    with here.database.read() as session:
        return [Pause.model_validate(each) for each in former_pauses(session, limit=limit)]


@router.post("/pause", responses=refusals(409))
def pause(here: Here, person: AdminActs, asked: PauseAsked) -> list[Queue]:
    """Let nothing more begin in a queue, on any host; what is running goes to its end."""
    with here.database.write() as session:
        pause_queue(session, asked.queue, peer=asked.peer, by=person.name, reason=asked.reason, now=here.now())
    emit(Event.QUEUE_PAUSED, step=asked.queue, destination=asked.peer)
    return _queues(here)


@router.post("/resume", responses=refusals(409))
def resume(here: Here, person: AdminActs, asked: ResumeAsked) -> list[Queue]:
    """Let a queue go on."""
    with here.database.write() as session:
        resume_queue(session, asked.queue, peer=asked.peer, by=person.name, now=here.now())
    emit(Event.QUEUE_RESUMED, step=asked.queue, destination=asked.peer)
    return _queues(here)


def _queues(here: Installation) -> list[Queue]:
    with here.database.read() as session:
        return [Queue.model_validate(each) for each in queue_summaries(session, now=here.now())]
