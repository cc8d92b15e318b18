"""The registry's tables of what happens on the way through the pipeline."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base
from db.tables.studies import Study


class JournalEntry(Base):
    """What happened to a study, append-only: each transition and each failed attempt."""

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    """Of the study, then."""
    at: Mapped[datetime] = mapped_column(index=True)
    """When it happened."""
    step: Mapped[str | None] = mapped_column(String(16))
    """The step that ended or failed; NULL where nothing was worked on."""
    state_before: Mapped[str | None] = mapped_column(String(16))
    """NULL of the first."""
    state_after: Mapped[str] = mapped_column(String(16))
    """The same as before where an attempt failed, or was handed back."""
    attempt: Mapped[int | None]
    """Of the step, counted from 1; NULL where it does not count, as its worker was stopped and handed it back."""
    duration_ms: Mapped[int | None]
    """How long the attempt took; of deliveries, from the report on."""
    host: Mapped[str] = mapped_column(String(128))
    """The machine that did it."""
    reason: Mapped[str | None]
    """Why it failed, was skipped or was set back; free of PHI."""
    traceback: Mapped[str | None]
    """Of a failed attempt: files, lines and functions alone, no values and no text of errors."""


class QueuePause(Base):
    """A pause of a queue: who ordered it, why, and who ended it. A row for each, kept for good."""

    __tablename__ = "queue_pauses"

    id: Mapped[int] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(String(16))
    """As `config.steps.QUEUES` has it."""
    peer: Mapped[str] = mapped_column(String(32))
    """Of deliver and forward, the one peer that is not sent anything; empty: all of the queue."""
    paused_at: Mapped[datetime]
    """When it was paused."""
    paused_by: Mapped[str] = mapped_column(String(128))
    """Who paused it."""
    reason: Mapped[str]
    """As a person gave it."""
    resumed_at: Mapped[datetime | None]
    """NULL: it goes on."""
    resumed_by: Mapped[str | None] = mapped_column(String(128))
    """Who ended it."""

    __table_args__ = (
        # One at a time: two who pause a queue at once do not both have to resume it.
        Index(
            "uq_queue_pauses_open",
            "queue",
            "peer",
            unique=True,
            sqlite_where=text("resumed_at IS NULL"),
            postgresql_where=text("resumed_at IS NULL"),
        ),
    )


class DeviceHealth(Base):
    """A GPU that has failed its check: how often in a row, and whether it is used no more."""

    __tablename__ = "device_health"

    host: Mapped[str] = mapped_column(String(128), primary_key=True)
    """The machine that it is in."""
    device: Mapped[str] = mapped_column(String(16), primary_key=True)
    """As torch names it there: `cuda:0`."""
    failures: Mapped[int]
    """Checks in a row that it has failed; 0 again after one that it passes."""
    failed_at: Mapped[datetime | None]
    """When it last failed one."""
    reason: Mapped[str | None]
    """Of the last failure; who said since, and when, that it is mended."""
    set_aside_at: Mapped[datetime | None]
    """Since when no worker uses it, until somebody says that it is mended."""


# What the passes that announce work look for, however many wait: what these indexes find is to be announced.
Index(
    "ix_studies_unannounced",
    Study.state,
    Study.lane,
    Study.id,
    sqlite_where=Study.announced_at.is_(None),
    postgresql_where=Study.announced_at.is_(None),
)
Index("ix_studies_state_announced_at", Study.state, Study.announced_at)
Index("ix_studies_state_lease_expires_at", Study.state, Study.lease_expires_at)
