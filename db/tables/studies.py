"""The registry's tables of studies, whose they are, and their instances; `db.tables.metadata` names the others.

Alembic makes them (db/migrations); a test holds the two equal. PHI: `patient_identities` alone. Times are aware and
UTC. UIDs are unique keys: concurrent receivers cannot make two rows of one object."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from config.steps import Lane
from db.identities import IdentityField, IdentityText
from db.tables.base import UID, Base


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
