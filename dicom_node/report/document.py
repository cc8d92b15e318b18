"""The Structured Report as an object for the PACS; the same run always gives the same bytes."""

from collections.abc import Sequence

from highdicom import ContributingEquipment
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import Comprehensive3DSR, ComprehensiveSR
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ComprehensiveSRStorage

from config.catalogue import Catalogue
from config.errors import ReportError
from config.languages import Language
from config.sections.report_objects import ReportObject
from db.consistency.discordances import Told
from db.results.runs import Run
from dicom_node.contexts import RETIRED_ULTRASOUND
from dicom_node.header import MANUFACTURER
from dicom_node.report.checking.terminology import is_private
from dicom_node.report.codes import OUR_SCHEME, OUR_SCHEME_NAME
from dicom_node.report.companions import HEAT_MAP_CLASS, object_uid, series_uid
from dicom_node.report.content import report_content
from dicom_node.report.dating import date_object
from dicom_node.report.requests import referenced_requests
from dicom_node.report.sources import make_all_text_writable, report_sources
from dicom_node.report.uids import derived_uid
from dicom_node.report.wording import series_description
from dicom_node.report.words import Words, words_of

SERIES_NUMBER = 900
"""Behind the modality's own series in a viewer's list."""


def build_structured_report(
    run: Run,
    catalogue: Catalogue,
    evidence: Sequence[Dataset],
    *,
    sop_class: type[Comprehensive3DSR] | type[ComprehensiveSR] = Comprehensive3DSR,
    predecessor: Dataset | None = None,
    language: Language = Language.ENGLISH,
    illustrated: str | None = None,
    told: Told | None = None,
) -> Comprehensive3DSR | ComprehensiveSR:
    """Build the report of a run: TID 1500, preliminary, not verified by a person.

    Parameters
    ----------
    run, catalogue
        The results, and the tasks that they answer.
    evidence
        The headers of the instances that the run used; patient and study are those of the first that names its
        patient, as far as an SR can carry them (`dicom_node.report.sources`).
    sop_class
        Comprehensive 3D SR as IHE AIR asks for, or Comprehensive SR for a PACS that does not take it.
    predecessor
        The header of the study's previous report, which this one supersedes, or `reference_to_report`.
    language
        Of its sentences. The same run in another language is another object, in another series.
    illustrated
        The id of the task that the run has a heat map of, which the report refers to; None where it has none.
    told
        What reports of the study, and earlier studies, say against the run, in this language; None where there was
        nothing to compare with.

    Raises
    ------
    ReportError
        The run does not fit the catalogue, or its images cannot be reported on: they carry more than one Patient ID,
        or one that is no valid value.
    """
    if not evidence:
        raise ReportError(f"run {run.run_uid} used no instance: there is nothing to report on")
    headers, words = report_sources(evidence), words_of(language, catalogue)
    heat_map = None if illustrated is None else _heat_map(run, language)
    try:
        document = sop_class(
            evidence=headers if heat_map is None else [*headers, heat_map],
            content=report_content(run, catalogue, headers, words, illustrated=illustrated, told=told),
            series_instance_uid=report_series_uid(run, sop_class.__name__, language),
            series_number=SERIES_NUMBER,
            sop_instance_uid=derived_uid(
                "report", run.study_instance_uid, run.run_uid, sop_class.__name__, *_in_language(language)
            ),
            instance_number=run.revision,
            requested_procedures=referenced_requests(headers) or None,
            previous_versions=[predecessor] if predecessor is not None else None,
            is_complete=True,
            contributing_equipment=[_algorithm_as_equipment(run, words)],
            manufacturer=MANUFACTURER,
            manufacturer_model_name="EchoWorker",
            software_versions=run.software_version,
            device_serial_number=run.model.digest[:12],
            series_description=series_description(run.model.label, words),
        )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ReportError(f"run {run.run_uid}: highdicom refused the report ({type(error).__name__})") from error
    _date(document, run, headers[0])
    _identify_schemes(document, headers[0])
    make_all_text_writable(document)
    _name_retired_classes(document, evidence)
    return document


