"""Studies that a received report may be of, and reports that a new study may be the one of."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session

from db.identities import PSEUDONYM, KeyKind, digest_of
from db.portions import in_portions
from db.tables.consistency import ReceivedReport, ReceivedReportKey
from db.tables.studies import Instance, PatientIdentity, Study

MOST_STUDIES = 200
"""A Patient ID with more studies than this is that of a phantom, of tests, or of the unknown: of these the latest."""


@dataclass(frozen=True, kw_only=True)
class KnownStudy:
    """A study of the registry, with whose it is. PHI: never logged."""

    id: int
    study_instance_uid: str
    patient_id: str = field(repr=False)
    accession_number: str = field(repr=False)
    study_date: str = field(repr=False)
    """YYYYMMDD, or "" where the images name none."""

    def matching_keys(self) -> list[str]:
        """What reports may name it by."""
        said = (
            (KeyKind.STUDY, self.study_instance_uid),
            (KeyKind.ANY, self.study_instance_uid),
            (KeyKind.ACCESSION_NUMBER, self.accession_number),
            (KeyKind.PATIENT, self.patient_id),
        )
        return [matching_key(kind, value) for kind, value in said if value.strip()]


def matching_key(kind: KeyKind, value: str) -> str:
    """What stands for a UID or a number in the registry, where only its equal has to be found."""
    return value.strip() if value.startswith(PSEUDONYM) else f"{kind}:{digest_of(kind, value)}"


def studies_that_may_match(
    session: Session,
    *,
    study_instance_uids: Collection[str],
    accession_numbers: Collection[str],
    patient_ids: Collection[str],
) -> list[KnownStudy]:
    """The studies that have any of these, the latest first."""
    named = or_(
        Study.study_instance_uid.in_(study_instance_uids),
        PatientIdentity.accession_number.in_({number.strip() for number in accession_numbers} - {""}),
    )
    of_patient = PatientIdentity.patient_id.in_({one.strip() for one in patient_ids} - {""})
    # Apart, so that the many of a placeholder do not crowd out the one that is named.
    found = [*_known(session, named), *_known(session, of_patient)]
    return list({study.id: study for study in found}.values())


def _known(session: Session, condition: ColumnElement[bool]) -> list[KnownStudy]:
    latest = _columns().where(condition).order_by(Study.id.desc()).limit(MOST_STUDIES)
    return [_study(row) for row in session.execute(latest)]


def studies_after(session: Session, study_id: int, *, but_for: Collection[int]) -> list[KnownStudy]:
    """The studies with a greater number in the registry, some left out, in the order of their numbers."""
    rows = session.execute(_columns().where(Study.id > study_id).order_by(Study.id))
    return [_study(row) for row in rows if row[0] not in but_for]


def reports_to_match(session: Session, keys: Iterable[str], *, also_matched_by: str) -> list[int]:
    """The numbers of the reports that have one of these keys, and no study, or one that was found in this way."""
    found: set[int] = set()
    for portion in in_portions(keys):
        found.update(
            session.scalars(
                select(ReceivedReport.id)
                .join(ReceivedReportKey, ReceivedReportKey.received_report_id == ReceivedReport.id)
                .where(
                    ReceivedReportKey.key.in_(portion),
                    ReceivedReport.superseded_by.is_(None),
                    or_(ReceivedReport.study_id.is_(None), ReceivedReport.matched_by == also_matched_by),
                )
            )
        )
    return sorted(found)


def first_spool_path(session: Session, study_id: int) -> str | None:
    """The spool path of the first instance of a study; None where it has none."""
    first = select(Instance.spool_path).where(Instance.study_id == study_id).order_by(Instance.id).limit(1)
    return session.scalar(first)


def _columns() -> Select[int, str, str | None, str | None, str | None]:
    identity = PatientIdentity
    columns = (Study.id, Study.study_instance_uid, identity.patient_id, identity.accession_number, identity.study_date)
    return select(*columns).outerjoin(identity, identity.study_id == Study.id)


def _study(row: Row[int, str, str | None, str | None, str | None]) -> KnownStudy:
    number, uid, patient_id, accession_number, study_date = row
    return KnownStudy(
        id=number,
        study_instance_uid=uid,
        patient_id=patient_id or "",
        accession_number=accession_number or "",
        study_date=study_date or "",
    )
