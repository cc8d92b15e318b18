"""What beat wakes: what is overdue is announced again, for whatever reason it was forgotten."""

from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from config.logs import Event, emit
from db.away import say_away
from db.lifecycle.announcing import announce_due_deliveries, announce_due_forwards, announce_due_steps
from db.monitoring.clocks import bring_back
from db.monitoring.tallies import BEAT, note_heartbeat
from worker.context import WorkerContext


def announce_overdue_steps(context: WorkerContext) -> None:
    """Announce what lost messages, leases that ran out, retries whose time has come and wrong clocks left behind."""
    try:
        with context.database.write() as session:
            note_heartbeat(session, BEAT, now=datetime.now(UTC))
            brought_back = bring_back(session, context.settings, now=datetime.now(UTC))
        if brought_back:
            emit(Event.CLOCK_WENT_BACK, count=brought_back)
        count = announce_due_steps(context.database, context.broker, context.settings)
        count += announce_due_deliveries(context.database, context.broker, context.settings)
        count += announce_due_forwards(context.database, context.broker, context.settings)
    except SQLAlchemyError as error:
        say_away(error)
        return
    if count:
        emit(Event.STEPS_REAPED, count=count)
