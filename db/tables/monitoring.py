"""The registry's tables of how the installation is doing. No PHI; UIDs of studies in `reconciliations` alone."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base


class Tally(Base):
    """How often something has happened since the registry was made; it only grows."""

    __tablename__ = "tallies"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    """As `db.monitoring.tallies.TallyKind` has it."""
    label: Mapped[str] = mapped_column(String(16), primary_key=True)
    """One of a few: a DICOM status, or an outcome."""
    count: Mapped[int] = mapped_column(BigInteger)
    """How often so far."""


class Heartbeat(Base):
    """When a part of the installation that has no other trace was last alive."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Of that part, as `db.monitoring.tallies` names it."""
    at: Mapped[datetime]
    """When it was last alive."""


class AlertRow(Base):
    """Something that is wrong and that somebody is told of: gone once it is right again and they know."""

    __tablename__ = "alerts"

    receiver: Mapped[str] = mapped_column(String(32), primary_key=True)
    """A name of `[[alerts]]`."""
    cause: Mapped[str] = mapped_column(String(32), primary_key=True)
    """As `config.sections.monitoring.AlertCause` has it."""
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of several that may be wrong at once, which: a destination, a step, a host; empty where there is one."""
    said: Mapped[str]
    """What is wrong, and what to do; free of PHI and UIDs."""
    since: Mapped[datetime]
    """When it was first seen to be wrong."""
    tell_at: Mapped[datetime]
    """When it is to be said, or said again."""
    told_at: Mapped[datetime | None]
    """When the receiver has last taken it; NULL: never."""
    ended_at: Mapped[datetime | None]
    """When it was right again."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often in a row it could not be told."""


class Reconciliation(Base):
    """What an archive has of a day that we have not, when it was last looked at; holds Study Instance UIDs."""

    __tablename__ = "reconciliations"

    archive: Mapped[str] = mapped_column(String(32), primary_key=True)
    """A name of `[[peers]]`."""
    day: Mapped[date] = mapped_column(primary_key=True)
    """The Study Date."""
    looked_at: Mapped[datetime]
    """When the archive was last asked."""
    found: Mapped[int]
    """Studies of that day that the archive has and that should be here."""
    missing: Mapped[list[Any]]
    """Study Instance UIDs of those of which we have nothing."""
    incomplete: Mapped[list[Any]]
    """Study Instance UIDs of those of which the archive has more than we have, and than we have made."""
    fetched: Mapped[int]
    """Studies that were then fetched, and are missing no more."""
    trouble: Mapped[str | None]
    """Why the archive could not be asked, or a study not fetched; free of PHI, may name a Study Instance UID."""


class StudyDevice(Base):
    """The scanner that made a study, as the header of one of its instances names it; NULL where it names none."""

    __tablename__ = "study_devices"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    manufacturer: Mapped[str | None] = mapped_column(String(64))
    """(0008,0070)."""
    model: Mapped[str | None] = mapped_column(String(64))
    """Manufacturer's Model Name (0008,1090)."""
    station: Mapped[str | None] = mapped_column(String(16))
    """Station Name (0008,1010)."""


class DriftRow(Base):
    """How one kind of answer to one task was distributed of late, beside the time before; as of one day."""

    __tablename__ = "drift"

    looked_on: Mapped[date] = mapped_column(primary_key=True)
    """The day on which they were compared."""
    grouping: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`all`, `device` or `sender`."""
    name: Mapped[str] = mapped_column(String(160), primary_key=True)
    """Which device, or sender."""
    task_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The task, by its id in the catalogue."""
    measure: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`number` (value, or score), `outcome`, or `answered` (or abstained)."""
    reference: Mapped[int]
    """Studies of the time before."""
    recent: Mapped[int]
    """Studies of late."""
    stability_index: Mapped[float]
    """The population stability index of the two (docs/drift.md)."""
    alarm_limit: Mapped[float]
    """Beyond this it counts as drift."""
    has_drifted: Mapped[bool]
    """Whether it was beyond that."""
