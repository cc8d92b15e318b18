"""The registry's tables of studies and of what is said of them; `db.tables.metadata` names where the others are.

Alembic makes them (db/migrations); a test holds the two equal. PHI: `patient_identities` alone. Times are aware and
UTC. UIDs are unique keys: concurrent receivers cannot make two rows of one object."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from config.steps import Lane
from db.identities import IdentityField, IdentityText
from db.tables.base import JSON_OR_NULL, UID, Base


class Study(Base):
    """A study: where it is on its way, who works on it, and which revision of it."""

    __tablename__ = "studies"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, unique=True)
    """As the images have it (0020,000D)."""
    revision: Mapped[int] = mapped_column(default=1)
    """Counts from 1; a late instance makes the next."""
    state: Mapped[str] = mapped_column(String(16))
    """As `db.states.StudyState` has it."""
    state_since: Mapped[datetime]
    """When it came to this state, or was tried again in it."""
    reason: Mapped[str | None]
    """Why it was skipped, failed or waits; free of PHI."""
    failed_step: Mapped[str | None] = mapped_column(String(16))
    """The step that made it FAILED; `requeue` begins there."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    """When its first instance came."""
    last_instance_at: Mapped[datetime]
    """When its last instance came."""
    quiet_at: Mapped[datetime | None]
    """While RECEIVING: when the study becomes READY unless something arrives."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Attempts of the step that is due, the running one included."""
    next_attempt_at: Mapped[datetime | None]
    """When the step that is due is tried again; NULL: at once."""
    lease_token: Mapped[str | None] = mapped_column(String(36))
    """Whoever has it may end the step: set when a worker takes the study."""
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    """Which worker has it."""
    lease_expires_at: Mapped[datetime | None]
    """When another worker may take it, unless the lease is renewed."""
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
        Index("ix_studies_last_instance_at_id", "last_instance_at", "id"),
        Index("ix_studies_state_last_instance_at_id", "state", "last_instance_at", "id"),
        Index(
            "ix_studies_study_instance_uid_start",
            "study_instance_uid",
            postgresql_ops={"study_instance_uid": "varchar_pattern_ops"},
        ),
    )


class PatientIdentity(Base):
    """The only table with PHI: whose study it is."""

    __tablename__ = "patient_identities"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    patient_id: Mapped[str | None] = mapped_column(IdentityText(IdentityField.PATIENT_ID), index=True)
    """Patient ID (0010,0020), as the images have it."""
    patient_name: Mapped[str | None] = mapped_column(IdentityText(IdentityField.PATIENT_NAME))
    """Patient's Name (0010,0010)."""
    birth_date: Mapped[str | None] = mapped_column(IdentityText(IdentityField.BIRTH_DATE))
    """Patient's Birth Date (0010,0030), YYYYMMDD."""
    accession_number: Mapped[str | None] = mapped_column(IdentityText(IdentityField.ACCESSION_NUMBER), index=True)
    """Accession Number (0008,0050)."""
    study_date: Mapped[str | None] = mapped_column(IdentityText(IdentityField.STUDY_DATE))
    """Study Date (0008,0020), YYYYMMDD."""

    study: Mapped[Study] = relationship(back_populates="identity")

    __table_args__ = ({"info": {"phi": True}},)


Index(
    "ix_patient_identities_patient_name_start",
    func.lower(PatientIdentity.patient_name).label("start"),
    postgresql_ops={"start": "text_pattern_ops"},
)


class Instance(Base):
    """One received instance, and the file of the spool that holds it."""

    __tablename__ = "instances"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    """Unique in the world, says the standard; a PACS that splits or merges studies sends it again in another one."""
    sop_class_uid: Mapped[str] = mapped_column(UID)
    """What kind of object it is (0008,0016)."""
    series_instance_uid: Mapped[str] = mapped_column(UID)
    """Its series (0020,000E)."""
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    """How its file is encoded (0002,0010)."""
    modality: Mapped[str | None] = mapped_column(String(16))
    """As its header has it (0008,0060)."""
    spool_path: Mapped[str]
    """Relative to the spool."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of its file."""
    size_bytes: Mapped[int]
    """Of its file."""
    received_at: Mapped[datetime]
    """When its file was durable."""
    calling_ae_title: Mapped[str | None] = mapped_column(String(16))
    """Who sent it; NULL where it came without an association."""
    revision: Mapped[int]
    """The revision of the study that it arrived in."""
    action: Mapped[str] = mapped_column(String(8), server_default="score")
    """What the rules decided when it was registered (config.sections.rules.Action): score, or store alone."""
    rule: Mapped[str | None] = mapped_column(String(32))
    """The name of the rule that decided; None when none fitted."""
    removed_at: Mapped[datetime | None]
    """When its file was removed because its time was over (retention); NULL: it is kept."""

    study: Mapped[Study] = relationship(back_populates="instances")

    __table_args__ = (
        UniqueConstraint("study_id", "sop_instance_uid"),
        Index("ix_instances_calling_ae_title_study_id", "calling_ae_title", "study_id"),
    )


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
