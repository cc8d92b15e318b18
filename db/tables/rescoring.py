"""The registry's tables of re-scoring: batches, and what became of each study in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import JSON_OR_NULL, Base


class Rescoring(Base):
    """One batch: studies that are answered anew, by one model with one catalogue and one calibration."""

    __tablename__ = "rescorings"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """As `db.states.BatchKind` has it: rescore or shadow."""
    state: Mapped[str] = mapped_column(String(16), index=True)
    """As `db.states.BatchState` has it."""
    paused: Mapped[bool]
    """Whether somebody has it stand still."""
    started_by: Mapped[str] = mapped_column(String(16))
    """beat or command."""
    created_at: Mapped[datetime]
    """When it was begun."""
    state_since: Mapped[datetime]
    """When it came to this state."""
    reason: Mapped[str | None]
    """Why it came to its state or stands still, and who paused and resumed it since, in our words."""
    pack: Mapped[str]
    """The folder of the pack; empty: the one that scores."""
    model_name: Mapped[str] = mapped_column(String(64))
    """Of the model pack that answers."""
    model_version: Mapped[str] = mapped_column(String(64))
    """Of the model pack."""
    model_label: Mapped[str] = mapped_column(String(16))
    """How far the model may be trusted (config.labels.ModelLabel)."""
    model_digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the model pack's files."""
    embedder: Mapped[str] = mapped_column(String(64))
    """SHA-256 of what decides its embeddings."""
    catalogue_digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the tasks and their prompts."""
    calibration_digest: Mapped[str | None] = mapped_column(String(64))
    """Of the site's calibration that decides; NULL where there is none."""
    view_gate: Mapped[str | None] = mapped_column(String(64))
    """How views are judged; NULL: they are not."""
    task_ids: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """Whose answers are compared, and decide; NULL: all."""
    since: Mapped[datetime | None]
    """Only studies whose last instance came since then."""
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """What changes, or how far the two models agree; made when the studies, or those of the canary, are answered."""
    lease_token: Mapped[str | None] = mapped_column(String(36))
    """Whoever has it works on the batch."""
    lease_expires_at: Mapped[datetime | None]
    """When somebody else may, unless the lease is renewed."""


class RescoredStudy(Base):
    """A study in a batch: its run before and the new one, and what came of it."""

    __tablename__ = "rescored_studies"

    rescoring_id: Mapped[int] = mapped_column(ForeignKey("rescorings.id", ondelete="CASCADE"), primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True, index=True)
    state: Mapped[str] = mapped_column(String(16))
    """As `db.states.RescoredState` has it."""
    is_canary: Mapped[bool]
    """Whether it is one of those that are answered first."""
    scored_from: Mapped[str | None] = mapped_column(String(16))
    """embeddings or pixels."""
    reason: Mapped[str | None]
    """Why it has no new run, or why that was not adopted."""
    before_run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    """Its current run when it was answered anew."""
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"), index=True)
    """The new one."""
    values_changed: Mapped[int | None]
    """Of how many tasks the value, score, verdict or class is another."""
    answers_changed: Mapped[int | None]
    """Of how many tasks the verdict or the class is another."""
    report_again: Mapped[bool | None]
    """Whether the change is one that a superseding report was configured for, when it was adopted."""
    readings_lost: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often whoever read its pixels did not come back."""
    adopted_at: Mapped[datetime | None]
    """When the new run became current; NULL: it never has been."""

    __table_args__ = (Index("ix_rescored_studies_rescoring_id_state", "rescoring_id", "state"),)