def report_series_uid(run: Run, sop_class: str, language: Language) -> UID:
    """One series for each that makes reports: a series is of one equipment (PS3.3 section A.1.2.3), and has one
    description. `sop_class` is highdicom's name of it.
    """
    made_by = (run.model.label, run.model.digest, run.software_version)
    return derived_uid("series", run.study_instance_uid, *made_by, sop_class, *_in_language(language))


def reference_to_report(run: Run, *, sop_class_uid: str, sop_instance_uid: str, language: Language) -> Dataset:
    """As much of a report of this run as a predecessor has to have, without its file.

    Its series is named as this version names it: where the file is there, that is the truth.
    """
    reference = Dataset()
    reference.StudyInstanceUID, reference.SOPClassUID = run.study_instance_uid, UID(sop_class_uid)
    reference.SOPInstanceUID = sop_instance_uid
    made_as = ComprehensiveSR if sop_class_uid == ComprehensiveSRStorage else Comprehensive3DSR
    reference.SeriesInstanceUID = report_series_uid(run, made_as.__name__, language)
    return reference


def _in_language(language: Language) -> tuple[str, ...]:
    """None for English: what was sent before there were others keeps its UIDs."""
    return () if language is Language.ENGLISH else (str(language),)


def _heat_map(run: Run, language: Language) -> Dataset:
    """As much of it as evidence takes: its UIDs follow from the run."""
    reference = Dataset()
    reference.StudyInstanceUID, reference.SOPClassUID = run.study_instance_uid, HEAT_MAP_CLASS
    reference.SeriesInstanceUID = series_uid(run, ReportObject.HEAT_MAP, language)
    reference.SOPInstanceUID = object_uid(run, ReportObject.HEAT_MAP, language)
    return reference


def _identify_schemes(document: Dataset, source: Dataset) -> None:
    """Name private coding schemes, as PS3.16 section 8.2 has them: a site's catalogue brings some, and so do codes of
    patient and study, of which the images may say whose they are; ours is that of earlier catalogues.
    """
    found: set[str] = set()

    def note(item: Dataset, element: object) -> None:
        scheme = str(item.get("CodingSchemeDesignator", ""))
        if is_private(scheme):
            found.add(scheme)

    document.walk(note)
    named = {str(item.CodingSchemeDesignator): item for item in source.get("CodingSchemeIdentificationSequence", [])}
    named[OUR_SCHEME] = CodingSchemeIdentificationItem(designator=OUR_SCHEME, name=OUR_SCHEME_NAME)
    if found:
        document.CodingSchemeIdentificationSequence = [
            named.get(scheme) or CodingSchemeIdentificationItem(designator=scheme) for scheme in sorted(found)
        ]


def _algorithm_as_equipment(run: Run, words: Words) -> ContributingEquipment:
    return ContributingEquipment(
        manufacturer="EchoWorker",
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=run.model.name,
        software_versions=run.model.version,
        device_serial_number=run.model.digest,
        contribution_description=series_description(run.model.label, words),
    )


def _date(document: Dataset, run: Run, source: Dataset) -> None:
    """When the run ended; highdicom would write when the file was made."""
    ended = date_object(document, run, source)
    highdicom_itself = document.ContributingEquipmentSequence[-1]
    highdicom_itself.ContributionDateTime = ended.strftime("%Y%m%d%H%M%S.%f%z")


def _name_retired_classes(document: Dataset, evidence: Sequence[Dataset]) -> None:
    """References name the class that the instance really has: a PACS looks it up by both."""
    retired = {str(h.SOPInstanceUID): h.SOPClassUID for h in evidence if h.SOPClassUID in RETIRED_ULTRASOUND}
    if not retired:
        return

    def correct(item: Dataset, element: object) -> None:
        instance = str(item.get("ReferencedSOPInstanceUID", ""))
        if instance in retired:
            item.ReferencedSOPClassUID = UID(retired[instance])

    document.walk(correct)
