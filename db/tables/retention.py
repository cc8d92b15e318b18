"""The registry's tables of what is removed after its time, and of studies that keep everything."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base


class RetentionHold(Base):
    """A study of which nothing is removed: who ordered it, why, and who ended it. A row for each, kept for good."""

    __tablename__ = "retention_holds"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    held_at: Mapped[datetime]
    """When it was held."""
    held_by: Mapped[str] = mapped_column(String(128))
    """Who held it."""
    reason: Mapped[str]
    """As a person gave it."""
    released_at: Mapped[datetime | None]
    """NULL: it is held."""
    released_by: Mapped[str | None] = mapped_column(String(128))
    """Who released it."""

    __table_args__ = (
        # One at a time: two who hold a study at once do not both have to release it.
        Index(
            "uq_retention_holds_open",
            "study_id",
            unique=True,
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
    )


class RetentionRemoval(Base):
    """What was removed of a study because its time was over."""

    __tablename__ = "retention_removals"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    """As `config.sections.keep.KeptKind` has it."""
    files: Mapped[int]
    """How many went."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Of these files."""
    began_at: Mapped[datetime]
    """From then on the registry says that they are gone."""
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    """When they were; NULL: whoever removed them was interrupted, or is at it."""
