"""From a data set, however damaged, to the plain data that the rules look at: one walk, in which nothing is trusted."""

from collections import Counter
from collections.abc import Iterator

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from dicom_node.report.checking.document import (
    HEADER,
    Coded,
    CodeInPlace,
    Document,
    Evidence,
    Item,
    Reference,
    Text,
    in_a_line,
)

DEEPEST = 60
"""No template nests so far; deeper than this is damage, or meant to exhaust whoever reads it."""
LONGEST_NAME = 64
_VRS_OF_TEXT = {
    "AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT",
}  # fmt: skip
_TARGET = "ReferencedContentItemIdentifier"
_CODE_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")


def read_document(dataset: Dataset) -> Document:
    """Everything that the rules look at; what cannot be decoded is listed, and otherwise taken for absent."""
    walk = _Walk()
    root = walk.item(dataset, parent=None, path=_title(dataset), depth=0)
    template = _sequence(dataset, "ContentTemplateSequence")[:1]
    return Document(
        sop_class_uid=_text(dataset, "SOPClassUID"),
        study_instance_uid=_text(dataset, "StudyInstanceUID"),
        verification_flag=_text(dataset, "VerificationFlag"),
        verifying_observers=tuple(
            name
            for observer in _sequence(dataset, "VerifyingObserverSequence")
            if (name := _text(observer, "VerifyingObserverName"))
        ),
        template=(_text(template[0], "MappingResource"), _text(template[0], "TemplateIdentifier"))
        if template
        else ("", ""),
        schemes_identified=frozenset(
            _text(scheme, "CodingSchemeDesignator")
            for scheme in _sequence(dataset, "CodingSchemeIdentificationSequence")
        ),
        current_evidence=dict(_evidence(dataset, "CurrentRequestedProcedureEvidenceSequence")),
        other_evidence=dict(_evidence(dataset, "PertinentOtherEvidenceSequence")),
        root=root,
        texts=tuple(walk.texts),
        codes=tuple(walk.codes),
        unreadable=tuple(walk.unreadable),
    )


class _Walk:
    """The one walk through the data set, and what it has come past."""

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.codes: list[CodeInPlace] = []
        self.unreadable: list[str] = []

    def item(self, dataset: Dataset, *, parent: Item | None, path: str, depth: int) -> Item:
        measured = _sequence(dataset, "MeasuredValueSequence")[:1]
        item = Item(
            path=path,
            parent=parent,
            relationship=_text(dataset, "RelationshipType"),
            value_type=_text(dataset, "ValueType"),
            name=_code(dataset, "ConceptNameCodeSequence"),
            value=_code(dataset, "ConceptCodeSequence"),
            units=_code(measured[0], "MeasurementUnitsCodeSequence") if measured else None,
            has_value=bool(measured),
            references=tuple(_reference(reference) for reference in _sequence(dataset, "ReferencedSOPSequence")),
            target=_values(dataset, _TARGET),
        )
        self.elements(dataset, path=HEADER if parent is None else path, depth=depth)
        children = _sequence(dataset, "ContentSequence")
        if children and depth >= DEEPEST:
            self.unreadable.append(f"{path}, ContentSequence (nested deeper than {DEEPEST})")
            return item
        for child, name in zip(children, _names(children), strict=True):
            item.children.append(self.item(child, parent=item, path=f"{path} > {name}", depth=depth + 1))
        return item

    def elements(self, dataset: Dataset, *, path: str, depth: int) -> None:
        """What stands in the item itself: its text, and the codes of its sequences."""
        for tag in list(dataset.keys()):
            element = _element(dataset, tag)
            if element is None:
                self.unreadable.append(f"{path}, {_keyword(tag)}")
            elif element.VR == "SQ" and element.keyword != "ContentSequence":
                self.sequence(element, path=path, depth=depth)
            elif element.VR in _VRS_OF_TEXT and (values := _strings(element)):
                self.texts.append(Text(path, _keyword(tag), element.VR, values))

    def sequence(self, element: DataElement, *, path: str, depth: int) -> None:
        keyword = _keyword(element.tag)
        if depth >= DEEPEST:
            self.unreadable.append(f"{path}, {keyword} (nested deeper than {DEEPEST})")
            return
        for inner in _items(element):
            if (coded := _coded(inner)) is not None and keyword != "CodingSchemeIdentificationSequence":
                self.codes.append(CodeInPlace(path, keyword, coded))
            self.elements(inner, path=path, depth=depth + 1)


