"""A Structured Report's content tree for the terminal, as PS3.3 section C.17.3 nests it."""

from pydicom.dataset import Dataset
from rich.text import Text
from rich.tree import Tree

FLAGS = ("CompletionFlag", "VerificationFlag", "PreliminaryFlag")
EMPHASIZED = {"NUM", "CODE"}
"""The value types that hold an answer."""


def sr_tree(report: Dataset) -> Tree:
    """The whole document: its title with its flags, then every content item with relationship and value."""
    flags = " ".join(str(report.get(keyword, "")) for keyword in FLAGS)
    title = (_meaning(report, "ConceptNameCodeSequence"), "bold")
    root = Tree(Text.assemble(title, f"  {report.get('SeriesDescription', '')}  ({flags})"))
    _add_children(root, report)
    return root


def _add_children(parent: Tree, item: Dataset) -> None:
    for child in item.get("ContentSequence", []):
        _add_children(parent.add(_line(child), highlight=False), child)


def _line(item: Dataset) -> Text:
    # Text, not markup: what stands in square brackets in a foreign report is not for us to read.
    kind = str(item.get("ValueType", ""))
    name = _meaning(item, "ConceptNameCodeSequence")
    value = _value(item)
    if not value:
        return Text(name or kind)
    return Text.assemble(f"{name}: " if name else "", (value, "bold" if kind in EMPHASIZED else ""))


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
