"""The page as an object for the PACS: Encapsulated PDF (PS3.3 section A.45.1)."""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian

from config.sections.report_objects import ReportObject
from db.results.runs import Run
from dicom_node.report.companions import PAGE_CLASS, code_item, companion
from dicom_node.report.sources import make_all_text_writable
from dicom_node.report.words import ENGLISH, Words

TRANSFER_SYNTAX = ExplicitVRLittleEndian


def build_encapsulated_pdf(
    run: Run,
    evidence: Sequence[Dataset],
    page: bytes,
    made_from: Sequence[tuple[UID, UID]],
    words: Words = ENGLISH,
) -> Dataset:
    """Wrap the page of a run.

    Parameters
    ----------
    evidence
        The headers of the instances that the run used.
    page
        The PDF.
    made_from
        SOP class and instance of the objects that say the same: report and heat map.

    Raises
    ------
    ReportError
        As `companion`.
    """
    made = companion(run, evidence, ReportObject.PDF, sop_class=PAGE_CLASS, modality="DOC", words=words)
    made.ConversionType = "WSD"
    made.AcquisitionDateTime = ""
    made.DocumentTitle = words.say("page.title")
    made.ConceptNameCodeSequence = [code_item(codes.DCM.ImagingMeasurementReport)]
    made.VerificationFlag = "UNVERIFIED"
    made.SourceInstanceSequence = [_reference(*named) for named in made_from]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    make_all_text_writable(made)
    made.EncapsulatedDocumentLength = len(page)
    made.add_new("EncapsulatedDocument", "OB", page + b"\0" * (len(page) % 2))
    return made


def _reference(sop_class: UID, sop_instance: UID) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
    return item
