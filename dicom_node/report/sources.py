"""The headers of the images, as a report can take them: machines in the field write more than DICOM allows.

A report carries patient and study as its images do. What it could not carry unchanged is empty in it, or left out:
half a name or another patient's number is worse than none.
"""

import json
import re
from collections.abc import Sequence
from copy import deepcopy

from pydicom.charset import python_encoding
from pydicom.config import RAISE
from pydicom.datadict import dictionary_has_tag, dictionary_VM
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UltrasoundMultiFrameImageStorage
from pydicom.valuerep import DA, DT, TM, validate_value

from config.errors import ReportError
from dicom_node.contexts import RETIRED_ULTRASOUND

UNICODE = "ISO_IR 192"

TYPE_2 = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""Attributes that an SR must carry, empty where the images have none (PS3.3 A.35.13)."""
_SEXES = ("M", "F", "O")
"""PS3.3 section C.7.1.1."""
_ONE_LINE = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UI"}
_PARAGRAPHS = {"LT", "ST", "UC", "UR", "UT"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DATES_AND_TIMES = {"DA": DA, "TM": TM, "DT": DT}


def report_sources(headers: Sequence[Dataset]) -> list[Dataset]:
    """Copies that highdicom takes, valid in every attribute; the first is the one to take patient and study from.

    An image without Series Instance UID cannot be referenced, and is left out.

    Raises
    ------
    ReportError
        Nothing is left, a Patient ID is not one value of at most 64 characters, or there is more than one.
    """
    study = f"study {headers[0].get('StudyInstanceUID')}"
    sources = [source for header in headers if (source := _source(header, study)).get("SeriesInstanceUID")]
    if not sources:
        raise ReportError(f"{study}: no image has a Series Instance UID: there is nothing to refer to")
    if len({_patient(source) for source in sources} - {""}) > 1:
        raise ReportError(f"{study}: its images carry more than one Patient ID; correct the study in the PACS")
    return sorted(sources, key=lambda source: not _patient(source))


def make_all_text_writable(document: Dataset) -> None:
    """Names of models and tasks, which are ours, need not fit the character set of the images."""
    # highdicom leaves times of the scanner as objects of their own.
    text = json.dumps(document.to_json_dict(), ensure_ascii=False, default=str)
    try:
        text.encode(python_encoding[document.SpecificCharacterSet])
    except UnicodeEncodeError:
        document.SpecificCharacterSet = UNICODE


def _source(header: Dataset, study: str) -> Dataset:
    source = Dataset()
    for tag in header.keys():  # noqa: SIM118  iterating the data set itself would stop at the first damaged element
        element = None if tag.is_private else _valid_element(header, tag)
        if element is not None and not (element.VR == "SQ" and not element.value):  # an SR may have none without items
            source.add(element)
    if header.get("PatientID") and "PatientID" not in source:
        # Emptied or cut, the report would be filed under nobody, or under somebody else.
        raise ReportError(
            f"{study}: its Patient ID is not one valid value of at most 64 characters; correct the study in the PACS"
        )
    for keyword in TYPE_2:
        source.setdefault(keyword, "")
    if source.PatientSex not in _SEXES:
        source.PatientSex = ""
    if source.get("Modality") not in ("US", "IVUS"):
        source.Modality = "US"  # none but ultrasound images are scored
    if source.SOPClassUID in RETIRED_ULTRASOUND:
        source.SOPClassUID = UltrasoundMultiFrameImageStorage  # highdicom does not know the retired ones
    source.SpecificCharacterSet = _character_set(header.get("SpecificCharacterSet"))
    return source


def _patient(source: Dataset) -> str:
    return str(source.PatientID or "").strip()


def _valid_element(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """A copy of the element, its text decoded; None when DICOM does not allow its value."""
    try:
        element = dataset[tag]
        return deepcopy(element) if _is_valid(element) else None
    except Exception:  # noqa: BLE001  pydicom raises whatever damaged bytes lead it to
        return None


def _is_valid(element: DataElement) -> bool:
    if element.VR == "SQ":
        return all(_is_valid(inner) for item in element.value for inner in item)
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    if len(values) > 1 and dictionary_has_tag(element.tag) and dictionary_VM(element.tag) == "1":
        return False
    if element.VR in _ONE_LINE | _PARAGRAPHS:
        return all(_is_valid_text(element.VR, str(value)) for value in values if value)
    return True


def _is_valid_text(vr: str, text: str) -> bool:
    """Whether a value fits its VR (PS3.5 table 6.2-1)."""
    try:
        validate_value(vr, text, RAISE)
        _DATES_AND_TIMES.get(vr, str)(text)  # the form of a date does not make it one
    except ValueError:
        return False
    return vr in _PARAGRAPHS or _CONTROL.search(text) is None


def _character_set(term: object) -> str:
    """What the images have where one character set of one byte says it all, which an old PACS reads; else UTF-8."""
    kept = isinstance(term, str) and re.fullmatch(r"ISO_IR \d{3}", term) and term in python_encoding
    return str(term) if kept else UNICODE
