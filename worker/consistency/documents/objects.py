"""The text of reports that come as DICOM objects: Structured Reports with text, and Encapsulated PDF."""

from collections.abc import Container
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from config.errors import UnreadableReportError
from dicom_node.header import MANUFACTURER
from worker.consistency.documents.pdf_text import add_pdf_text
from worker.consistency.documents.readable_text import Part, TextBuilder
from worker.consistency.sr.modifiers import is_modifier
from worker.consistency.sr.numbers import shown
from worker.consistency.sr.roots import is_echo_report, is_without_report
from worker.consistency.sr.tree import (
    ContentItem,
    instance_name,
    is_structured_report,
    items_of,
    read_content_tree,
    text_of,
    value_of,
)
from worker.consistency.statements import SourceKind

_SAYS_WHO_OR_WHERE = {"HAS OBS CONTEXT", "HAS ACQ CONTEXT", "INFERRED FROM", "SELECTED FROM"}
"""Of what is about the report, or behind a finding, and no part of what is said; observers' names among it."""
_UNNAMED_TEXTS = {("DCM", "121071"), ("DCM", "121073"), ("DCM", "121077"), ("DCM", "121106"), ("DCM", "121111")}
"""Finding, Impression, Conclusion, Comment, Summary: in a section of that name they need no name of their own."""


@dataclass(frozen=True, kw_only=True)
class ReportDocument:
    """The text of a document as it is to be read; empty, with a note that says why, where there is none."""

    text: str = field(repr=False)
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out; free of what the document says."""


def is_ours(dataset: Dataset, our_instances: Container[str] = frozenset()) -> bool:
    """Whether EchoWorker made an object, which is then no report to compare with.

    By its manufacturer, by the equipment that contributed to it, which stays where a PACS changes the manufacturer, or
    by its SOP Instance UID, where that is one of `our_instances`, those of the registry.
    """
    contributed = items_of(dataset, "ContributingEquipmentSequence")
    makers = {text_of(part, "Manufacturer") for part in (dataset, *contributed)}
    return MANUFACTURER in makers or text_of(dataset, "SOPInstanceUID") in our_instances


def kind_of_report(dataset: Dataset, our_instances: Container[str] = frozenset()) -> SourceKind | None:
    """What an instance may be a source of; None for images, what we made ourselves, and what no text is read from."""
    if is_ours(dataset, our_instances):
        return None
    if text_of(dataset, "SOPClassUID") == EncapsulatedPDFStorage:
        return SourceKind.TEXT_REPORT
    if not is_structured_report(dataset):
        return None
    root = read_content_tree(dataset).root
    if is_echo_report(root, text_of(dataset, "SOPClassUID"))[0]:
        return SourceKind.MEASUREMENT_REPORT
    if is_without_report(root, text_of(dataset, "SOPClassUID")):
        return None
    return SourceKind.TEXT_REPORT if any(_is_said(item) for item in root.walk()) else None


def read_report_document(dataset: Dataset, our_instances: Container[str] = frozenset()) -> ReportDocument:
    """Read the text of a Structured Report or an Encapsulated PDF.

    Headings stand on lines of their own, in front of what is below them; codes and numbers are lines of the form
    "name: value". Names of observers and patients are left out.

    Raises
    ------
    UnreadableReportError
        The data set is neither. Whatever else is wrong with it becomes a note.
    """
    is_pdf = text_of(dataset, "SOPClassUID") == EncapsulatedPDFStorage
    if not is_pdf and not is_structured_report(dataset):
        raise UnreadableReportError(f"instance {instance_name(dataset)} is neither a Structured Report nor a PDF")
    if is_ours(dataset, our_instances):
        return ReportDocument(text="", notes=("EchoWorker made this itself: it is no report to compare with",))
    return _pdf(dataset) if is_pdf else _structured_text(dataset)


def _pdf(dataset: Dataset) -> ReportDocument:
    """PS3.3 section C.24.2: the value has an even number of bytes, and its length is beside it."""
    content = value_of(dataset, "EncapsulatedDocument")
    if not isinstance(content, bytes) or not content:
        return ReportDocument(text="", notes=("no text: the object has no document in it",))
    return read_pdf(content)


def read_pdf(content: bytes) -> ReportDocument:
    """Read the text of a PDF, page by page; what could not be read, all of it at worst, is in the notes."""
    builder = TextBuilder()
    notes = add_pdf_text(content, builder)
    return ReportDocument(text=builder.text, parts=tuple(builder.parts), notes=(*notes, *builder.notes()))


def _structured_text(dataset: Dataset) -> ReportDocument:
    tree = read_content_tree(dataset)
    builder = TextBuilder()
    for number, child in enumerate(tree.root.children, start=1):
        _add(child, builder, place=str(number), under_heading=False)
    notes = [*tree.notes, *builder.notes()]
    if not builder.text:
        notes.append("no text: the report has no text, codes or numbers")
    return ReportDocument(text=builder.text, parts=tuple(builder.parts), notes=tuple(notes))


def _add(item: ContentItem, builder: TextBuilder, *, place: str, under_heading: bool) -> None:
    """An item and what is below it, in the order of the document."""
    if item.relationship in _SAYS_WHO_OR_WHERE or (item.relationship == "HAS CONCEPT MOD" and not under_heading):
        return
    name = str(item.name) if item.name is not None else ""
    match item.value_type:
        case "CONTAINER":
            builder.heading(name)
        case "TEXT":
            named = under_heading and item.name is not None and item.name.code in _UNNAMED_TEXTS
            if not named and not under_heading:
                builder.heading(name)
            builder.paragraph(
                _said(name, item.text) if under_heading and not named else item.text, origin=f"item {place}"
            )
        case "CODE" if item.value is not None:
            builder.paragraph(_said(name, str(item.value)), origin=f"item {place}")
        case "NUM" if item.number is not None:
            unit = "" if item.unit is None or item.unit.value == "1" else item.unit.value
            builder.paragraph(_said(name, f"{shown(item.number)} {unit}".strip()), origin=f"item {place}")
        case "DATE" | "TIME" | "DATETIME":
            builder.paragraph(_said(name, item.text), origin=f"item {place}")
    under_heading = under_heading or item.value_type == "CONTAINER"
    for number, child in enumerate(item.children, start=1):
        _add(child, builder, place=f"{place}.{number}", under_heading=under_heading)


def _is_said(item: ContentItem) -> bool:
    return item.value_type == "TEXT" and item.relationship not in _SAYS_WHO_OR_WHERE and not is_modifier(item)


def _said(name: str, value: str) -> str:
    return f"{name}: {value}" if name and value else value
