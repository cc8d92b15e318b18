"""A Structured Report's content tree for people, as PS3.3 section C.17.3 nests it: lines in words, line below line."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

FLAGS = ("CompletionFlag", "VerificationFlag", "PreliminaryFlag")
EMPHASIZED = {"NUM", "CODE"}
"""The value types that hold an answer."""


@dataclass(frozen=True, kw_only=True)
class TreeLine:
    """One content item, and what is below it."""

    name: str = field(repr=False)
    """What it is about; where it has no name, its value type."""
    value: str = field(repr=False)
    """Empty of a heading. May hold PHI, as the report may."""
    is_answer: bool
    children: tuple["TreeLine", ...]


def title_of(report: Dataset) -> str:
    """What the document calls itself."""
    return _meaning(report, "ConceptNameCodeSequence")


def flags_of(report: Dataset) -> str:
    """Whether it is complete, verified and preliminary, as its header says."""
    return " ".join(str(report.get(keyword, "")) for keyword in FLAGS)


def tree_lines(item: Dataset) -> Iterator[TreeLine]:
    """What is below a content item, or below the document's root: every item with its name and value."""
    for child in item.get("ContentSequence", []):
        kind, name, value = str(child.get("ValueType", "")), _meaning(child, "ConceptNameCodeSequence"), _value(child)
        yield TreeLine(
            name=name if name or value else kind,
            value=value,
            is_answer=kind in EMPHASIZED,
            children=tuple(tree_lines(child)),
        )


def _value(item: Dataset) -> str:
    match item.get("ValueType"):
        case "NUM":
            measured = item.get("MeasuredValueSequence")
            if not measured:
                return "(no value)"
            return f"{measured[0].NumericValue} {_code(measured[0], 'MeasurementUnitsCodeSequence')}"
        case "CODE":
            return _meaning(item, "ConceptCodeSequence")
        case "IMAGE":
            reference = item.ReferencedSOPSequence[0]
            frames = reference.get("ReferencedFrameNumber")
            return f"image {reference.ReferencedSOPInstanceUID}" + (f" frames {frames}" if frames else "")
        case "UIDREF":
            return str(item.UID)
        case "PNAME":
            return "(a person)"
        case "DATETIME" | "DATE" | "TIME":
            return str(item.get("DateTime") or item.get("Date") or item.get("Time"))
        case _:
            return str(item.get("TextValue", ""))


def _meaning(item: Dataset, sequence: str) -> str:
    codes = item.get(sequence)
    return str(codes[0].CodeMeaning) if codes else ""


def _code(item: Dataset, sequence: str) -> str:
    codes = item.get(sequence)
    return str(codes[0].CodeValue) if codes else ""
