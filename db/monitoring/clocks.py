"""What a clock wrote that was wrong: times further ahead than they can be are brought back.

After a clock was set back, leases, pauses and announcements of before lie in the future: a study would wait for as long
as the clock was ahead. A clock that jumps ahead needs nothing: what seems to have run out is taken up by another, and
the token of its claim decides whose outcome counts (db.working.leases).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Update, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from config.settings import Settings
from db.consistency.received_reports import CHECKED_AGAIN_AFTER
from db.monitoring.alerts import AGAIN_AT_LAST
from db.monitoring.drift import LOOKED_ON
from db.states import STEP_DUE_IN, DeliveryState, StudyState
from db.tables.consistency import DueCheck
from db.tables.deliveries import Delivery
from db.tables.monitoring import AlertRow, Heartbeat
from db.tables.peers import Forward, PeerQueue
from db.tables.rescoring import Rescoring
from db.tables.studies import Study

TOLERANCE_S = 60.0
"""By which the clocks of two hosts may differ."""


def bring_back(session: Session, settings: Settings, *, now: datetime) -> int:
    """Bring every time back that lies further ahead than it can; how many rows that were.

    A worker that lives goes on: it renews its lease by the clock of now.
    """
    return sum(len(session.execute(statement).all()) for statement in _statements(settings, now))


def earlier_of_both(session: Session, now: datetime) -> datetime:
    """This machine's time, or that of the registry's server where it is earlier: for what cannot be taken back.

    A machine whose clock jumps ahead by a year would else remove what was received this morning.
    """
    if session.get_bind().dialect.name == "sqlite":
        return now
    server: datetime = session.scalars(select(func.clock_timestamp())).one()
    return min(now, server.astimezone(UTC))


def _statements(settings: Settings, now: datetime) -> Iterator[Update]:
    pipeline = settings.pipeline
    quiet_s = max([settings.study.quiet_period_s, *(peer.quiet_period_s for peer in settings.peers)])
    pause_s = max(pipeline.retry_at_most_s, pipeline.surroundings_again_after_s)
    asked_again_s = max(pipeline.retry_at_most_s, pipeline.commitment_again_after_s)
    is_due = Study.state.in_(list(STEP_DUE_IN))
    yield _limit(Study.quiet_at, quiet_s, now, Study.state == StudyState.RECEIVING)
    yield _limit(Study.lease_expires_at, pipeline.lease_s, now, is_due)
    yield _limit(Study.next_attempt_at, pause_s, now, is_due)
    yield _limit(Study.announced_at, 0, now, is_due)
    yield _limit(PeerQueue.lease_expires_at, pipeline.lease_s, now)
    yield _limit(Rescoring.lease_expires_at, pipeline.lease_s, now)
    yield _limit(PeerQueue.next_attempt_at, pause_s, now)
    yield _limit(PeerQueue.announced_at, 0, now)
    owed = Delivery.state.in_([DeliveryState.DUE, DeliveryState.SENT])
    yield _limit(Delivery.next_attempt_at, asked_again_s, now, owed)
    yield _limit(Forward.next_attempt_at, pause_s, now, Forward.state == DeliveryState.DUE)
    # What was done "tomorrow" would not be done tonight. The day of the last look at drift is a day, and no time.
    yield _limit(Heartbeat.at, 0, now, Heartbeat.name != LOOKED_ON)
    alerting = settings.monitoring.alerting
    told_s = max(alerting.repeat_after_h * 3600, AGAIN_AT_LAST.total_seconds(), alerting.circuit_open_for_s)
    yield _limit(AlertRow.tell_at, told_s, now)
    yield _limit(DueCheck.due_at, CHECKED_AGAIN_AFTER.total_seconds(), now)


def _limit(column: InstrumentedAttribute[Any], ahead_s: float, now: datetime, *of: Any) -> Update:
    """Let a time be no further ahead than this."""
    table, latest = column.class_, now + timedelta(seconds=ahead_s)
    too_late = column > latest + timedelta(seconds=TOLERANCE_S)
    return update(table).where(too_late, *of).values({column: latest}).returning(column)
