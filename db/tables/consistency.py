"""The registry's tables of consistency checks: reports that came, and where they and the images disagree."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.identities import ReportKeyText
from db.tables.base import JSON_OR_NULL, Base


class ReceivedReport(Base):
    """A report that came by itself, as HL7 or as a file; those within the study are instances of it. No PHI."""

    __tablename__ = "received_reports"

    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of its bytes, of what was said of them beside, and of its place in them: one that comes again is the
    same."""
    via: Mapped[str] = mapped_column(String(16))
    """hl7, folder or command."""
    received_at: Mapped[datetime]
    """When it came."""
    spool_path: Mapped[str]
    """Where its bytes lie."""
    place: Mapped[int] = mapped_column(default=0)
    """Which of the reports in these bytes it is, counted from 0."""
    status: Mapped[str] = mapped_column(String(16))
    """As its sender has it: preliminary, final, corrected, cancelled or unsaid (worker.consistency.hl7.reports). One
    that is cancelled does not count."""
    order_key: Mapped[str | None] = mapped_column(String(64), index=True)
    """A digest of the order that it answers: a later report of the same takes its place."""
    superseded_by: Mapped[int | None] = mapped_column(ForeignKey("received_reports.id", ondelete="SET NULL"))
    """The later report of the same order that counts in its place."""
    study_id: Mapped[int | None] = mapped_column(ForeignKey("studies.id", ondelete="SET NULL"), index=True)
    """NULL: not matched, so far."""
    matched_by: Mapped[str | None] = mapped_column(String(32))
    """What it has in common with the study, as `accession number`."""
    why_unmatched: Mapped[str | None]
    """Why no study is its own, so far."""


class ReceivedReportKey(Base):
    """Something that a report may be matched by, as a digest: a study that has the same is looked at. Guard it as PHI:
    who has a Patient ID, or tries all, finds its digest."""

    __tablename__ = "received_report_keys"

    received_report_id: Mapped[int] = mapped_column(
        ForeignKey("received_reports.id", ondelete="CASCADE"), primary_key=True
    )
    """The report."""
    key: Mapped[str] = mapped_column(ReportKeyText, primary_key=True, index=True)
    """SHA-256 of a UID, an accession number or a Patient ID, with what it is."""

    __table_args__ = ({"info": {"phi": True}},)


class DueCheck(Base):
    """A study that is to be checked once more: a report came or went since its results were looked at."""

    __tablename__ = "due_checks"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    """The study."""
    due_at: Mapped[datetime] = mapped_column(index=True)
    """From when on it may be checked."""


class ConsistencyCheck(Base):
    """The last comparison of a run with the reports of its study, and what the run's Structured Report says of it."""

    __tablename__ = "consistency_checks"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    """The run."""
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    checked_at: Mapped[datetime]
    """When it was last compared."""
    rules_version: Mapped[str] = mapped_column(String(32))
    """Of the rules that compared."""
    reports: Mapped[list[Any]]
    """The ids of those that said something about the images: SOP Instance UIDs, or `received_reports.report_id`."""
    notes: Mapped[list[Any]]
    """What could not be read, and why."""
    told: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """What the Structured Report says, as `db.consistency.discordances.Told` has it; later checks of the run leave
    it as it is, so that a report which is lost comes out the same. NULL: it says nothing."""


class ReportLikeness(Base):
    """How well the text of a report fits the images of its study, as the last check of the study measured it."""

    __tablename__ = "report_likenesses"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    report_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A SOP Instance UID, or `received_reports.report_id`."""
    towers: Mapped[str] = mapped_column(String(64))
    """SHA-256 of what decides the embeddings of images and texts: only numbers of the same can be compared, and of
    one profile."""
    preprocessing_profile: Mapped[str] = mapped_column(String(64))
    """How the clips became tensors."""
    made_from: Mapped[str] = mapped_column(String(64))
    """A digest of the embeddings and the text that it was measured on."""
    likeness: Mapped[float]
    """The cosine of the two, -1..1."""

    __table_args__ = (Index(None, "towers", "likeness"),)


class DiscordanceRow(Base):
    """Something that reports and images of a study, or its reports, do not agree on."""

    __tablename__ = "discordances"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    """The run that was compared."""
    found_at: Mapped[datetime]
    """When a check first found it, of this run."""
    rule: Mapped[str] = mapped_column(String(48))
    """The id of the rule that found it."""
    rules_version: Mapped[str] = mapped_column(String(32))
    """Of the rules that compared."""
    field: Mapped[str] = mapped_column(String(32), index=True)
    """What it is about: the id of a task, or of what only reports name."""
    severity: Mapped[str] = mapped_column(String(8))
    """MAJOR: it may change what is done for the patient; or MINOR."""
    confidence: Mapped[float | None]
    """0 to 1; NULL between reports."""
    report_id: Mapped[str] = mapped_column(String(64))
    """The first side's: a SOP Instance UID, or `received_reports.report_id`."""
    sides: Mapped[list[Any]]
    """Both, as `db.consistency.discordances.Side` has them."""
    state: Mapped[str] = mapped_column(String(16), index=True)
    """As `db.consistency.discordances.ReviewState` has it."""
    superseded_at: Mapped[datetime | None]
    """When a later check of the study did not find it any more, or found it again for a later run."""
    reviewed_at: Mapped[datetime | None]
    """When somebody last said what they think of it."""
    reviewed_by: Mapped[str | None] = mapped_column(String(64))
    """Who did."""
    review_reason: Mapped[str | None]
    """What they said; free of PHI."""

    __table_args__ = (
        UniqueConstraint("run_id", "rule", "field", "report_id"),
        Index(
            "ix_discordances_open",
            "study_id",
            sqlite_where=text("state = 'NEW' AND superseded_at IS NULL"),
            postgresql_where=text("state = 'NEW' AND superseded_at IS NULL"),
        ),
    )


class DiscordanceReview(Base):
    """What somebody said of a discordance, append-only; the discordance itself has the last word alone."""

    __tablename__ = "discordance_reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    discordance_id: Mapped[int] = mapped_column(ForeignKey("discordances.id", ondelete="CASCADE"), index=True)
    reviewed_at: Mapped[datetime]
    """When it was said."""
    reviewed_by: Mapped[str] = mapped_column(String(64))
    """Who said it."""
    state: Mapped[str] = mapped_column(String(16))
    """CONFIRMED or DISMISSED."""
    reason: Mapped[str | None]
    """Why; free of PHI."""
