"""Whether the clocks agree: leases, pauses and windows are times of many machines, written by each of them."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.settings import Settings
from db.monitoring.clocks import TOLERANCE_S
from db.monitoring.drift import LOOKED_ON
from db.monitoring.tallies import heartbeats
from dicom_node.findings import Doubt
from dicom_node.services import asked
from dicom_node.spool import Spool


def clocks(settings: Settings) -> str:
    """This machine's clock beside those of the registry's server, the spool's, and whoever left a sign of life."""
    apart = {"the registry's server": asked(settings, _of_the_registry), "the spool": _of_the_spool(settings)}
    ahead = asked(settings, _furthest_ahead)
    if ahead is not None and ahead > timedelta(0):
        apart["a worker, or beat,"] = ahead
    wrong = [
        f"{whose} is {abs(by.total_seconds()):.0f} s {'ahead' if by > timedelta(0) else 'behind'}"
        for whose, by in apart.items()
        if by is not None and abs(by.total_seconds()) > TOLERANCE_S
    ]
    if wrong:
        raise Doubt(
            f"beside this machine's clock {', and '.join(wrong)}: let all machines follow the hospital's time server "
            "(chronyc tracking, timedatectl timesync-status)"
        )
    seen = ", ".join(whose for whose, by in apart.items() if by is not None)
    return f"within {TOLERANCE_S:g} s of this machine's: {seen}" if seen else "nothing to compare with yet"


def _of_the_registry(session: Session) -> timedelta | None:
    """None where it has no server, and so no clock of its own."""
    if session.get_bind().dialect.name == "sqlite":
        return None
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now - datetime.now(UTC)


def _of_the_spool(settings: Settings) -> timedelta | None:
    """By the time that its file system gives a new file; None where there is no spool."""
    spool = Spool.of(settings)
    if not spool.incoming.is_dir():
        return None
    probe = spool.new_incoming()
    try:
        probe.touch()
        written_at = probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
    return timedelta(seconds=written_at - time.time())


def _furthest_ahead(session: Session) -> timedelta | None:
    """By how much the latest sign of life lies in the future."""
    # The day of the last look at drift is none: east of Greenwich it begins before it is that day in UTC.
    at = [at for name, at in heartbeats(session).items() if name != LOOKED_ON]
    return max(at) - datetime.now(UTC) if at else None
