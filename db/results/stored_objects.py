"""Where in the spool an object of a study lies: one that was received, or one that was made of its results."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import null, select
from sqlalchemy.orm import Session

from config.errors import StudyNotFoundError
from db.tables.deliveries import Report
from db.tables.studies import Instance, PatientIdentity, Study


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One SOP Instance."""

    sop_instance_uid: str
    sop_class_uid: str
    spool_path: str
    removed_at: datetime | None
    """When its file was removed because its time was over; None: it is kept."""
    patient_id: str | None = field(repr=False)
    """PHI."""


def received_object(session: Session, study_instance_uid: str, sop_instance_uid: str) -> StoredObject:
    """An instance of a study as it came.

    Raises
    ------
    StudyNotFoundError
        The study, or the instance in it, is not in the registry.
    """
    found = _stored(session, Instance, study_instance_uid, sop_instance_uid)
    if found is None:
        raise StudyNotFoundError(f"study {study_instance_uid} has no instance {sop_instance_uid}")
    return found


def made_object(session: Session, study_instance_uid: str, sop_instance_uid: str) -> StoredObject:
    """An object that was made for the PACS of a study, of whichever run.

    Raises
    ------
    StudyNotFoundError
        The study, or the object of it, is not in the registry.
    """
    found = _stored(session, Report, study_instance_uid, sop_instance_uid)
    if found is None:
        raise StudyNotFoundError(f"nothing was made of study {study_instance_uid} under {sop_instance_uid}")
    return found


def _stored(
    session: Session, kind: type[Instance] | type[Report], study_instance_uid: str, sop_instance_uid: str
) -> StoredObject | None:
    removed_at = Instance.removed_at if kind is Instance else null()  # what we made is not removed
    of_study = (
        select(
            kind.sop_instance_uid,
            kind.sop_class_uid,
            kind.spool_path,
            removed_at.label("removed_at"),
            PatientIdentity.patient_id,
        )
        .join(Study, Study.id == kind.study_id)
        .outerjoin(PatientIdentity, PatientIdentity.study_id == Study.id)
        .where(Study.study_instance_uid == study_instance_uid, kind.sop_instance_uid == sop_instance_uid)
    )
    row = session.execute(of_study).mappings().one_or_none()
    return None if row is None else StoredObject(**row)
