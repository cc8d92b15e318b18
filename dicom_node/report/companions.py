"""What the objects beside a Structured Report have in common: patient, study, series, and what made them."""

from collections.abc import Sequence
from copy import deepcopy
from io import BytesIO

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, EncapsulatedPDFStorage, MultiFrameTrueColorSecondaryCaptureImageStorage

from config.errors import ReportError
from config.languages import Language
from config.sections.report_objects import ReportObject
from db.results.runs import Run
from dicom_node.header import MANUFACTURER
from dicom_node.report.dating import date_object
from dicom_node.report.sources import TYPE_2, report_sources
from dicom_node.report.uids import derived_uid
from dicom_node.report.words import Words

HEAT_MAP_CLASS, PAGE_CLASS = MultiFrameTrueColorSecondaryCaptureImageStorage, EncapsulatedPDFStorage
SERIES_NUMBERS = {ReportObject.HEAT_MAP: 901, ReportObject.PDF: 902}
"""Behind that of the report, 900."""
_OF_PATIENT_AND_STUDY = (
    *TYPE_2, "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence",
    "IssuerOfAccessionNumberSequence", "StudyInstanceUID", "StudyDescription", "PatientAge", "PatientSize",
    "PatientWeight",
)  # fmt: skip


def companion(
    run: Run, evidence: Sequence[Dataset], kind: ReportObject, *, sop_class: UID, modality: str, words: Words
) -> Dataset:
    """An object of the run's study with all but its content.

    Parameters
    ----------
    evidence
        The headers of the instances that the run used; patient and study are those of the report.

    Raises
    ------
    ReportError
        As `report_sources`.
    """
    if not evidence:
        raise ReportError(f"run {run.run_uid} used no instance: there is nothing to show")
    source, made = report_sources(evidence)[0], Dataset()
    for keyword in _OF_PATIENT_AND_STUDY:
        if keyword in source:
            made[keyword] = deepcopy(source[keyword])
    made.SpecificCharacterSet = source.SpecificCharacterSet
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = object_uid(run, kind, words.language)
    made.Modality = modality
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, "EchoWorker"
    made.SoftwareVersions, made.DeviceSerialNumber = run.software_version, run.model.digest[:12]
    made.SeriesInstanceUID = series_uid(run, kind, words.language)
    made.SeriesNumber, made.InstanceNumber = SERIES_NUMBERS[kind], run.revision
    made.SeriesDescription = words.say(f"series.{kind.name}", label=run.model.label)
    made.BurnedInAnnotation = "YES"
    date_object(made, run, source)
    made.SeriesDate, made.SeriesTime = made.ContentDate, made.ContentTime
    made.ContributingEquipmentSequence = [_algorithm(run, made.SeriesDescription)]
    return made


def object_uid(run: Run, kind: ReportObject, language: Language) -> UID:
    """The SOP Instance UID of an object of this kind: the same run in the same language gives the same."""
    return derived_uid(kind, run.study_instance_uid, run.run_uid, str(language))


def series_uid(run: Run, kind: ReportObject, language: Language) -> UID:
    """A series of its own for each object: a series has one date and time, and one version of what made it."""
    return derived_uid("series", run.study_instance_uid, run.run_uid, kind, str(language))


def code_item(code: Code) -> Dataset:
    """An item of a code sequence (PS3.3 section 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def file_of(made: Dataset, syntax: UID) -> bytes:
    """The object as a file: the same object gives the same bytes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    file = BytesIO()
    FileDataset(file, made, preamble=b"\0" * 128, file_meta=meta).save_as(file, enforce_file_format=True)
    return file.getvalue()


def _algorithm(run: Run, contribution: str) -> Dataset:
    """The model as equipment, as in the report; by its digest, since dciodvfy takes Device UID for a mistake here."""
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.ProcessingEquipment)]
    equipment.Manufacturer, equipment.ManufacturerModelName = MANUFACTURER, run.model.name
    equipment.SoftwareVersions = run.model.version
    equipment.ContributionDescription = contribution
    equipment.DeviceSerialNumber = run.model.digest
    return equipment
