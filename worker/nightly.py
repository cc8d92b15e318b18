"""What beat wakes every few minutes and is done once a day, after its time: also when nothing ran at that minute."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta

from sqlalchemy.exc import SQLAlchemyError

from config.logs import Event, emit, told_of
from config.sections.time_window import moment_of
from db.away import say_away
from db.monitoring.nightly import begin_nightly, nightly_done, nightly_not_done
from worker.context import WorkerContext


def last_time(at: str, *, now: datetime) -> datetime:
    """When it was last this time of day, by this machine's clock: yesterday, where today's is still to come.

    Beat wakes every few minutes: what is due shortly before midnight is seen to be due shortly after it.
    """
    today = now.astimezone().date()
    of_today, of_yesterday = (moment_of(day, time.fromisoformat(at)) for day in (today, today - timedelta(days=1)))
    return of_today if of_today <= now else of_yesterday


def once_a_day(context: WorkerContext, duty: str, at: str, work: Callable[[], bool], *, now: datetime) -> None:
    """Do it if it was not done since its time came last (by this machine's clock), and nobody is at it.

    `work` says whether it is done: what is not, and what fails, is gone on with when beat wakes it next.
    """
    scheduled = last_time(at, now=now)
    is_ours = is_done = False
    try:
        with context.database.write() as session:
            is_ours = begin_nightly(session, duty, scheduled=scheduled, now=now)
        if not is_ours:
            return
        is_done = work()
        if is_done:
            with context.database.write() as session:
                nightly_done(session, duty, now=datetime.now(UTC))
    except SQLAlchemyError as error:
        is_done = False
        say_away(error, step=duty)
    except Exception as error:  # noqa: BLE001  Celery would log its text, which may quote a data set
        is_done = False
        reason = told_of(error)
        emit(Event.DUTY_FAILS, step=duty, reason=reason)
    if is_ours and not is_done:
        # With the registry away the mark stays, until it is too old (db.monitoring.nightly.TAKES_AT_MOST).
        with suppress(SQLAlchemyError), context.database.write() as session:
            nightly_not_done(session, duty)
