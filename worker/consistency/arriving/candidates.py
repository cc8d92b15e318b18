"""The studies of the registry that a report may be of, with what their images say of whose they are."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from pydicom.dataset import Dataset
from sqlalchemy.orm import Session

from config.errors import UnreadableInstanceError
from db.consistency.report_matching import KnownStudy, first_spool_path, matching_key, studies_that_may_match
from db.identities import IdentityField, IdentityKeeper, KeyKind, keeper_of
from dicom_node.header import read_attributes
from dicom_node.spool import Spool
from dicom_node.time_zones import zone_named
from worker.consistency.arriving.matching import Candidate
from worker.consistency.identifiers import ReportIdentifiers
from worker.consistency.sr.tree import items_of, text_of

_KEYWORDS = (
    "StudyDate",
    "StudyTime",
    "TimezoneOffsetFromUTC",
    "IssuerOfPatientID",
    "IssuerOfAccessionNumberSequence",
    "SpecificCharacterSet",
)
_NOON = timedelta(hours=12)


def keys_of(identifiers: ReportIdentifiers, by_hand: str | None = None) -> set[str]:
    """What stands for all that a report may be matched by, and for the study that somebody gave it to."""
    return {
        *(matching_key(KeyKind.STUDY, uid) for uid in (by_hand,) if uid is not None),
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
    keeper = keeper_of(session)
    numbers = _as_kept(keeper, IdentityField.ACCESSION_NUMBER, {each.value for each in identifiers.accession_numbers})
    patients = _as_kept(keeper, IdentityField.PATIENT_ID, {each.value for each in identifiers.patient_ids})
    found = studies_that_may_match(
        session,
        study_instance_uids=identifiers.study_instance_uids,
        accession_numbers=numbers.values(),
        patient_ids=patients.values(),
    )
    candidates = []
    for study in found:
        day = _time(study.study_date, "", None)
        is_named = study.study_instance_uid in identifiers.study_instance_uids or study.accession_number in numbers
        may_be_near = identifiers.observed_at is not None and (
            day is None or abs(identifiers.observed_at - day) <= window + timedelta(days=2)
        )
        header = _header(session, spool, study) if is_named or may_be_near else Dataset()
        # In the report's own words, where the registry has pseudonyms.
        accession_number = numbers.get(study.accession_number, study.accession_number)
        patient_id = patients.get(study.patient_id, study.patient_id)
        named = replace(study, accession_number=accession_number, patient_id=patient_id)
        candidates.append(_candidate(named, header, day))
    return candidates, {study.study_instance_uid: study.id for study in found}


def _as_kept(keeper: IdentityKeeper, field: IdentityField, said: Collection[str]) -> dict[str, str]:
    """What the report says, by what the registry has for it."""
    kept = {keeper.stands_for(field, value): value.strip() for value in said}
    return {has: value for has, value in kept.items() if has is not None}


def _header(session: Session, spool: Spool, study: KnownStudy) -> Dataset:
    path = first_spool_path(session, study.id)
    try:
        return read_attributes(spool.with_header(path), _KEYWORDS) if path is not None else Dataset()
    except (UnreadableInstanceError, OSError):
        return Dataset()


def _candidate(study: KnownStudy, header: Dataset, day: datetime | None) -> Candidate:
    zone = zone_named(text_of(header, "TimezoneOffsetFromUTC"))
    began_at = _time(text_of(header, "StudyDate"), text_of(header, "StudyTime"), zone)
    issuers = items_of(header, "IssuerOfAccessionNumberSequence")
    named = [text_of(issuers[0], each) for each in ("LocalNamespaceEntityID", "UniversalEntityID")] if issuers else []
    return Candidate(
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        accession_issuer=next((name for name in named if name), ""),
        patient_id=study.patient_id,
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
