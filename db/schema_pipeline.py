"""The registry's tables of what happens on the way through the pipeline."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base


class JournalEntry(Base):
    """What happened to a study, append-only: each transition and each failed attempt."""

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    at: Mapped[datetime]
    step: Mapped[str | None] = mapped_column(String(16))
    state_before: Mapped[str | None] = mapped_column(String(16))
    state_after: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int | None]
    duration_ms: Mapped[int | None]
    host: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str | None]
    traceback: Mapped[str | None]
    """Of a failed attempt: files, lines and functions alone, no values and no text of errors."""
