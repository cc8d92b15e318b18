"""The two reports of a synthetic study as DICOM objects: the machine's measurements, and the reader's text."""

from datetime import datetime, timedelta
from pathlib import Path

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentSequence,
    PnameContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, BasicTextSRStorage, ComprehensiveSRStorage, ExplicitVRLittleEndian

from worker.phantom.dicom_clip import StudyIdentity, put_patient_and_study
from worker.phantom.measurements import Measurements
from worker.phantom.report_text import ReportText
from worker.phantom.vendor_report import vendor_report_content

CONTAINS, CONTEXT = RelationshipTypeValues.CONTAINS, RelationshipTypeValues.HAS_OBS_CONTEXT
ECHO_REPORT = Code("42148-7", "LN", "Echocardiography Report")
FINDINGS = Code("59776-5", "LN", "Findings")
CONCLUSIONS = Code("55110-1", "LN", "Conclusions")
FINDING = Code("121071", "DCM", "Finding")
CONCLUSION = Code("121077", "DCM", "Conclusion")
OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")
PERSON = Code("121006", "DCM", "Person")
OBSERVER_NAME = Code("121008", "DCM", "Person Observer Name")
READER = "PHANTOM^READER"


def write_vendor_report(file: Path, identity: StudyIdentity, measurements: Measurements) -> str:
    """Write the machine's Comprehensive SR; returns its SOP Instance UID."""
    content = vendor_report_content(measurements, retired_codes=identity.style.retired_codes)
    written = identity.patient.study_began + timedelta(minutes=25)
    document = _document(identity, ComprehensiveSRStorage, content, "vendor_report", written)
    document.SeriesNumber, document.SeriesDescription = 90, "Measurements"
    document.VerificationFlag = "UNVERIFIED"
    return _write(document, file)


def write_text_report(file: Path, identity: StudyIdentity, text: ReportText) -> str:
    """Write the reader's text as a Basic Text SR of TID 2000; returns its SOP Instance UID."""
    content = ContainerContentItem(name=ECHO_REPORT, template_id="2000")
    content.ContentSequence = ContentSequence(
        [
            CodeContentItem(name=OBSERVER_TYPE, value=PERSON, relationship_type=CONTEXT),
            PnameContentItem(name=OBSERVER_NAME, value=READER, relationship_type=CONTEXT),
            _section(FINDINGS, FINDING, " ".join(text.findings)),
            _section(CONCLUSIONS, CONCLUSION, " ".join(text.conclusion)),
        ]
    )
    written = identity.patient.study_began + timedelta(hours=3)
    document = _document(identity, BasicTextSRStorage, content, "text_report", written)
    document.SeriesNumber, document.SeriesDescription = 91, "Report"
    document.VerificationFlag = "VERIFIED"
    observer = Dataset()
    observer.VerifyingObserverName = READER
    observer.VerifyingObserverIdentificationCodeSequence = []
    observer.VerifyingOrganization = identity.patient.institution
    observer.VerificationDateTime = written.strftime("%Y%m%d%H%M%S")
    document.VerifyingObserverSequence = [observer]
    return _write(document, file)


def _section(heading: Code, name: Code, text: str) -> ContainerContentItem:
    section = ContainerContentItem(name=heading, relationship_type=CONTAINS)
    item = TextContentItem(name=name, value=text, relationship_type=CONTAINS)
    section.ContentSequence = ContentSequence([item])
    return section


def _document(
    identity: StudyIdentity, sop_class: UID, content: ContainerContentItem, what: str, written: datetime
) -> Dataset:
    """The modules that both have (PS3.3 sections C.17.1 to C.17.3)."""
    document = Dataset()
    put_patient_and_study(document, identity)
    document.SOPClassUID, document.SOPInstanceUID = sop_class, identity.uid(what)
    document.Modality = "SR"
    document.SeriesInstanceUID = identity.uid("series", what)
    document.InstanceNumber = 1
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    document.CompletionFlag = "COMPLETE"
    document.ContentDate, document.ContentTime = written.strftime("%Y%m%d"), written.strftime("%H%M%S")
    document.update(content)
    return document


def _write(document: Dataset, file: Path) -> str:
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole = FileDataset(file, document, preamble=b"\0" * 128, file_meta=document.file_meta)
    whole.save_as(file, enforce_file_format=True)
    return str(document.SOPInstanceUID)
