"""A Structured Report as plain data, for rules to look at: nothing in it can be damaged any more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom.sr.codedict import Collection
from pydicom.sr.coding import Code

HEADER = "header"
"""The path of what stands in no content item."""
MEASUREMENT_REPORT = "1500"
TITLES_OF_MEASUREMENT_REPORTS = tuple(Collection("CID7021").concepts.values())


def in_a_line(text: str) -> str:
    """Text of a document as it may stand in a line for a terminal: damage can hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


@dataclass(frozen=True)
class Coded:
    """A coded entry (PS3.3 section 8.8); what it lacks is empty."""

    value: str
    scheme: str
    meaning: str

    def is_one_of(self, *concepts: Code) -> bool:
        """Whether it is the same concept, by the codes of SNOMED RT or of SNOMED CT."""
        return any(concept == Code(self.value, self.scheme, self.meaning) for concept in concepts)

    def __str__(self) -> str:
        return f'({self.value or "no value"}, {self.scheme or "no scheme"}, "{self.meaning}")'


@dataclass(frozen=True)
class Reference:
    """A reference to an instance (PS3.3 section C.18.3), with frame numbers as they were written."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_numbers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """A content item (PS3.3 section C.17.3); what it lacks is empty."""

    path: str
    parent: "Item | None"
    relationship: str
    value_type: str
    name: Coded | None
    value: Coded | None
    """Of a CODE."""
    units: Coded | None
    """Of a NUM that has a value."""
    has_value: bool
    references: tuple[Reference, ...]
    target: tuple[str, ...]
    """Of an item by reference: the place of the other item, counted from the root (0040,DB73)."""
    children: "list[Item]" = field(default_factory=list)

    def is_named(self, *concepts: Code) -> bool:
        """Whether its concept name is one of these."""
        return self.name is not None and self.name.is_one_of(*concepts)

    def children_named(self, *concepts: Code) -> "list[Item]":
        """The items directly below it with one of these names."""
        return [child for child in self.children if child.is_named(*concepts)]

    def descendants(self) -> "Iterator[Item]":
        """It and all that is below it, in the order of the document."""
        yield self
        for child in self.children:
            yield from child.descendants()


@dataclass(frozen=True)
class Text:
    """The values of an element of text, dates, numbers in text or UIDs."""

    path: str
    keyword: str
    vr: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class CodeInPlace:
    """A coded entry, wherever in the data set it stands."""

    path: str
    keyword: str
    """Of the sequence that it is in."""
    coded: Coded


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An instance of the evidence sequences (PS3.3 section C.17.2)."""

    study_instance_uid: str
    sop_class_uid: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """All that the rules look at."""

    sop_class_uid: str
    study_instance_uid: str
    verification_flag: str
    verifying_observers: tuple[str, ...]
    """The names, of which only whether there are any is anybody's business here."""
    template: tuple[str, str]
    """Mapping resource and template identifier."""
    schemes_identified: frozenset[str]
    current_evidence: Mapping[str, Evidence]
    """Current Requested Procedure Evidence Sequence, by SOP Instance UID."""
    other_evidence: Mapping[str, Evidence]
    """Pertinent Other Evidence Sequence, by SOP Instance UID."""
    root: Item
    texts: tuple[Text, ...]
    codes: tuple[CodeInPlace, ...]
    unreadable: tuple[str, ...]
    """The paths of elements that could not be decoded."""

    @property
    def has_title_of_measurement_report(self) -> bool:
        """Whether the document title is of CID 7021."""
        return self.root.is_named(*TITLES_OF_MEASUREMENT_REPORTS)

    @property
    def is_measurement_report(self) -> bool:
        """Whether it means to follow TID 1500: it says so by its title or by its template identifier."""
        return self.has_title_of_measurement_report or self.template[1] == MEASUREMENT_REPORT

    @property
    def evidence(self) -> dict[str, Evidence]:
        """Both evidence sequences."""
        return {**self.other_evidence, **self.current_evidence}

    def items(self) -> Iterator[Item]:
        """Every content item, the root first, in the order of the document."""
        return self.root.descendants()

    def items_named(self, *concepts: Code) -> list[Item]:
        """Every content item with one of these concept names."""
        return [item for item in self.items() if item.is_named(*concepts)]
