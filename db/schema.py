"""The registry's tables of studies and of what is made of them; those of our peers are in `db.schema_peers`, and what
happens on the way through the pipeline in `db.schema_pipeline`.

Alembic makes them (db/migrations); a test holds the two equal. PHI lives in `patient_identities` alone. Times are aware
and UTC. UIDs are unique keys, so that concurrent receivers cannot make two rows of one object.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from config.steps import Lane
from db.base import JSON_OR_NULL, UID, Base


class Study(Base):
    """A study: where it is on its way, who works on it, and which revision of it."""

    __tablename__ = "studies"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, unique=True)
    revision: Mapped[int] = mapped_column(default=1)
    """Counts from 1; a late instance makes the next."""
    state: Mapped[str] = mapped_column(String(16))
    state_since: Mapped[datetime]
    reason: Mapped[str | None]
    """Why it was skipped, failed or waits; free of PHI."""
    failed_step: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]
    last_instance_at: Mapped[datetime]
    quiet_at: Mapped[datetime | None]
    """While RECEIVING: when the study becomes READY unless something arrives."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Attempts of the step that is due, the running one included."""
    next_attempt_at: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_expires_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    """When the lease was taken: the start of the running attempt."""
    announced_at: Mapped[datetime | None]
    """When the step that is due was last put on the broker."""
    lane: Mapped[int] = mapped_column(default=Lane.ROUTINE, server_default=str(Lane.ROUTINE.value))
    """As `config.steps.Lane` has it: of the studies that wait for a step, the lowest goes first."""

    identity: Mapped["PatientIdentity | None"] = relationship(back_populates="study")
    instances: Mapped[list["Instance"]] = relationship(back_populates="study", order_by="Instance.id")

    __table_args__ = (
        Index("ix_studies_state_quiet_at", "state", "quiet_at"),
        Index("ix_studies_state_next_attempt_at", "state", "next_attempt_at"),
        Index("ix_studies_state_lane_state_since", "state", "lane", "state_since"),
        Index("ix_studies_last_instance_at", "last_instance_at"),
    )


class PatientIdentity(Base):
    """The only table with PHI: whose study it is."""

    __tablename__ = "patient_identities"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    patient_id: Mapped[str | None] = mapped_column(String(64), index=True)
    patient_name: Mapped[str | None] = mapped_column(String(324))
    birth_date: Mapped[str | None] = mapped_column(String(8))
    accession_number: Mapped[str | None] = mapped_column(String(64), index=True)
    study_date: Mapped[str | None] = mapped_column(String(8))

    study: Mapped[Study] = relationship(back_populates="identity")


class Instance(Base):
    """One received instance, and the file of the spool that holds it."""

    __tablename__ = "instances"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    """Unique in the world, says the standard; a PACS that splits or merges studies sends it again in another one."""
    sop_class_uid: Mapped[str] = mapped_column(UID)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    modality: Mapped[str | None] = mapped_column(String(16))
    spool_path: Mapped[str]
    """Relative to the spool."""
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    received_at: Mapped[datetime]
    calling_ae_title: Mapped[str | None] = mapped_column(String(16))
    revision: Mapped[int]
    """The revision of the study that it arrived in."""
    action: Mapped[str] = mapped_column(String(8), server_default="score")
    """What the rules decided when it was registered (config.rules.Action): score, or store alone."""
    rule: Mapped[str | None] = mapped_column(String(32))
    """The name of the rule that decided; None when none fitted."""

    study: Mapped[Study] = relationship(back_populates="instances")

    __table_args__ = (UniqueConstraint("study_id", "sop_instance_uid"),)


class Clip(Base):
    """What `prepare` made of an instance in one revision, and what `score` saw in it; or why it is left out.

    Facts of the picture are NULL where the machine gave none, and in rows from before they were kept.
    """

    __tablename__ = "clips"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    sop_instance_uid: Mapped[str] = mapped_column(UID)
    tensor_path: Mapped[str | None]
    """Relative to the spool: uint8 [T,224,224,3] as .npy; None when `prepare` skipped it."""
    frame_numbers: Mapped[list[Any]]
    preprocessing_profile: Mapped[str | None] = mapped_column(String(64))
    notes: Mapped[list[Any]]
    skip_reason: Mapped[str | None]
    """Why it is left out of the scoring: by `prepare`, or, where there is a tensor, by the view gate of `score`."""
    skip_reason_terms: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """What `prepare` made its reason of (config.reasons), so that a report may say it in another language."""
    frame_times_ms: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """When each of `frame_numbers` was taken, in milliseconds from the first frame of the instance."""
    time_origin: Mapped[str | None] = mapped_column(String(64))
    """What of the header these times come from."""
    heart_rate: Mapped[float | None]
    """Beats a minute."""
    region: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """{"left", "top", "right", "bottom"} in pixels, the last two exclusive: what the frames were cut from."""
    region_origin: Mapped[str | None] = mapped_column(String(16))
    """Who said so: `machine`, `motion` or `picture`."""
    pixel_spacing_mm: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """[vertical, horizontal]."""
    contents: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """What the picture is made of, as tissue or colour Doppler; in alphabetical order."""
    view: Mapped[str | None] = mapped_column(String(32))
    """The id of the view that the last scoring saw; NULL: not judged."""
    view_score: Mapped[float | None]
    view_margin: Mapped[float | None]
    """See `db.runs.ViewCall`."""
    view_note: Mapped[str | None]
    """Why the view was not judged, or is in doubt."""

    __table_args__ = (UniqueConstraint("study_id", "revision", "sop_instance_uid"),)


