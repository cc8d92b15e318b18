"""Rules about codes: that they exist, mean what is said, and that units are units."""

from collections.abc import Iterator

from dicom_node.report.checking.document import Coded, CodeInPlace, Document
from dicom_node.report.checking.findings import Finding, Level, rule
from dicom_node.report.checking.terminology import (
    COMPLETE,
    RETIRED,
    UNITS,
    codes_meaning,
    has_wrong_check_digit,
    is_tabulated,
    meanings_of,
    normalized,
)
from dicom_node.report.checking.ucum import is_ucum

_UNITS = "MeasurementUnitsCodeSequence"


@rule("PS3.3 section 8.8")
def code_is_whole(document: Document) -> Iterator[Finding]:
    """A code has a value, a scheme and a meaning, and a CODE has a code."""
    for place in document.codes:
        lacks = [
            what
            for what, there in (
                ("value", place.coded.value),
                ("coding scheme", place.coded.scheme),
                ("meaning", place.coded.meaning),
            )
            if not there
        ]
        if lacks:
            yield Finding(path=place.path, said=f"code in {place.keyword} without {' and '.join(lacks)}: {place.coded}")
    for item in document.items():
        if item.value_type == "CODE" and item.value is None:
            yield Finding(path=item.path, said="CODE without a Concept Code Sequence")
        if item.name is None and item.value_type in ("CODE", "NUM", "TEXT"):
            yield Finding(path=item.path, said=f"{item.value_type} without a concept name")


@rule("PS3.16, its context groups and annex D; check digits of SNOMED CT and LOINC")
def code_exists(document: Document) -> Iterator[Finding]:
    """A code is one of its scheme, as far as the scheme can be known."""
    for place in _to_judge(document):
        coded = place.coded
        if meanings_of(coded.value, coded.scheme):
            continue
        meant = codes_meaning(coded.meaning, coded.scheme)
        if meant:
            said, level = f"{coded}: this meaning has the code {' or '.join(sorted(meant))}", Level.FAULT
        elif coded.scheme == COMPLETE:
            said, level = f"{coded}: DICOM has no such code", Level.FAULT
        elif has_wrong_check_digit(coded.value, coded.scheme):
            said, level = f"{coded}: no code of {coded.scheme}, by its form or its check digit", Level.FAULT
        else:
            said, level = f"{coded}: not among the codes of {coded.scheme} that DICOM uses", Level.WARN
        yield Finding(path=place.path, said=said, level=level)


@rule("PS3.16, its context groups and annex D")
def code_means_what_it_says(document: Document) -> Iterator[Finding]:
    """Meaning and code belong together: programs read the one, and people the other."""
    for place in _to_judge(document):
        coded = place.coded
        meanings = meanings_of(coded.value, coded.scheme)
        if not meanings or normalized(coded.meaning) in meanings or not coded.meaning:
            continue
        others = codes_meaning(coded.meaning, coded.scheme)
        known = " or ".join(sorted(meanings))
        if others:
            said = f"{coded}: the code means {known}; this meaning has the code {' or '.join(sorted(others))}"
            yield Finding(path=place.path, said=said)
        else:
            said = f"{coded}: the code means {known}, of which this should be a synonym or a translation"
            yield Finding(path=place.path, said=said, level=Level.WARN)


@rule("PS3.16 section 8.1")
def scheme_is_current(document: Document) -> Iterator[Finding]:
    """SNOMED RT is retired: its codes are to be written as those of SNOMED CT."""
    said = set()
    for place in document.codes:
        coded = place.coded
        if coded.scheme in RETIRED and coded.scheme not in said:
            said.add(coded.scheme)
            yield Finding(path=place.path, said=f"{coded}: {coded.scheme} is retired for SCT", level=Level.WARN)


@rule("PS3.3 section C.18.1; PS3.16 CID 82; UCUM")
def unit_is_ucum(document: Document) -> Iterator[Finding]:
    """A number has a unit of UCUM: mm[Hg], and not mmHg, which is none."""
    for item in document.items():
        if item.value_type == "NUM" and item.has_value and item.units is None:
            yield Finding(path=item.path, said="a number without a unit; what has none has the unit 1")
    for place in document.codes:
        if place.keyword == _UNITS or place.coded.scheme == UNITS:
            wrong = _wrong_unit(place.coded)
            if wrong:
                yield Finding(path=place.path, said=wrong)


def _wrong_unit(coded: Coded) -> str | None:
    if coded.scheme != UNITS:
        return f"{coded}: the coding scheme of a unit is {UNITS}"
    return None if is_ucum(coded.value) else f"{coded}: no unit of {UNITS}"


def _to_judge(document: Document) -> Iterator[CodeInPlace]:
    """The codes of schemes that we know."""
    for place in document.codes:
        coded = place.coded
        if coded.value and coded.scheme != UNITS and is_tabulated(coded.scheme):
            yield place
