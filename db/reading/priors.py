"""What earlier studies of the same patient gave: for the page that a reader gets, and to be compared with this one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session, aliased

from db.identities import family_names
from db.rescoring.rescored import has_counted
from db.results.run_rows import run_of
from db.results.runs import ModelIdentity, Run, Verdict
from db.tables.runs import ResultRow, RunRow
from db.tables.studies import PatientIdentity, Study

PLACEHOLDER_STUDIES = 50
"""A Patient ID with more studies than this is taken for that of a phantom, of tests, or of the unknown."""


@dataclass(frozen=True, kw_only=True)
class EarlierValue:
    """A measurement of an earlier study."""

    study_date: str
    """YYYYMMDD, as the images have it."""
    value: float
    study_instance_uid: str = field(default="", compare=False)
    """Of that study."""


def earlier_values(
    session: Session, *, study_id: int, task_id: str, model: ModelIdentity, until: datetime
) -> list[EarlierValue]:
    """The measurement of this task in each earlier study of the patient, in the order of their dates.

    Patients are one where their Patient IDs and birth dates are equal but for outer spaces, and so their family names
    where both have one; who issued the ID is not kept. A study without a birth date has no earlier ones, nor has one
    whose ID was seen, by `until`, with another birth date or family name: such an ID stands for several people.

    Of each study counts the last run that had ended by `until`, by a model of the same family and label: asked again
    with the same `until`, the answer is the same, whatever was received or scored since.
    """
    earlier = _earlier_runs(session, study_id=study_id, model=model, until=until)
    if earlier is None:
        return []
    days, of_earlier = earlier
    rows = session.execute(
        select(RunRow.study_id, ResultRow.value, Study.study_instance_uid)
        .join(ResultRow, ResultRow.run_id == RunRow.id)
        .join(Study, Study.id == RunRow.study_id)
        .where(of_earlier, ResultRow.task_id == task_id, ResultRow.verdict == Verdict.MEASURED)
    )
    found = sorted((days[study], study, value, uid) for study, value, uid in rows if value is not None)
    return [EarlierValue(study_date=day, value=value, study_instance_uid=uid) for day, _, value, uid in found]


def last_run_before(session: Session, *, study_id: int, model: ModelIdentity, until: datetime) -> Run | None:
    """The run of the patient's last study before this one, patient and run as `earlier_values` has them."""
    earlier = _earlier_runs(session, study_id=study_id, model=model, until=until)
    if earlier is None:
        return None
    days, of_earlier = earlier
    runs = session.execute(
        select(RunRow, Study.study_instance_uid).join(Study, Study.id == RunRow.study_id).where(of_earlier)
    ).all()
    last = max(runs, key=lambda row: (days[row[0].study_id], row[0].study_id), default=None)
    return None if last is None else run_of(*last)


def _earlier_runs(
    session: Session, *, study_id: int, model: ModelIdentity, until: datetime
) -> tuple[dict[int, str], ColumnElement[bool]] | None:
    """The dates of earlier studies of the same patient, and which runs are of these; None where that is unsure.

    Dates are compared here, and not in the database, which may hold them encrypted.
    """
    mine = session.get(PatientIdentity, study_id)
    if mine is None or not mine.study_date:
        return None
    patient, birth_date = (mine.patient_id or "").strip(), (mine.birth_date or "").strip()
    if not patient or not birth_date:
        return None
    same_id = PatientIdentity.patient_id == patient
    known = select(PatientIdentity).join(Study).where(same_id, Study.created_at <= until).limit(PLACEHOLDER_STUDIES + 1)
    identities = [mine, *session.scalars(known.where(PatientIdentity.study_id != study_id))]
    if len(identities) > PLACEHOLDER_STUDIES or _are_of_several(identities):
        return None
    days = {
        identity.study_id: identity.study_date
        for identity in identities[1:]
        if identity.birth_date == birth_date and identity.study_date and identity.study_date < mine.study_date
    }
    run, later = RunRow, aliased(RunRow)
    superseded = (
        select(later.id)
        .where(
            later.study_id == run.study_id,
            later.id > run.id,
            later.model_family == model.family,
            later.model_label == model.label,
            later.finished_at <= until,
            has_counted(later, until),
        )
        .exists()
    )
    return days, and_(
        run.study_id.in_(list(days)),
        run.model_family == model.family,
        run.model_label == model.label,
        run.finished_at <= until,
        has_counted(run, until),
        ~superseded,
    )


def _are_of_several(identities: Sequence[PatientIdentity]) -> bool:
    """Whether two of them contradict each other in birth date or family name; what is not said contradicts nothing."""
    births = {(identity.birth_date or "").strip() for identity in identities} - {""}
    families = {family_names(identity.patient_name or "") for identity in identities}
    return len(births) > 1 or any(not _agree(one, other) for one, other in combinations(families, 2))


def _agree(one: Sequence[str], other: Sequence[str]) -> bool:
    """Equal in each group that both have, and there is one; whoever has no name agrees with all."""
    if not any(one) or not any(other):
        return True
    shared = [(mine, its) for mine, its in zip(one, other, strict=False) if mine and its]
    return bool(shared) and all(mine == its for mine, its in shared)
