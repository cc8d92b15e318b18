"""Rules about what surrounds the content: template, verification, evidence, coding schemes, lengths."""

from collections.abc import Iterator

from pydicom.valuerep import MAX_VALUE_LEN

from dicom_node.report.checking.document import HEADER, MEASUREMENT_REPORT, Document
from dicom_node.report.checking.findings import Finding, Level, rule
from dicom_node.report.checking.terminology import STANDARD_SCHEMES, is_private

_LONGEST_NAME_COMPONENT = 64
_VALUE_TYPES_WITH_REFERENCES = ("IMAGE", "WAVEFORM", "COMPOSITE")


@rule("PS3.3 section C.18.8, Content Template Sequence; PS3.16 TID 1500", measurement_reports_alone=True)
def template_identifier(document: Document) -> Iterator[Finding]:
    """A measurement report names its template: readers choose by it, and highdicom fails without."""
    resource, identifier = document.template
    if identifier != MEASUREMENT_REPORT:
        says = f"Template Identifier is {identifier}" if identifier else "no Template Identifier"
        yield Finding(path=HEADER, said=f"{says}: a report with this title follows template {MEASUREMENT_REPORT}")
    elif resource != "DCMR":
        yield Finding(path=HEADER, said=f"Mapping Resource is {resource or 'absent'}, not DCMR")


@rule("PS3.16 TID 1500 row 1", measurement_reports_alone=True)
def document_title(document: Document) -> Iterator[Finding]:
    """The title of a measurement report is of CID 7021."""
    if not document.has_title_of_measurement_report:
        yield Finding(path=document.root.path, said=f"document title {document.root.name} is not of CID 7021")


@rule("PS3.3 section C.17.2, Verifying Observer Sequence")
def verifying_observer(document: Document) -> Iterator[Finding]:
    """What is VERIFIED names who did it; what is not, nobody."""
    if document.verification_flag == "VERIFIED" and not document.verifying_observers:
        yield Finding(path=HEADER, said="Verification Flag is VERIFIED, but there is no verifying observer with a name")
    if document.verification_flag == "UNVERIFIED" and document.verifying_observers:
        yield Finding(path=HEADER, said="Verification Flag is UNVERIFIED, but there is a verifying observer")


@rule("PS3.3 section C.17.2, Current Requested Procedure Evidence Sequence")
def study_of_evidence(document: Document) -> Iterator[Finding]:
    """A report is in the study of its evidence: in another, nobody finds it, or it is read of another patient."""
    studies = {evidence.study_instance_uid for evidence in document.current_evidence.values()}
    if studies and document.study_instance_uid not in studies:
        own, other = document.study_instance_uid or "absent", ", ".join(sorted(studies))
        yield Finding(path=HEADER, said=f"Study Instance UID is {own}, but the evidence is of study {other}")


@rule("PS3.3 section C.17.2.3")
def references_are_evidence(document: Document) -> Iterator[Finding]:
    """Every instance that the content refers to is listed as evidence, of the same SOP class."""
    evidence = document.evidence
    referring = [item for item in document.items() if item.value_type in _VALUE_TYPES_WITH_REFERENCES]
    if not evidence and any(item.references for item in referring):
        yield Finding(path=HEADER, said="the content refers to instances, but there is no evidence sequence")
        return
    for item in referring:
        for reference in item.references:
            uid = reference.sop_instance_uid
            if uid not in evidence:
                yield Finding(path=item.path, said=f"instance {uid or 'without UID'} is not in the evidence sequences")
            elif evidence[uid].sop_class_uid != reference.sop_class_uid:
                yield Finding(path=item.path, said=f"instance {uid} has another SOP class in the evidence sequence")


@rule("PS3.3 sections 8.2 and C.12.1, Coding Scheme Identification Sequence")
def coding_schemes_identified(document: Document) -> Iterator[Finding]:
    """A coding scheme that is not DICOM's says whose it is: two sites may both call theirs 99LOCAL."""
    said = set()
    for place in document.codes:
        scheme = place.coded.scheme
        if not scheme or scheme in said or scheme in STANDARD_SCHEMES or scheme in document.schemes_identified:
            continue
        said.add(scheme)
        private = is_private(scheme)
        what = "private coding scheme" if private else "coding scheme that PS3.16 table 8-1 does not have"
        yield Finding(
            path=place.path,
            said=f"{what}, {scheme}, is not in the Coding Scheme Identification Sequence",
            level=Level.FAULT if private else Level.WARN,
        )


@rule("PS3.5 table 6.2-1")
def length_of_text(document: Document) -> Iterator[Finding]:
    """No value is longer than its value representation allows: receivers cut it, or refuse the object."""
    for text in document.texts:
        longest = MAX_VALUE_LEN.get(text.vr)
        parts = text.values
        if text.vr == "PN":
            longest, parts = _LONGEST_NAME_COMPONENT, tuple(part for name in parts for part in name.split("="))
        length = max(map(len, parts), default=0)
        if longest is not None and length > longest:
            said = f"{text.keyword} has {length} characters; {text.vr} allows {longest}"
            yield Finding(path=text.path, said=said)


@rule("PS3.5 sections 6.2 and 7")
def readable(document: Document) -> Iterator[Finding]:
    """Every element can be decoded."""
    for path in document.unreadable:
        yield Finding(path=path, said="cannot be decoded")
