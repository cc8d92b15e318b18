"""GPUs that fail their check: after some failures in a row one is set aside, until somebody says that it is mended."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import RegistryError
from db.inserting import insert_if_new
from db.tables.pipeline import DeviceHealth

ONE_FAILURE = timedelta(seconds=60)
"""Checks that fail within this time of each other are one failure: studies that wait ask one after the other."""


def note_passed(session: Session, host: str, device: str) -> None:
    """A device passed its check: what failed before does not count any more, unless it is set aside."""
    row = _row(session, host, device)
    if row is not None and row.set_aside_at is None:
        row.failures = 0


def note_failed(session: Session, host: str, device: str, *, reason: str, now: datetime, at_most: int) -> bool:
    """A device failed its check; whether this sets it aside: it has failed `at_most` times in a row."""
    insert_if_new(session, DeviceHealth, {"host": host, "device": device, "failures": 0})
    row = session.get_one(DeviceHealth, (host, device), with_for_update=True)
    row.reason = reason
    if row.failures and row.failed_at is not None and abs(now - row.failed_at) < ONE_FAILURE:
        return False
    row.failures += 1
    row.failed_at = now
    if row.failures < at_most or row.set_aside_at is not None:
        return False
    row.set_aside_at = now
    return True


def set_aside(session: Session, host: str) -> set[str]:
    """The devices of a host that are not to be used."""
    aside = select(DeviceHealth.device).where(DeviceHealth.host == host, DeviceHealth.set_aside_at.is_not(None))
    return set(session.scalars(aside))


def failing_devices(session: Session) -> Sequence[DeviceHealth]:
    """Those of all hosts that have failed the last check, or are set aside."""
    failing = DeviceHealth.set_aside_at.is_not(None) | (DeviceHealth.failures > 0)
    return session.scalars(select(DeviceHealth).where(failing).order_by(DeviceHealth.host, DeviceHealth.device)).all()


def use_again(session: Session, host: str, device: str, *, by: str, now: datetime) -> None:
    """Somebody says that a device is mended: it is checked, and used, from the next loading of a model on.

    Who says so, and when, is kept before what it failed by, until it fails again.

    Raises
    ------
    RegistryError
        It is not set aside.
    """
    row = _row(session, host, device)
    if row is None or row.set_aside_at is None:
        raise RegistryError(f"{device} of {host} is not set aside: echoworker devices lists what is")
    row.failures, row.set_aside_at = 0, None
    row.reason = f"said to be mended by {by} at {now:%Y-%m-%d %H:%M} UTC; before: {row.reason}"


def _row(session: Session, host: str, device: str) -> DeviceHealth | None:
    of_device = select(DeviceHealth).where(DeviceHealth.host == host, DeviceHealth.device == device)
    return session.scalar(of_device.with_for_update())
