"""What calibration reads of many studies at once: their current runs, and which of them are of one patient."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from db.portions import in_portions
from db.results.run_rows import run_of
from db.results.runs import Run
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import PatientIdentity, Study


def current_runs(session: Session, study_instance_uids: Sequence[str]) -> Iterator[Run]:
    """The run that each study's current results come from; studies without one are left out."""
    for some in in_portions(study_instance_uids):
        query = (
            select(RunRow, Study.study_instance_uid)
            .join(CurrentRun, CurrentRun.run_id == RunRow.id)
            .join(Study, Study.id == CurrentRun.study_id)
            .where(Study.study_instance_uid.in_(some))
            .options(selectinload(RunRow.results))
        )
        for row, uid in session.execute(query):
            yield run_of(row, uid)


def patients_of(session: Session, study_instance_uids: Sequence[str]) -> dict[str, str]:
    """The patient ID of each study that has one: PHI, only to be compared, never to be shown or written."""
    patients: dict[str, str] = {}
    for some in in_portions(study_instance_uids):
        query = (
            select(Study.study_instance_uid, PatientIdentity.patient_id)
            .join(PatientIdentity, PatientIdentity.study_id == Study.id)
            .where(Study.study_instance_uid.in_(some), PatientIdentity.patient_id.is_not(None))
        )
        patients |= {uid: patient for uid, patient in session.execute(query) if patient}
    return patients
