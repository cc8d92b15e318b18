"""Which instances of a study may be reports of others, as far as the registry can tell."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.tables.deliveries import Report
from db.tables.studies import Instance, Study

STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""PS3.4 table B.5-1: the storage class of every kind of Structured Report begins so."""
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


@dataclass(frozen=True, kw_only=True)
class ReportInstances:
    """Structured Reports and PDF of one study, whoever made them."""

    study_instance_uid: str
    paths: Mapping[str, str]
    """The spool path of each by SOP Instance UID, in the order in which they came."""
    ours: frozenset[str]
    """SOP Instance UIDs of what was made here of the study."""


def report_instances(session: Session, study_id: int) -> ReportInstances:
    """By their SOP class, or by their modality where a private class was used; whatever rules say of scoring them."""
    of_study = select(Instance.sop_instance_uid, Instance.spool_path).where(
        Instance.study_id == study_id,
        or_(
            Instance.sop_class_uid.startswith(STRUCTURED_REPORTS, autoescape=True),
            Instance.sop_class_uid == ENCAPSULATED_PDF,
            Instance.modality == "SR",
        ),
    )
    paths = dict(session.execute(of_study.order_by(Instance.id)).all())
    ours = session.scalars(select(Report.sop_instance_uid).where(Report.study_id == study_id))
    uid = session.scalars(select(Study.study_instance_uid).where(Study.id == study_id)).one()
    return ReportInstances(study_instance_uid=uid, paths=paths, ours=frozenset(ours))
