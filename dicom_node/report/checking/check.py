"""The checker: every rule over one document."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import dcmread
from pydicom.uid import UID

from dicom_node.report.checking import coding, header, structure, template
from dicom_node.report.checking.document import HEADER, Document, in_a_line
from dicom_node.report.checking.findings import Finding, Rule
from dicom_node.report.checking.reading import read_document

RULES: tuple[Rule, ...] = (
    header.readable,
    header.template_identifier,
    header.document_title,
    header.verifying_observer,
    header.study_of_evidence,
    header.references_are_evidence,
    header.coding_schemes_identified,
    header.length_of_text,
    template.language,
    template.observer,
    template.procedure_reported,
    template.image_library,
    template.something_reported,
    template.tracking_identifier,
    template.tracking_unique_identifier,
    template.measured_once,
    template.value_type_of_concept,
    template.relationship_of_concept,
    structure.relationship,
    structure.value_type,
    structure.frame_numbers,
    structure.one_reference,
    structure.target_of_reference,
    coding.code_is_whole,
    coding.code_exists,
    coding.code_means_what_it_says,
    coding.scheme_is_current,
    coding.unit_is_ucum,
)
_STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""Every SOP class of structured reports begins so (PS3.4 table B.5-1)."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a file is, and what is wrong with it."""

    kind: str
    """In words: a measurement report, another template of which only the common rules were held, or no report."""
    findings: tuple[Finding, ...]


def check_file(file: Path) -> Checked:
    """Check a DICOM file; one that is none, or no structured report, is itself a finding.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they may quote the values of a damaged file, which may be names
        try:
            dataset = dcmread(file, stop_before_pixels=True)
        except OSError:
            raise
        except InvalidDicomError:
            return _not_checked("no DICOM file", "it has no preamble and prefix", source="PS3.10 section 7.1")
        except Exception as error:  # noqa: BLE001  pydicom raises whatever damaged bytes lead it to
            said = f"its data set cannot be read ({type(error).__name__})"
            return _not_checked("damaged DICOM file", said, source="PS3.5 section 7")
        return check(dataset)


def check(dataset: Dataset) -> Checked:
    """Check a data set by every rule; it is only looked at. Nothing that is wrong with it raises."""
    document = read_document(dataset)
    sop_class = document.sop_class_uid
    if not sop_class.startswith(_STRUCTURED_REPORTS):
        said = f"its SOP class is {_class_name(sop_class)}" if sop_class else "it names no SOP class"
        return _not_checked("no Structured Report", said, source="PS3.4 table B.5-1")
    return Checked(kind=_kind(document), findings=tuple(_findings(document)))


def _findings(document: Document) -> Iterator[Finding]:
    for rule in RULES:
        yield from rule(document)


def _kind(document: Document) -> str:
    title = f"{_class_name(document.sop_class_uid)}, {document.root.path}"
    if document.is_measurement_report:
        return f"{title}, TID 1500"
    _, identifier = document.template
    other = f"TID {in_a_line(identifier)[:16]}" if identifier else "no template named"
    return f"{title}, {other}: not TID 1500, so that only the rules for every Structured Report were applied"


def _class_name(uid: str) -> str:
    return UID(uid).name if UID(uid).is_valid else "no valid UID"


def _not_checked(kind: str, said: str, *, source: str) -> Checked:
    return Checked(kind=kind, findings=(Finding(path=HEADER, said=said, rule="structured_report", source=source),))
