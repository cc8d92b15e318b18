"""What beat wakes every few minutes and is done once a day, after its time: also when nothing ran at that minute."""

from collections.abc import Callable
from datetime import UTC, datetime, time

from sqlalchemy.exc import SQLAlchemyError

from config.errors import EchoWorkerError
from config.logs import Event, emit, place_of
from db.nightly import begin_nightly, nightly_done
from worker.context import WorkerContext


def once_a_day(context: WorkerContext, duty: str, at: str, work: Callable[[], object], *, now: datetime) -> None:
    """Do it if its time of today (by this machine's clock) has come and nobody has done it, or is at it."""
    scheduled = datetime.combine(now.astimezone().date(), time.fromisoformat(at)).astimezone()
    try:
        with context.database.write() as session:
            if not begin_nightly(session, duty, scheduled=scheduled, now=now):
                return
        work()
        with context.database.write() as session:
            nightly_done(session, duty, now=datetime.now(UTC))
    except SQLAlchemyError as error:
        emit(Event.REGISTRY_AWAY, step=duty, error=place_of(error))
    except EchoWorkerError as error:
        emit(Event.DUTY_FAILS, step=duty, reason=str(error))
