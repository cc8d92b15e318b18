"""Rules of TID 1500: what a measurement report has to have, and how it stands there."""

from collections import Counter
from collections.abc import Iterator

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_node.report.checking.document import Document, Item
from dicom_node.report.checking.findings import Finding, Level, rule
from dicom_node.report.checking.rows import Row, row_of
from dicom_node.report.checking.terminology import QUALITATIVE_EVALUATIONS

DCM = codes.DCM
_RESULTS = (DCM.ImagingMeasurements, DCM.DerivedImagingMeasurements, QUALITATIVE_EVALUATIONS)
_QUALIFYING = ("HAS CONCEPT MOD", "HAS ACQ CONTEXT")


@rule("PS3.16 TID 1500 row 2, TID 1204", measurement_reports_alone=True)
def language(document: Document) -> Iterator[Finding]:
    """The text says what language it is in. The template does not insist; whoever translates it has to know."""
    if not document.root.children_named(DCM.LanguageOfContentItemAndDescendants):
        yield Finding(path=document.root.path, said="no Language of Content Item and Descendants", level=Level.WARN)


@rule("PS3.16 TID 1500 row 3, TID 1001, TID 1002", measurement_reports_alone=True)
def observer(document: Document) -> Iterator[Finding]:
    """A report says who or what observed: a person by name, a device by UID."""
    person, device = DCM.PersonObserverName, DCM.DeviceObserverUID
    observers = document.items_named(person, device)
    if not any(item.relationship == "HAS OBS CONTEXT" for item in observers):
        yield Finding(
            path=document.root.path,
            said="no observer context: neither Person Observer Name nor Device Observer UID",
        )
    if _says_device(document.root) and not document.root.children_named(device):
        yield Finding(path=document.root.path, said="Observer Type is Device, but there is no Device Observer UID")


@rule("PS3.16 TID 1500 row 4; IHE AIR", measurement_reports_alone=True)
def procedure_reported(document: Document) -> Iterator[Finding]:
    """The imaging procedure whose images were measured is named."""
    if not document.root.children_named(DCM.ProcedureReported):
        yield Finding(path=document.root.path, said="no Procedure reported")


@rule("PS3.16 TID 1500 row 5, TID 1600", measurement_reports_alone=True)
def image_library(document: Document) -> Iterator[Finding]:
    """The images are listed with what they are: later editions do not insist, but viewers (OHIF) fail without."""
    libraries = document.root.children_named(DCM.ImageLibrary)
    if not libraries:
        yield Finding(path=document.root.path, said="no Image Library", level=Level.WARN)
    for library in libraries:
        if not any(item.value_type == "IMAGE" for item in library.descendants()):
            yield Finding(path=library.path, said="has no image", level=Level.WARN)


@rule("PS3.16 TID 1500 rows 6, 10 and 12", measurement_reports_alone=True)
def something_reported(document: Document) -> Iterator[Finding]:
    """A report has measurements or evaluations."""
    if not document.root.children_named(*_RESULTS):
        names = ", ".join(result.meaning for result in _RESULTS)
        yield Finding(path=document.root.path, said=f"none of {names}")


@rule("PS3.16 TID 1501 row 2, TID 1410, TID 1411", measurement_reports_alone=True)
def tracking_identifier(document: Document) -> Iterator[Finding]:
    """Every group has one name for people to know it again by."""
    yield from _one_of_each_group(document, DCM.TrackingIdentifier)


@rule("PS3.16 TID 1501 row 3, TID 1410, TID 1411", measurement_reports_alone=True)
def tracking_unique_identifier(document: Document) -> Iterator[Finding]:
    """Every group has one UID for programs to know it again by; OHIF fails without."""
    yield from _one_of_each_group(document, DCM.TrackingUniqueIdentifier)


@rule("PS3.16 TID 1501 row 10, TID 300", measurement_reports_alone=True)
def measured_once(document: Document) -> Iterator[Finding]:
    """Two measurements of one concept in a group are told apart by method, derivation, site or another modifier."""
    for group in document.items_named(DCM.MeasurementGroup):
        measurements = [child for child in group.children if child.value_type == "NUM" and child.name is not None]
        times = Counter(map(_what_is_measured, measurements))
        for (code, _), count in times.items():
            if count > 1:
                name = next(item.name for item in measurements if _what_is_measured(item)[0] == code)
                yield Finding(path=group.path, said=f"{name} is measured {count} times, and no modifier says how")


@rule("PS3.16 TID 1500 and the templates that it includes", measurement_reports_alone=True)
def value_type_of_concept(document: Document) -> Iterator[Finding]:
    """A concept of the template has the value type that its row gives."""
    for item, row in _items_with_rows(document):
        if item.value_type and item.value_type not in row.value_types:
            said = f"value type is {item.value_type}, not {' or '.join(row.value_types)}"
            yield Finding(path=item.path, said=said)


@rule("PS3.16 TID 1500 and the templates that it includes", measurement_reports_alone=True)
def relationship_of_concept(document: Document) -> Iterator[Finding]:
    """A concept of the template has the relationship that its row gives: readers look for it there alone."""
    for item, row in _items_with_rows(document):
        if row.relationships and item.relationship and item.relationship not in row.relationships:
            said = f"relationship is {item.relationship}, not {' or '.join(row.relationships)}"
            yield Finding(path=item.path, said=said)


def _one_of_each_group(document: Document, concept: Code) -> Iterator[Finding]:
    for group in document.items_named(DCM.MeasurementGroup):
        count = len(group.children_named(concept))
        if count != 1:
            yield Finding(path=group.path, said=f"{count or 'no'} {concept.meaning}{'s' if count else ''}")


def _items_with_rows(document: Document) -> Iterator[tuple[Item, Row]]:
    for item in document.items():
        row = row_of(item.name) if item.name is not None else None
        if row is not None:
            yield item, row


def _says_device(item: Item) -> bool:
    return any(
        kind.value is not None and kind.value.is_one_of(DCM.Device) for kind in item.children_named(DCM.ObserverType)
    )


def _what_is_measured(item: Item) -> tuple[tuple[str, str], frozenset[tuple[str, str, str]]]:
    """The concept, and what qualifies it."""
    name = item.name
    qualified = frozenset(
        (child.name.value, child.name.scheme, child.value.value if child.value is not None else child.path)
        for child in item.children
        if child.relationship in _QUALIFYING and child.name is not None
    )
    return ((name.value, name.scheme) if name is not None else ("", "")), qualified
