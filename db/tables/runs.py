"""The registry's tables of runs: their answers, their provenance, and which of them is current. Append-only. No PHI."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.tables.base import JSON_OR_NULL, Base


class RunRow(Base):
    """One scoring run, append-only, with its provenance."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_uid: Mapped[str] = mapped_column(String(36), unique=True)
    """A UUID; the UIDs of what is made of the run derive from it."""
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    """The revision of the study that it looked at."""
    model_name: Mapped[str] = mapped_column(String(64))
    """Of the model pack."""
    model_version: Mapped[str] = mapped_column(String(64))
    """Of the model pack."""
    model_family: Mapped[str] = mapped_column(String(64))
    """Runs of one family can be compared."""
    model_label: Mapped[str] = mapped_column(String(16))
    """How far the model may be trusted (config.labels.ModelLabel)."""
    model_digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the model pack's files."""
    catalogue_digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the tasks and their prompts."""
    software_version: Mapped[str] = mapped_column(String(32))
    """Of EchoWorker."""
    preprocessing_profile: Mapped[str] = mapped_column(String(64))
    """How clips became tensors (docs/pixels.md)."""
    finished_at: Mapped[datetime] = mapped_column(index=True)
    """When it ended."""
    clips: Mapped[list[Any]]
    """[{"sop_instance_uid": ..., "frame_numbers": [...], "view": {...} or null}]: the evidence of the run."""
    left_out: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """[{"sop_instance_uid": ..., "reason": ..., "view": {...} or null}]: the instances that gave no answer."""
    view_gate: Mapped[str | None] = mapped_column(String(64))
    """How views were judged; NULL: they were not."""
    calibration_digest: Mapped[str | None] = mapped_column(String(64))
    """Of the site's calibration that decided; NULL where there was none."""
    repeats: Mapped[str | None] = mapped_column(String(36))
    """The `run_uid` of the run whose results these are once more, for another report; NULL of a run that scored."""

    results: Mapped[list["ResultRow"]] = relationship(order_by="ResultRow.id")


class CurrentRun(Base):
    """The pointer to the run whose results are a study's current ones."""

    __tablename__ = "current_runs"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)


class ResultRow(Base):
    """The answer of a run to one task, append-only."""

    __tablename__ = "results"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    task_id: Mapped[str] = mapped_column(String(32), index=True)
    """The task, by its id in the catalogue."""
    verdict: Mapped[str] = mapped_column(String(16))
    """As `db.results.runs.Verdict` has it."""
    value: Mapped[float | None]
    """Of a MEASURED answer, in `unit`."""
    unit: Mapped[str | None] = mapped_column(String(16))
    """UCUM code."""
    score: Mapped[float | None]
    """What is compared with `threshold`; of ordered classes the place on their scale, 0 for the first."""
    threshold: Mapped[float | None]
    """NULL where there is none."""
    outcome: Mapped[str | None] = mapped_column(String(32))
    """The id of the class; of an UNCALIBRATED answer, the one that the clips are most like."""
    spread: Mapped[float | None]
    """Standard deviation of what each frame says alone, every clip weighing the same."""
    agreement: Mapped[float | None]
    """0 to 1: the share of the frames that alone give this answer; see `db.results.runs.TaskResult`."""
    method: Mapped[str | None] = mapped_column(String(32))
    """How it was answered, as `zero-shot`."""
    reason: Mapped[str | None]
    """Why there is no answer; or, of one that is given, what has to be known of it."""
    reason_terms: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """What the reason is made of (config.reasons), so that a report may say it in another language; NULL where it is a
    text alone."""
    clips: Mapped[list[Any]]
    """[{"sop_instance_uid", "value", "outcome", "spread", "agreement"}]: what each clip says by itself."""

    __table_args__ = (UniqueConstraint("run_id", "task_id"),)
