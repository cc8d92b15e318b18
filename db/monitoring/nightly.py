"""What is done once a day: whose it is, in however many processes a clock strikes."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.inserting import insert_if_new
from db.monitoring.tallies import note_heartbeat
from db.tables.monitoring import Heartbeat

BEGUN = " begun"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
TAKES_AT_MOST = timedelta(hours=3)
"""What has begun and not ended by then was broken off: it is begun anew."""


def begin_nightly(session: Session, duty: str, *, scheduled: datetime, now: datetime) -> bool:
    """Whether what was due at `scheduled` is this caller's to do; then nobody else's for a while."""
    # A row to lock, also the first time and after a failure: of two that are woken at once, one waits for the other.
    insert_if_new(session, Heartbeat, {"name": _begun(duty), "at": _NEVER})
    names = (duty, _begun(duty))
    rows = session.scalars(select(Heartbeat).where(Heartbeat.name.in_(names)).with_for_update())
    at = {row.name: row.at for row in rows}
    done, begun = at.get(duty), at.get(_begun(duty))
    if now < scheduled or (done is not None and done >= scheduled):
        return False
    if begun is not None and begun >= scheduled and now - begun < TAKES_AT_MOST:
        return False
    note_heartbeat(session, _begun(duty), now=now)
    return True


def nightly_done(session: Session, duty: str, *, now: datetime) -> None:
    """It is done for this day."""
    note_heartbeat(session, duty, now=now)


def nightly_not_done(session: Session, duty: str) -> None:
    """Whoever had begun it is at it no more: anybody may begin it."""
    session.execute(delete(Heartbeat).where(Heartbeat.name == _begun(duty)))


def _begun(duty: str) -> str:
    return duty + BEGUN
