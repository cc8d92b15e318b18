"""The registry's tables of how the installation is doing. No PHI, and no UIDs."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base


class Tally(Base):
    """How often something has happened since the registry was made; it only grows."""

    __tablename__ = "tallies"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    """As `db.tallies.TallyKind` has it."""
    label: Mapped[str] = mapped_column(String(16), primary_key=True)
    """One of a few: a DICOM status, or an outcome."""
    count: Mapped[int] = mapped_column(BigInteger)


class Heartbeat(Base):
    """When a part of the installation that has no other trace was last alive."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime]


class AlertRow(Base):
    """Something that is wrong and that somebody is told of: gone once it is right again and they know."""

    __tablename__ = "alerts"

    receiver: Mapped[str] = mapped_column(String(32), primary_key=True)
    """A name of `[[alerts]]`."""
    cause: Mapped[str] = mapped_column(String(32), primary_key=True)
    """As `config.monitoring.AlertCause` has it."""
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of several that may be wrong at once, which: a destination, a step; empty where there is one."""
    said: Mapped[str]
    """What is wrong, and what to do; free of PHI and UIDs."""
    since: Mapped[datetime]
    tell_at: Mapped[datetime]
    """When it is to be said, or said again."""
    told_at: Mapped[datetime | None]
    """When the receiver has last taken it; NULL: never."""
    ended_at: Mapped[datetime | None]
    """When it was right again."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often in a row it could not be told."""
