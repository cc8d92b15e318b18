"""What earlier studies of the same patient gave: for the page that a reader gets, and to be compared with this one."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from db.run_rows import run_of
from db.runs import ModelIdentity, Run, Verdict
from db.schema import PatientIdentity, ResultRow, RunRow, Study

PLACEHOLDER_STUDIES = 50
"""A Patient ID with more studies than this is taken for that of a phantom, of tests, or of the unknown."""


@dataclass(frozen=True, kw_only=True)
class EarlierValue:
    """A measurement of an earlier study."""

    study_date: str
    """YYYYMMDD, as the images have it."""
    value: float


def earlier_values(
    session: Session, *, study_id: int, task_id: str, model: ModelIdentity, until: datetime
) -> list[EarlierValue]:
    """The measurement of this task in each earlier study of the patient, in the order of their dates.

    Patients are one where their Patient IDs are equal but for outer spaces and no birth dates contradict each other;
    who issued the ID is not kept. Of each study counts the last run that had ended by `until`, by a model of the same
    family and label: asked again with the same `until`, the answer is the same, whatever was scored since.
    """
    earlier = _earlier_runs(session, study_id=study_id, model=model, until=until)
    if earlier is None:
        return []
    rows = session.execute(
        select(PatientIdentity.study_date, ResultRow.value)
        .join(RunRow, RunRow.study_id == PatientIdentity.study_id)
        .join(ResultRow, ResultRow.run_id == RunRow.id)
        .where(earlier, ResultRow.task_id == task_id, ResultRow.verdict == Verdict.MEASURED)
        .order_by(PatientIdentity.study_date, PatientIdentity.study_id)
    )
    return [EarlierValue(study_date=day, value=value) for day, value in rows if day and value is not None]


def last_run_before(session: Session, *, study_id: int, model: ModelIdentity, until: datetime) -> Run | None:
    """The run of the patient's last study before this one, patient and run as `earlier_values` has them."""
    earlier = _earlier_runs(session, study_id=study_id, model=model, until=until)
    if earlier is None:
        return None
    last = session.execute(
        select(RunRow, Study.study_instance_uid)
        .join(PatientIdentity, PatientIdentity.study_id == RunRow.study_id)
        .join(Study, Study.id == RunRow.study_id)
        .where(earlier)
        .order_by(PatientIdentity.study_date.desc(), PatientIdentity.study_id.desc())
        .limit(1)
    ).one_or_none()
    return None if last is None else run_of(*last)


def _earlier_runs(
    session: Session, *, study_id: int, model: ModelIdentity, until: datetime
) -> ColumnElement[bool] | None:
    """Which rows of patients and their runs are of earlier studies of the same patient; None where nobody is named."""
    mine = session.get(PatientIdentity, study_id)
    if mine is None or not (mine.patient_id or "").strip() or not mine.study_date:
        return None
    same_id = func.trim(PatientIdentity.patient_id) == (mine.patient_id or "").strip()
    if (session.scalar(select(func.count()).where(same_id)) or 0) > PLACEHOLDER_STUDIES:
        return None
    same_birth = or_(
        literal(mine.birth_date is None),
        PatientIdentity.birth_date.is_(None),
        PatientIdentity.birth_date == mine.birth_date,
    )
    run, later = RunRow, aliased(RunRow)
    superseded = (
        select(later.id)
        .where(
            later.study_id == run.study_id,
            later.id > run.id,
            later.model_family == model.family,
            later.model_label == model.label,
            later.finished_at <= until,
        )
        .exists()
    )
    return and_(
        same_id,
        same_birth,
        PatientIdentity.study_id != study_id,
        PatientIdentity.study_date < mine.study_date,
        run.model_family == model.family,
        run.model_label == model.label,
        run.finished_at <= until,
        ~superseded,
    )
