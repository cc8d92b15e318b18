"""Who is to be told of what, and who knows it already: kept here, so that a restart says nothing twice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from config.sections.monitoring import AlertCause
from db.inserting import insert_if_new
from db.tables.monitoring import AlertRow

TELLING_TAKES = timedelta(minutes=2)
"""At most: what one process has begun to tell is left to it for so long."""
AGAIN_AT_FIRST = timedelta(seconds=30)
AGAIN_AT_LAST = timedelta(minutes=30)
"""After how long a receiver that could not be told is tried once more: doubled each time, up to this."""
OF_A_HOST = frozenset({AlertCause.BROKER_AWAY, AlertCause.SPOOL_LOW, AlertCause.CERTIFICATE_EXPIRES})
"""What one host sees of itself: its subject is the host, which alone says it, and that it is right again."""
HOST_GONE_AFTER = timedelta(hours=1)
"""By so much a host is late that says nothing any more: the others then say that its alerts have ended."""
FORGOTTEN_AFTER = timedelta(days=3)
"""As late is what nobody's settings name a receiver for any more."""


@dataclass(frozen=True, kw_only=True, order=True)
class Condition:
    """Something that is wrong at this moment."""

    cause: AlertCause
    subject: str = ""
    """Of several that may be wrong at once, which."""
    said: str
    """What is wrong, and what to do; free of PHI and UIDs."""
    told_after: timedelta = timedelta(0)
    """It has to last for so long."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that a receiver is to be told now."""

    receiver: str
    cause: AlertCause
    subject: str
    said: str
    since: datetime
    is_resolved: bool


def note_conditions(
    session: Session,
    receiver: str,
    conditions: Iterable[Condition],
    *,
    host: str,
    now: datetime,
    again_after: timedelta,
) -> None:
    """What is wrong now, as this host sees it, and as far as a receiver wants to know."""
    known: Mapping[tuple[str, str], AlertRow] = {
        (row.cause, row.subject): row
        for row in session.scalars(select(AlertRow).where(AlertRow.receiver == receiver).with_for_update())
    }
    wrong = {(condition.cause.value, condition.subject): condition for condition in conditions}
    for (cause, subject), condition in sorted(wrong.items()):
        row = known.get((cause, subject))
        if row is None:
            named = {"receiver": receiver, "cause": cause, "subject": subject}
            times = {"since": now, "tell_at": now + condition.told_after}
            insert_if_new(session, AlertRow, {**named, **times, "said": condition.said, "attempts": 0})
            continue
        row.said = condition.said
        if row.ended_at is not None:  # wrong again, before anybody heard that it was right
            row.ended_at, row.attempts, row.tell_at = None, 0, now + again_after
    for key, row in known.items():
        if key in wrong or row.ended_at is not None:
            continue
        if _is_of_another(row, host) and row.tell_at > now - HOST_GONE_AFTER:
            continue
        if row.told_at is None:
            session.delete(row)
        else:
            row.ended_at, row.tell_at, row.attempts = now, now, 0


def take_alerts(session: Session, receiver: str, *, host: str, now: datetime) -> list[Alert]:
    """What a receiver is to be told now: the caller's for a while, who says afterwards what came of it."""
    due = select(AlertRow).where(AlertRow.receiver == receiver, AlertRow.tell_at <= now)
    taken = []
    for row in session.scalars(due.order_by(AlertRow.since, AlertRow.cause).with_for_update(skip_locked=True)):
        if row.ended_at is None and _is_of_another(row, host):
            continue
        row.tell_at = now + TELLING_TAKES
        alert = Alert(
            receiver=receiver,
            cause=AlertCause(row.cause),
            subject=row.subject,
            said=row.said,
            since=row.since,
            is_resolved=row.ended_at is not None,
        )
        taken.append(alert)
    return taken


def alert_told(session: Session, alert: Alert, *, now: datetime, again_after: timedelta) -> None:
    """The receiver knows: it is told again after a while, or, of what is right again, nothing more."""
    row = _row(session, alert)
    if row is None:
        return
    row.told_at, row.attempts = now, 0
    if alert.is_resolved is not (row.ended_at is not None):  # it has changed meanwhile
        row.tell_at = now
    elif alert.is_resolved:
        session.delete(row)
    else:
        row.tell_at = now + again_after


def alert_not_told(session: Session, alert: Alert, *, now: datetime) -> None:
    """The receiver could not be told: tried again after a pause."""
    row = _row(session, alert)
    if row is not None:
        row.attempts += 1
        row.tell_at = now + min(AGAIN_AT_FIRST * 2 ** min(row.attempts - 1, 10), AGAIN_AT_LAST)


def forget_other_receivers(session: Session, receivers: Iterable[str], *, now: datetime) -> None:
    """Those that are in the settings no more are told nothing more.

    Another host's settings may name others than ours: these are told, and tried again, by that host.
    """
    is_left = AlertRow.tell_at < now - FORGOTTEN_AFTER
    session.execute(delete(AlertRow).where(AlertRow.receiver.not_in(list(receivers)), is_left))


def open_alerts(session: Session) -> list[AlertRow]:
    """What is wrong and has been for long enough to be said, by cause."""
    told = or_(AlertRow.told_at.is_not(None), AlertRow.attempts > 0)
    return list(session.scalars(select(AlertRow).where(AlertRow.ended_at.is_(None), told).order_by(AlertRow.cause)))


def _is_of_another(row: AlertRow, host: str) -> bool:
    """Without a subject it is anybody's, of a version that did not name hosts."""
    return row.cause in OF_A_HOST and row.subject not in ("", host)


def _row(session: Session, alert: Alert) -> AlertRow | None:
    key = (alert.receiver, alert.cause.value, alert.subject)
    return session.get(AlertRow, key, with_for_update=True)
