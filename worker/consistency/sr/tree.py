"""The content tree of any Structured Report, read without trusting it (DICOM PS3.3 section C.17.3).

What is missing, of a wrong type or too much is left out and said in a note; no error but `UnreadableReportError`.
"""

import decimal
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence

from config.errors import UnreadableReportError
from dicom_node.header import is_valid_uid
from worker.consistency.sr.codes import Concept, concept
from worker.consistency.sr.numbers import number_in

MOST_ITEMS = 20_000
"""A full echo report has some hundreds to a few thousand."""
DEEPEST = 32
"""TID 5200 needs seven levels."""
LONGEST_TEXT = 200_000
_STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""PS3.4 table B.5-1: every storage class of Structured Reports, key objects and dose reports begins so."""
BROKEN_DATA = (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NotImplementedError, OSError, EOFError,
    RecursionError, AssertionError, decimal.DecimalException, struct.error,
)  # fmt: skip
"""What pydicom raises on values that are not what their VR says."""


@dataclass(frozen=True, kw_only=True)
class ContentItem:
    """A node of the tree; of what its value type has no use for, nothing."""

    value_type: str
    relationship: str = ""
    name: Concept | None = None
    value: Concept | None = None
    """Of a CODE."""
    text: str = field(default="", repr=False)
    """Of a TEXT, DATE, TIME, DATETIME: as it is written."""
    number: float | None = None
    unit: Concept | None = None
    template: str = ""
    children: tuple["ContentItem", ...] = ()

    def walk(self) -> Iterator["ContentItem"]:
        """Itself and everything below it, in the order of the document."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class ContentTree:
    """The root, and what was noticed while reading; notes are free of what the report says."""

    root: ContentItem
    notes: list[str] = field(default_factory=list)


def read_content_tree(dataset: Dataset) -> ContentTree:
    """Read the content of a Structured Report, as far as it goes.

    Raises
    ------
    UnreadableReportError
        The data set is no Structured Report at all.
    """
    if not is_structured_report(dataset):
        raise UnreadableReportError(f"instance {instance_name(dataset)} is no Structured Report: nothing was read")
    reader = _Reader()
    root = reader.item(dataset, depth=0) or ContentItem(value_type="")
    notes = reader.notes()
    if root.value_type != "CONTAINER":
        notes.insert(0, "the root of the report is no container")
    return ContentTree(root, notes)


def is_structured_report(dataset: Dataset) -> bool:
    """By its SOP class, or by its modality where a private class was used."""
    return text_of(dataset, "SOPClassUID").startswith(_STRUCTURED_REPORTS) or text_of(dataset, "Modality") == "SR"


def instance_name(dataset: Dataset) -> str:
    """The SOP Instance UID, for messages; what is no UID is not repeated."""
    uid = text_of(dataset, "SOPInstanceUID")
    return uid if is_valid_uid(uid) else "without a valid UID"


def value_of(dataset: Dataset, keyword: str) -> Any:
    """The value of an attribute; None where it is missing or broken."""
    try:
        return dataset.get(keyword)
    except BROKEN_DATA:
        return None


def text_of(dataset: Dataset, keyword: str) -> str:
    """The text of an attribute, "" where it is missing or broken; several values as they stand, with backslashes."""
    value = value_of(dataset, keyword)
    try:
        if isinstance(value, MultiValue):
            return "\\".join(str(part) for part in value)
        return "" if value is None or isinstance(value, DicomSequence) else str(value).strip(" \0")
    except BROKEN_DATA:
        return ""


