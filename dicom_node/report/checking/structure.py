"""Rules about the tree, whatever its template: value types, relationships, references."""

from collections.abc import Iterator

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    ExtensibleSRStorage,
)

from dicom_node.report.checking.document import Document, Item
from dicom_node.report.checking.findings import Finding, rule

_OF_THESE_TABLES = {EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage, ExtensibleSRStorage}
_IN_SPACE = "SCOORD3D"
_HAVE_SPACE = {Comprehensive3DSRStorage, ExtensibleSRStorage}
_VALUES = {"TEXT", "CODE", "NUM"}
_PLAIN = _VALUES | {"DATETIME", "DATE", "TIME", "UIDREF", "PNAME"}
_REFERENCES = {"COMPOSITE", "IMAGE", "WAVEFORM"}
_COORDINATES = {"SCOORD", _IN_SPACE, "TCOORD"}
_ALL = _PLAIN | _REFERENCES | _COORDINATES | {"CONTAINER", "TABLE"}
_ALLOWED: dict[str, list[tuple[set[str], set[str]]]] = {
    "CONTAINS": [({"CONTAINER"}, _ALL)],
    "HAS OBS CONTEXT": [(_VALUES | {"CONTAINER"}, _PLAIN | {"COMPOSITE"})],
    "HAS ACQ CONTEXT": [(_REFERENCES | {"CONTAINER", "NUM"}, _PLAIN | {"CONTAINER"})],
    "HAS CONCEPT MOD": [(_ALL, {"TEXT", "CODE"})],
    "HAS PROPERTIES": [(_VALUES, _ALL), ({"PNAME"}, _PLAIN - {"NUM"})],
    "INFERRED FROM": [(_VALUES, _ALL)],
    "SELECTED FROM": [({"SCOORD"}, {"IMAGE"}), ({"TCOORD"}, {"SCOORD", _IN_SPACE, "IMAGE", "WAVEFORM"})],
}
"""From which value types to which each relationship may go, by value (PS3.3 tables A.35.3-2 and A.35.13-2)."""


@rule("PS3.3 tables A.35.3-2 and A.35.13-2")
def relationship(document: Document) -> Iterator[Finding]:
    """An item stands to the one above it in a relationship that exists, and that the two value types may have."""
    for item in document.items():
        above = item.parent
        if above is None or item.target:
            continue
        if item.relationship not in _ALLOWED:
            yield Finding(path=item.path, said=_unknown("relationship", item.relationship))
        elif document.sop_class_uid in _OF_THESE_TABLES and {above.value_type, item.value_type} <= _ALL:
            ends = _ALLOWED[item.relationship]
            if not any(above.value_type in sources and item.value_type in targets for sources, targets in ends):
                said = f"{item.value_type} below {above.value_type} with relationship {item.relationship}"
                yield Finding(path=item.path, said=f"{said} is not allowed")


@rule("PS3.3 table C.17.3-7")
def value_type(document: Document) -> Iterator[Finding]:
    """An item has a value type that exists, and coordinates in space only where the SOP class has them."""
    for item in document.items():
        if item.target:
            continue
        if item.value_type not in _ALL:
            yield Finding(path=item.path, said=_unknown("value type", item.value_type))
        elif item.value_type == _IN_SPACE and document.sop_class_uid not in _HAVE_SPACE:
            yield Finding(path=item.path, said=f"the SOP class of the document has no {_IN_SPACE}")


@rule("PS3.3 section C.18.4, Referenced Frame Number")
def frame_numbers(document: Document) -> Iterator[Finding]:
    """Frames are counted from 1."""
    for item in document.items():
        for reference in item.references:
            wrong = [number for number in reference.frame_numbers if not _is_frame_number(number)]
            if wrong:
                yield Finding(path=item.path, said=f"frame numbers below 1: {', '.join(wrong)[:60]}")


@rule("PS3.3 section C.18.3")
def one_reference(document: Document) -> Iterator[Finding]:
    """An item that is a reference names one instance, with its class."""
    for item in document.items():
        if item.value_type not in _REFERENCES or item.target:
            continue
        if len(item.references) != 1:
            yield Finding(
                path=item.path, said=f"{item.value_type} refers to {len(item.references)} instances, not to one"
            )
        elif not item.references[0].sop_class_uid:
            yield Finding(path=item.path, said="the reference does not name the SOP class")


@rule("PS3.3 section C.17.3.2.5")
def target_of_reference(document: Document) -> Iterator[Finding]:
    """An item that refers to another item of the document refers to one that is there."""
    for item in document.items():
        if item.target and _target(document.root, item.target) is None:
            yield Finding(path=item.path, said=f"there is no content item {'.'.join(item.target)[:60]}")


def _unknown(what: str, value: str) -> str:
    return f"{what} {value[:16]} does not exist" if value else f"no {what}"


def _is_frame_number(number: str) -> bool:
    try:
        return int(number) >= 1
    except ValueError:
        return False


def _target(root: Item, places: tuple[str, ...]) -> Item | None:
    """The item at a place: 1 is the root, 1.2 the second item below it (PS3.3 section C.17.3.2.5)."""
    if places[0] != "1":
        return None
    item = root
    for place in places[1:]:
        if not place.isdecimal() or not 1 <= int(place) <= len(item.children):
            return None
        item = item.children[int(place) - 1]
    return item
