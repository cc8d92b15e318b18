"""A Structured Report's content tree for the terminal, as PS3.3 section C.17.3 nests it."""

from pydicom.dataset import Dataset
from rich.tree import Tree


def sr_tree(report: Dataset) -> Tree:
    """The whole document: its title with its flags, then every content item with relationship and value."""
    flags = " ".join(
        str(report.get(keyword, "")) for keyword in ("CompletionFlag", "VerificationFlag", "PreliminaryFlag")
    )
    root = Tree(
        f"[bold]{_meaning(report, 'ConceptNameCodeSequence')}[/]  {report.get('SeriesDescription', '')}  ({flags})"
    )
    _add_children(root, report)
    return root


def _add_children(parent: Tree, item: Dataset) -> None:
    for child in item.get("ContentSequence", []):
        _add_children(parent.add(_line(child), highlight=False), child)


def _line(item: Dataset) -> str:
    name = _meaning(item, "ConceptNameCodeSequence")
    value = _value(item)
    return f"{name}: {value}" if name and value else name or value or str(item.get("ValueType", ""))


def _value(item: Dataset) -> str:
    match item.get("ValueType"):
        case "NUM":
            measured = item.MeasuredValueSequence[0]
            return f"[bold]{measured.NumericValue} {_code(measured, 'MeasurementUnitsCodeSequence')}[/]"
        case "CODE":
            return f"[bold]{_meaning(item, 'ConceptCodeSequence')}[/]"
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