def items_of(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is missing, or no sequence."""
    value = value_of(dataset, keyword)
    try:
        return [item for item in value if isinstance(item, Dataset)] if isinstance(value, DicomSequence) else []
    except BROKEN_DATA:
        return []


def concept_in(dataset: Dataset, keyword: str) -> Concept | None:
    """The first item of a code sequence (PS3.3 section 8.8)."""
    items = items_of(dataset, keyword)
    if not items:
        return None
    code = _concept(items[0])
    equivalents = tuple(_concept(item) for item in items_of(items[0], "EquivalentCodeSequence")[:8])
    return concept(code.value, code.scheme, code.meaning, equivalents)


def _concept(item: Dataset) -> Concept:
    value = next(filter(None, (text_of(item, name) for name in ("CodeValue", "LongCodeValue", "URNCodeValue"))), "")
    return concept(value, text_of(item, "CodingSchemeDesignator"), text_of(item, "CodeMeaning"))


class _Reader:
    """Counts what it meets, and stops at the limits."""

    def __init__(self) -> None:
        self._items = 0
        self._characters = 0
        self._references = 0
        self._untyped = 0
        self._too_deep = False
        self._too_many = False
        self._no_sequence = 0

    def item(self, dataset: Dataset, *, depth: int) -> ContentItem | None:
        if self._items >= MOST_ITEMS:
            self._too_many = True
            return None
        self._items += 1
        value_type = text_of(dataset, "ValueType").upper()
        if depth and not value_type:
            # By reference (PS3.3 section C.17.3.2.5): it names another item, which may be an ancestor. Never followed.
            if value_of(dataset, "ReferencedContentItemIdentifier") is not None:
                self._references += 1
            else:
                self._untyped += 1
            return None
        name = concept_in(dataset, "ConceptNameCodeSequence")
        templates = items_of(dataset, "ContentTemplateSequence")
        number, unit = self._measured(dataset) if value_type == "NUM" else (None, None)
        return ContentItem(
            value_type=value_type,
            relationship=text_of(dataset, "RelationshipType").upper(),
            name=name,
            value=concept_in(dataset, "ConceptCodeSequence") if value_type == "CODE" else None,
            text=self._text(dataset, value_type),
            number=number,
            unit=unit,
            template=text_of(templates[0], "TemplateIdentifier") if templates else "",
            children=self._children(dataset, depth),
        )

    def _children(self, dataset: Dataset, depth: int) -> tuple[ContentItem, ...]:
        content = value_of(dataset, "ContentSequence")
        if content is None:
            return ()
        if not isinstance(content, DicomSequence):
            self._no_sequence += 1
            return ()
        if depth >= DEEPEST:
            self._too_deep = True
            return ()
        return tuple(
            item
            for part in items_of(dataset, "ContentSequence")
            if (item := self.item(part, depth=depth + 1)) is not None
        )

    def _text(self, dataset: Dataset, value_type: str) -> str:
        keyword = {"TEXT": "TextValue", "DATE": "Date", "TIME": "Time", "DATETIME": "DateTime"}.get(value_type)
        if keyword is None:
            return ""
        text = text_of(dataset, keyword)[: max(0, LONGEST_TEXT - self._characters)]
        self._characters += len(text)
        return text

    def _measured(self, dataset: Dataset) -> tuple[float | None, Concept | None]:
        """PS3.3 section C.18.1: at most one item, of which there may be none."""
        for measured in items_of(dataset, "MeasuredValueSequence")[:1]:
            unit = concept_in(measured, "MeasurementUnitsCodeSequence")
            number = number_in(_as_written(measured, "NumericValue"))
            if number is None:
                number = number_in(text_of(measured, "FloatingPointValue"))
            return number, unit
        return None, None

    def notes(self) -> list[str]:
        notes = []
        if self._too_many:
            notes.append(f"the report has more than {MOST_ITEMS} items: those behind were not read")
        if self._too_deep:
            notes.append(f"the report is nested deeper than {DEEPEST} levels: what is below was not read")
        if self._characters >= LONGEST_TEXT:
            notes.append(f"the report has more than {LONGEST_TEXT} characters of text: those behind were not read")
        if self._references:
            notes.append(f"{self._references} items refer to others of the report: they were not followed")
        if self._untyped:
            notes.append(f"{self._untyped} items have no value type: they were left out")
        if self._no_sequence:
            notes.append(f"{self._no_sequence} items have content that is no sequence: it was left out")
        return notes


def _as_written(dataset: Dataset, keyword: str) -> str:
    """A number's characters, which pydicom refuses to show where they are no valid DS, as "55,5"."""
    try:
        element = dataset.get_item(keyword) if keyword in dataset else None
        if isinstance(element, RawDataElement):
            return element.value.decode("ascii", "replace").strip(" \0") if isinstance(element.value, bytes) else ""
    except BROKEN_DATA:
        return ""
    return text_of(dataset, keyword)
