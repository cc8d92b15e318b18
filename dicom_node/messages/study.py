"""Whose study a message is about: as the Structured Report of the same run has it, so that both name one patient."""

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from config.errors import ReportError


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Who gave out an identifier (PS3.3 section 10.14 and table 10-17); each part empty where it is not known."""

    name: str = ""
    universal_id: str = ""
    universal_id_type: str = ""
    """ISO for an object identifier, URI, DNS, UUID and others of HL7's table 0301."""


@dataclass(frozen=True, kw_only=True)
class ReportedStudy:
    """Patient, request and study; what is not known is empty."""

    study_instance_uid: str
    report_uid: str
    """The SOP Instance UID of the Structured Report."""
    patient_id: str
    patient_id_issuer: Issuer
    patient_name: PersonName
    birth_date: str
    """YYYYMMDD."""
    sex: str
    """M, F, O."""
    accession_number: str
    accession_number_issuer: Issuer
    placer_order_number: str
    study_date: str
    study_time: str
    """HHMMSS, or fewer digits."""
    reported_at: str
    """YYYYMMDDHHMMSS, when the report was made: in the zone that the images name, else in the site's."""
    time_zone: str
    """The offset of both from UTC, as +0200; empty where the images do not name it."""


def reported_study(report: Dataset) -> ReportedStudy:
    """What the header of a Structured Report says of patient and study.

    Raises
    ------
    ReportError
        It names no patient: a message on nobody would be filed under somebody else, or lost.
    """
    patient_id = str(report.get("PatientID") or "").strip()
    if not patient_id:
        raise ReportError(
            f"study {report.StudyInstanceUID}: has no Patient ID, and a message would be on nobody; correct the study "
            "in the PACS, and have it sent again"
        )
    return ReportedStudy(
        study_instance_uid=str(report.StudyInstanceUID),
        report_uid=str(report.SOPInstanceUID),
        patient_id=patient_id,
        patient_id_issuer=_issuer(report, "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence"),
        patient_name=PersonName(str(report.get("PatientName") or "")),
        birth_date=_text(report, "PatientBirthDate"),
        sex=_text(report, "PatientSex"),
        accession_number=_text(report, "AccessionNumber"),
        accession_number_issuer=_issuer(report, "", "IssuerOfAccessionNumberSequence"),
        placer_order_number=_placer_order_number(report),
        study_date=_text(report, "StudyDate"),
        study_time=_text(report, "StudyTime").partition(".")[0],
        reported_at=_text(report, "ContentDate") + _text(report, "ContentTime").partition(".")[0],
        time_zone=_text(report, "TimezoneOffsetFromUTC"),
    )


def _issuer(report: Dataset, name: str, qualifiers: str) -> Issuer:
    item = next(iter(report.get(qualifiers) or []), Dataset())
    return Issuer(
        name=(_text(report, name) if name else "") or _text(item, "LocalNamespaceEntityID"),
        universal_id=_text(item, "UniversalEntityID"),
        universal_id_type=_text(item, "UniversalEntityIDType"),
    )


def _placer_order_number(report: Dataset) -> str:
    """Of the request that the report names, where it names one alone (PS3.3 section C.17.2)."""
    requests = report.get("ReferencedRequestSequence") or []
    return _text(requests[0], "PlacerOrderNumberImagingServiceRequest") if len(requests) == 1 else ""


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()
