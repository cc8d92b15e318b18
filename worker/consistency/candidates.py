"""The studies of the registry that a report may be of, with what their images say of whose they are."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

from pydicom.dataset import Dataset
from sqlalchemy.orm import Session

from config.errors import UnreadableInstanceError
from db.identities import PSEUDONYM, IdentityField, KeyKind, keeper_of
from db.report_matching import KnownStudy, first_spool_path, matching_key, studies_that_may_match
from dicom_node.header import read_attributes
from dicom_node.spool import Spool
from worker.consistency.identifiers import ReportIdentifiers
from worker.consistency.matching import Candidate
from worker.consistency.sr_tree import items_of, text_of

_KEYWORDS = (
    "PatientID",
    "AccessionNumber",
    "StudyDate",
    "StudyTime",
    "TimezoneOffsetFromUTC",
    "IssuerOfPatientID",
    "IssuerOfAccessionNumberSequence",
    "SpecificCharacterSet",
)
_NOON = timedelta(hours=12)


def keys_of(identifiers: ReportIdentifiers) -> set[str]:
    """What stands for all that a report may be matched by."""
    return {
        *(matching_key(KeyKind.STUDY, uid) for uid in identifiers.study_instance_uids),
        *(matching_key(KeyKind.ACCESSION_NUMBER, number.value) for number in identifiers.accession_numbers),
        *(matching_key(KeyKind.PATIENT, patient.value) for patient in identifiers.patient_ids),
    }


def candidates_for(
    session: Session, spool: Spool, identifiers: ReportIdentifiers, *, window: timedelta
) -> tuple[list[Candidate], dict[str, int]]:
    """The studies that share anything with a report, and their numbers in the registry by Study Instance UID.

    Who gave out their numbers and when they began stands in their files: these are read of all that could be the one.
    """
    numbers = {number.value.strip() for number in identifiers.accession_numbers}
    found = studies_that_may_match(
        session,
        study_instance_uids=identifiers.study_instance_uids,
        accession_numbers=numbers,
        patient_ids={patient.value for patient in identifiers.patient_ids},
    )
    as_kept = {keeper_of(session).stands_for(IdentityField.ACCESSION_NUMBER, number) for number in numbers}
    candidates = []
    for study in found:
        day = _time(study.study_date, "", None)
        is_named = study.study_instance_uid in identifiers.study_instance_uids or study.accession_number in as_kept
        may_be_near = identifiers.observed_at is not None and (
            day is None or abs(identifiers.observed_at - day) <= window + timedelta(days=2)
        )
        header = _header(session, spool, study) if is_named or may_be_near else Dataset()
        candidates.append(_candidate(study, header, day))
    return candidates, {study.study_instance_uid: study.id for study in found}


def _header(session: Session, spool: Spool, study: KnownStudy) -> Dataset:
    path = first_spool_path(session, study.id)
    try:
        return read_attributes(spool.absolute(path), _KEYWORDS) if path is not None else Dataset()
    except (UnreadableInstanceError, OSError):
        return Dataset()


def _candidate(study: KnownStudy, header: Dataset, day: datetime | None) -> Candidate:
    is_plain = PSEUDONYM not in study.patient_id + study.accession_number
    began_at = _time(text_of(header, "StudyDate"), text_of(header, "StudyTime"), _zone(header))
    issuers = items_of(header, "IssuerOfAccessionNumberSequence")
    named = [text_of(issuers[0], each) for each in ("LocalNamespaceEntityID", "UniversalEntityID")] if issuers else []
    return Candidate(
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number if is_plain else text_of(header, "AccessionNumber"),
        accession_issuer=next((name for name in named if name), ""),
        patient_id=study.patient_id if is_plain else text_of(header, "PatientID"),
        patient_issuer=text_of(header, "IssuerOfPatientID"),
        began_at=began_at or (day + _NOON if day is not None else None),
    )


def _time(date: str, time: str, zone: tzinfo | None) -> datetime | None:
    """DA and TM (PS3.5 section 6.2) as an aware time, in the zone of this machine where the images name none."""
    digits = time.partition(".")[0].replace(":", "")[:6].ljust(6, "0")
    try:
        naive = datetime.strptime(f"{date.replace('.', '')}{digits}", "%Y%m%d%H%M%S")  # noqa: DTZ007
        return naive.replace(tzinfo=zone) if zone is not None else naive.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _zone(header: Dataset) -> tzinfo | None:
    """Timezone Offset From UTC (PS3.3 section C.12.1.1), as "+0200"."""
    said = text_of(header, "TimezoneOffsetFromUTC")
    if len(said) != 5 or said[0] not in "+-" or not said[1:].isdecimal():
        return None
    offset = timedelta(hours=int(said[1:3]), minutes=int(said[3:]))
    if offset >= timedelta(days=1):
        return None
    return timezone(offset if said[0] == "+" else -offset) if offset else UTC