class RunRow(Base):
    """One scoring run, append-only, with its provenance."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_uid: Mapped[str] = mapped_column(String(36), unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    model_name: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(64))
    model_family: Mapped[str] = mapped_column(String(64))
    model_label: Mapped[str] = mapped_column(String(16))
    model_digest: Mapped[str] = mapped_column(String(64))
    catalogue_digest: Mapped[str] = mapped_column(String(64))
    software_version: Mapped[str] = mapped_column(String(32))
    preprocessing_profile: Mapped[str] = mapped_column(String(64))
    finished_at: Mapped[datetime]
    clips: Mapped[list[Any]]
    """[{"sop_instance_uid": ..., "frame_numbers": [...], "view": {...} or null}]: the evidence of the run."""
    left_out: Mapped[list[Any] | None] = mapped_column(JSON_OR_NULL)
    """[{"sop_instance_uid": ..., "reason": ..., "view": {...} or null}]: the instances that gave no answer."""
    view_gate: Mapped[str | None] = mapped_column(String(64))
    calibration_digest: Mapped[str | None] = mapped_column(String(64))

    results: Mapped[list["ResultRow"]] = relationship(order_by="ResultRow.id")


class CurrentRun(Base):
    """The pointer to the run whose results are a study's current ones."""

    __tablename__ = "current_runs"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))


class ResultRow(Base):
    """The answer of a run to one task, append-only."""

    __tablename__ = "results"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    task_id: Mapped[str] = mapped_column(String(32), index=True)
    verdict: Mapped[str] = mapped_column(String(16))
    value: Mapped[float | None]
    unit: Mapped[str | None] = mapped_column(String(16))
    score: Mapped[float | None]
    threshold: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(String(32))
    """The id of the class; of an UNCALIBRATED answer, the one that the clips are most like."""
    spread: Mapped[float | None]
    agreement: Mapped[float | None]
    """See `db.runs.TaskResult`."""
    method: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None]
    reason_terms: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    """What the reason is made of (config.reasons), so that a report may say it in another language; NULL where it is a
    text alone."""
    clips: Mapped[list[Any]]
    """[{"sop_instance_uid", "value", "outcome", "spread", "agreement"}]: what each clip says by itself."""

    __table_args__ = (UniqueConstraint("run_id", "task_id"),)


class StudyEmbeddings(Base):
    """The frame embeddings of one revision of a study, in a file of the spool (worker.embeddings)."""

    __tablename__ = "study_embeddings"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    embedder: Mapped[str] = mapped_column(String(64), index=True)
    """SHA-256 of what decides the numbers: image tower and its configuration."""
    preprocessing_profile: Mapped[str] = mapped_column(String(64))
    path: Mapped[str]
    """Relative to the spool."""
    clips: Mapped[int]
    frames: Mapped[int]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("study_id", "revision", "embedder"),)


class Report(Base):
    """An object made for the PACS, built once and stored in the spool."""

    __tablename__ = "reports"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16), server_default="sr")
    """As `config.report_objects.ReportObject` has it."""
    sop_instance_uid: Mapped[str] = mapped_column(UID, unique=True)
    sop_class_uid: Mapped[str] = mapped_column(UID)
    spool_path: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
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
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    """How often the destination has answered to it."""
    last_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    """When it is sent again, or, while SENT, its commitment is asked for again; NULL: at once."""
    last_answer: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    transaction_uid: Mapped[str | None] = mapped_column(UID, index=True)
    """Of the last request for storage commitment."""
    commitment_asked_at: Mapped[datetime | None]
    sent_as: Mapped[str | None] = mapped_column(UID)
    """The SOP Instance UID that it has there, where it went as Comprehensive SR; NULL: its own."""

    report: Mapped[Report] = relationship(back_populates="deliveries")

    __table_args__ = (
        UniqueConstraint("report_id", "destination"),
        Index("ix_deliveries_state_destination_next_attempt_at", "state", "destination", "next_attempt_at"),
    )
