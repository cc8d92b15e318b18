"""The registry's tables of what is made for the PACS, where it goes, and what destinations answer. No PHI."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.tables.base import UID, Base


class Report(Base):
    """An object made for the PACS, built once and stored in the spool."""

    __tablename__ = "reports"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16), server_default="sr")
    """As `config.sections.report_objects.ReportObject` has it."""
    sop_instance_uid: Mapped[str] = mapped_column(UID, unique=True)
    """Of the object, derived from study, revision and run."""
    sop_class_uid: Mapped[str] = mapped_column(UID)
    """What kind of object it is."""
    spool_path: Mapped[str]
    """Relative to the spool."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of its file."""
    created_at: Mapped[datetime]
    """When it was built."""
    language: Mapped[str] = mapped_column(String(8), server_default="en")
    """Of its sentences: a report that is lost is built again in the language that it had."""

    deliveries: Mapped[list["Delivery"]] = relationship(back_populates="report", order_by="Delivery.id")

    __table_args__ = (UniqueConstraint("run_id", "kind"),)


class Delivery(Base):
    """One object's way to one destination."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id", ondelete="CASCADE"))
    destination: Mapped[str] = mapped_column(String(32))
    """By its name in the settings."""
    state: Mapped[str] = mapped_column(String(16))
    """DUE, SENT (accepted, storage commitment awaited), DELIVERED, DEAD (refused for good) or CANCELLED."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often the destination has answered to it."""
    last_attempt_at: Mapped[datetime | None]
    """When it was last sent."""
    next_attempt_at: Mapped[datetime | None]
    """When it is sent again, or, while SENT, its commitment is asked for again; NULL: at once."""
    last_answer: Mapped[str | None]
    """What the destination said last, in our words."""
    delivered_at: Mapped[datetime | None]
    """When the destination had it."""
    transaction_uid: Mapped[str | None] = mapped_column(UID, index=True)
    """Of the last request for storage commitment."""
    commitment_asked_at: Mapped[datetime | None]
    """When that was."""
    sent_as: Mapped[str | None] = mapped_column(UID)
    """The SOP Instance UID that it has there, where it went as Comprehensive SR; NULL: its own."""

    report: Mapped[Report] = relationship(back_populates="deliveries")

    __table_args__ = (
        UniqueConstraint("report_id", "destination"),
        Index("ix_deliveries_state_destination_next_attempt_at", "state", "destination", "next_attempt_at"),
        Index("ix_deliveries_state_id", "state", "id"),
    )


class DeliveryAnswer(Base):
    """What a destination said to one delivery, append-only."""

    __tablename__ = "delivery_answers"

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), index=True)
    """The delivery."""
    at: Mapped[datetime]
    """When it was said."""
    state: Mapped[str] = mapped_column(String(16))
    """Of the delivery, afterwards."""
    answer: Mapped[str]
    """In our words; free of PHI."""