def _names(items: list[Dataset]) -> Iterator[str]:
    """What each is called among its siblings: those of one name are counted."""
    called = [_name(item) for item in items]
    times, seen = Counter(called), Counter[str]()
    for name in called:
        seen[name] += 1
        yield f"{name} ({seen[name]})" if times[name] > 1 else name


def _name(item: Dataset) -> str:
    name = _code(item, "ConceptNameCodeSequence")
    called = (name.meaning or name.value) if name is not None else ""
    kind = _text(item, "ValueType") or ("item by reference" if _values(item, _TARGET) else "item without value type")
    return in_a_line(called or kind)[:LONGEST_NAME]


def _title(dataset: Dataset) -> str:
    title = _code(dataset, "ConceptNameCodeSequence")
    called = title.meaning if title is not None and title.meaning else "document without title"
    return in_a_line(called)[:LONGEST_NAME]


def _evidence(dataset: Dataset, keyword: str) -> Iterator[tuple[str, Evidence]]:
    for study in _sequence(dataset, keyword):
        for series in _sequence(study, "ReferencedSeriesSequence"):
            for instance in _sequence(series, "ReferencedSOPSequence"):
                yield (
                    _text(instance, "ReferencedSOPInstanceUID"),
                    Evidence(
                        study_instance_uid=_text(study, "StudyInstanceUID"),
                        sop_class_uid=_text(instance, "ReferencedSOPClassUID"),
                    ),
                )


def _reference(dataset: Dataset) -> Reference:
    return Reference(
        sop_class_uid=_text(dataset, "ReferencedSOPClassUID"),
        sop_instance_uid=_text(dataset, "ReferencedSOPInstanceUID"),
        frame_numbers=_values(dataset, "ReferencedFrameNumber"),
    )


def _code(dataset: Dataset, keyword: str) -> Coded | None:
    return next((_coded(item) or Coded("", "", "") for item in _sequence(dataset, keyword)), None)


def _coded(dataset: Dataset) -> Coded | None:
    """The coded entry that a sequence item is; None where it is none at all."""
    value = next((value for keyword in _CODE_VALUES if (value := _text(dataset, keyword))), "")
    scheme, meaning = _text(dataset, "CodingSchemeDesignator"), _text(dataset, "CodeMeaning")
    if not (value or scheme or meaning):
        return None
    return Coded(value, scheme, meaning)


def _text(dataset: Dataset, keyword: str) -> str:
    values = _values(dataset, keyword)
    return values[0].strip() if values else ""


def _values(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    element = _element(dataset, keyword)
    return () if element is None or element.VR == "SQ" else _strings(element)


def _strings(element: DataElement) -> tuple[str, ...]:
    """The values as text; empty ones are left out, and bytes, which are none."""
    values = element.value if isinstance(element.value, MultiValue | list | tuple) else [element.value]
    return tuple(str(value) for value in values if value is not None and not isinstance(value, bytes) and str(value))


def _sequence(dataset: Dataset, keyword: str) -> list[Dataset]:
    element = _element(dataset, keyword)
    return [] if element is None else _items(element)


def _items(element: DataElement) -> list[Dataset]:
    if element.VR != "SQ" or element.value is None:
        return []
    return [item for item in element.value if isinstance(item, Dataset)]


def _element(dataset: Dataset, tag: BaseTag | str) -> DataElement | None:
    """An element, decoded; None where there is none, or none that can be decoded."""
    try:
        if tag not in dataset:
            return None
        element = dataset[tag]
        if element.VR != "SQ":
            _strings(element)  # text is decoded no sooner than it is asked for
    except Exception:  # noqa: BLE001  pydicom raises whatever damaged bytes lead it to
        return None
    return element


def _keyword(tag: BaseTag) -> str:
    return keyword_for_tag(tag) or str(tag)
