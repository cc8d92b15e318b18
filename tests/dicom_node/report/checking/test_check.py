"""The checker: silent about good reports, and for every rule a report that breaks it alone and is caught."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.uid import ComprehensiveSRStorage, generate_uid

from dicom_node.report.checking.check import RULES, Checked, check, check_file
from dicom_node.report.checking.findings import Level
from tests.support.clips import SMALL
from tests.support.structured_reports import item_named, items_of, our_report, report_of_a_person

Mutate = Callable[[Dataset], None]
LANGUAGE, OBSERVER_TYPE, DEVICE_UID, PROCEDURE = "121049", "121005", "121012", "121058"
LIBRARY, MEASUREMENTS, EVALUATIONS, GROUP = "111028", "126010", "C0034375", "125007"
TRACKING, TRACKING_UID, SITE, EJECTION, SOURCE_OF, COMMENT = (
    "112039", "112040", "363698007", "18043-0", "121112", "121106",
)  # fmt: skip


@pytest.fixture(scope="module")
def good() -> Dataset:
    return our_report()


@pytest.fixture
def report(good: Dataset) -> Dataset:
    return deepcopy(good)


def without(*code_values: str) -> Mutate:
    def mutate(report: Dataset) -> None:
        for item in [report, *items_of(report)]:
            if "ContentSequence" in item:
                item.ContentSequence = [
                    child
                    for child in item.ContentSequence
                    if child.ConceptNameCodeSequence[0].CodeValue not in code_values
                ]

    return mutate


def attribute(keyword: str, value: object) -> Mutate:
    return lambda report: setattr(report, keyword, value)


def of_item(code_value: str, keyword: str, value: object) -> Mutate:
    return lambda report: setattr(item_named(report, code_value), keyword, value)


def code_of(code_value: str, sequence: str, **changes: str) -> Mutate:
    def mutate(report: Dataset) -> None:
        code = item_named(report, code_value)[sequence].value[0]
        for keyword, value in changes.items():
            setattr(code, keyword, value)

    return mutate


def name_of(code_value: str, **changes: str) -> Mutate:
    return code_of(code_value, "ConceptNameCodeSequence", **changes)


def unit(**changes: str) -> Mutate:
    def mutate(report: Dataset) -> None:
        measured = item_named(report, EJECTION).MeasuredValueSequence[0]
        for keyword, value in changes.items():
            setattr(measured.MeasurementUnitsCodeSequence[0], keyword, value)

    return mutate


def reference(keyword: str, value: object) -> Mutate:
    return lambda report: setattr(item_named(report, SOURCE_OF).ReferencedSOPSequence[0], keyword, value)


def template(keyword: str, value: str) -> Mutate:
    return lambda report: setattr(report.ContentTemplateSequence[0], keyword, value)


def deleted(keyword: str, code_value: str | None = None) -> Mutate:
    return lambda report: delattr(report if code_value is None else item_named(report, code_value), keyword)


def title(**changes: str) -> Mutate:
    def mutate(report: Dataset) -> None:
        for keyword, value in changes.items():
            setattr(report.ConceptNameCodeSequence[0], keyword, value)

    return mutate


def measured_twice(report: Dataset) -> None:
    group = item_named(report, GROUP)
    group.ContentSequence.append(deepcopy(item_named(report, EJECTION)))


def one_more_of(code_value: str) -> Mutate:
    def mutate(report: Dataset) -> None:
        item_named(report, GROUP).ContentSequence.append(deepcopy(item_named(report, code_value)))

    return mutate


def verified_by(name: str) -> Mutate:
    def mutate(report: Dataset) -> None:
        observer = Dataset()
        observer.VerifyingObserverName = name
        report.VerifyingObserverSequence = [observer]

    return mutate


def refers_to_item(*places: int) -> Mutate:
    """An item by reference, from the first measurement to the place."""

    def mutate(report: Dataset) -> None:
        item = Dataset()
        item.RelationshipType = "INFERRED FROM"
        item.ReferencedContentItemIdentifier = list(places)
        item_named(report, EJECTION).ContentSequence = [item]

    return mutate


def all_of(*mutations: Mutate) -> Mutate:
    def mutate(report: Dataset) -> None:
        for each in mutations:
            each(report)

    return mutate


def damaged(report: Dataset) -> None:
    tag = Tag("RecommendedDisplayFrameRateInFloat")
    report[tag] = RawDataElement(tag, "FL", 3, b"a.b", 0, False, True)  # a float has four bytes


SR_COORDINATES = all_of(attribute("SOPClassUID", ComprehensiveSRStorage), of_item(COMMENT, "ValueType", "SCOORD3D"))

BROKEN: list[tuple[str, Mutate, str]] = [
    # what sr.md says that no public validator catches
    ("procedure_reported", without(PROCEDURE), "no Procedure reported"),
    ("observer", without(OBSERVER_TYPE, DEVICE_UID), "no observer context"),
    ("image_library", without(LIBRARY), "no Image Library"),
    ("tracking_unique_identifier", without(TRACKING_UID), "no Tracking Unique Identifier"),
    ("tracking_identifier", without(TRACKING), "no Tracking Identifier"),
    ("code_exists", name_of(EJECTION, CodeValue="18043-1"), "this meaning has the code 18043-0"),
    ("unit_is_ucum", unit(CodeValue="mmHg"), '(mmHg, UCUM, "percent"): no unit of UCUM'),
    ("study_of_evidence", attribute("StudyInstanceUID", "1.2.3"), "Study Instance UID is 1.2.3, but"),
    ("template_identifier", template("TemplateIdentifier", "9999"), "Template Identifier is 9999"),
    # codes
    ("code_exists", name_of(COMMENT, CodeValue="999999", CodeMeaning="Remark"), "DICOM has no such code"),
    ("code_exists", name_of(SITE, CodeValue="363698001", CodeMeaning="Where"), "by its form or its check digit"),
    ("code_exists", name_of(EJECTION, CodeValue="12345-6", CodeMeaning="Some value"), "by its form or its check digit"),
    ("code_exists", name_of(SITE, CodeValue="138875005", CodeMeaning="Root"), "not among the codes of SCT"),
    ("code_means_what_it_says", name_of(SITE, CodeMeaning="Laterality"), "has the code 272741003"),
    ("code_means_what_it_says", name_of(SITE, CodeMeaning="Where it was"), "a synonym or a translation"),
    ("code_is_whole", name_of(SITE, CodeMeaning=""), "without meaning"),
    ("code_is_whole", deleted("ConceptCodeSequence", SITE), "CODE without a Concept Code Sequence"),
    ("code_is_whole", deleted("ConceptNameCodeSequence", COMMENT), "TEXT without a concept name"),
    ("scheme_is_current", name_of(SITE, CodeValue="G-C0E3", CodingSchemeDesignator="SRT"), "SRT is retired"),
    ("unit_is_ucum", unit(CodingSchemeDesignator="99UNITS"), "the coding scheme of a unit is UCUM"),
    (
        "unit_is_ucum",
        lambda report: delattr(item_named(report, EJECTION).MeasuredValueSequence[0], "MeasurementUnitsCodeSequence"),
        "a number without a unit",
    ),
    (
        "coding_schemes_identified",
        name_of(EJECTION, CodingSchemeDesignator="99HOUSE"),
        "private coding scheme, 99HOUSE",
    ),
    ("coding_schemes_identified", name_of(EJECTION, CodingSchemeDesignator="HOUSE"), "table 8-1 does not have, HOUSE"),
    # the header
    ("template_identifier", deleted("ContentTemplateSequence"), "no Template Identifier"),
    ("template_identifier", template("MappingResource", "99HOUSE"), "Mapping Resource is 99HOUSE"),
    ("document_title", title(CodeValue="121144", CodeMeaning="Document Title"), "is not of CID 7021"),
    ("verifying_observer", attribute("VerificationFlag", "VERIFIED"), "no verifying observer"),
    (
        "verifying_observer",
        all_of(attribute("VerificationFlag", "VERIFIED"), verified_by("")),
        "no verifying observer with a name",
    ),
    ("verifying_observer", verified_by("Foo^Bar"), "is UNVERIFIED, but there is a verifying observer"),
    ("references_are_evidence", deleted("CurrentRequestedProcedureEvidenceSequence"), "there is no evidence sequence"),
    (
        "references_are_evidence",
        reference("ReferencedSOPInstanceUID", "1.2.3"),
        "instance 1.2.3 is not in the evidence",
    ),
    ("references_are_evidence", reference("ReferencedSOPClassUID", "1.2.3"), "another SOP class in the evidence"),
    ("length_of_text", attribute("SeriesDescription", "x" * 65), "SeriesDescription has 65 characters; LO allows 64"),
    ("length_of_text", attribute("PatientName", "x" * 65), "PatientName has 65 characters; PN allows 64"),
    ("length_of_text", name_of(COMMENT, CodeMeaning="x" * 65), "CodeMeaning has 65 characters"),
    # the template
    ("language", without(LANGUAGE), "no Language of Content Item"),
    ("observer", without(DEVICE_UID), "Observer Type is Device"),
    ("image_library", of_item(LIBRARY, "ContentSequence", []), "has no image"),
    ("something_reported", without(MEASUREMENTS, EVALUATIONS), "none of Imaging Measurements"),
    ("tracking_identifier", one_more_of(TRACKING), "2 Tracking Identifiers"),
    ("measured_once", measured_twice, "is measured 2 times, and no modifier says how"),
    ("value_type_of_concept", of_item(SITE, "ValueType", "TEXT"), "value type is TEXT, not CODE"),
    ("relationship_of_concept", of_item(TRACKING, "RelationshipType", "CONTAINS"), "not HAS OBS CONTEXT"),
    # the tree
    ("relationship", of_item(EJECTION, "RelationshipType", "INFERRED FROM"), "NUM below CONTAINER"),
    ("relationship", of_item(EJECTION, "RelationshipType", "BELONGS TO"), "relationship BELONGS TO does not exist"),
    ("relationship", deleted("RelationshipType", EJECTION), "no relationship"),
    ("value_type", of_item(COMMENT, "ValueType", "PROSE"), "value type PROSE does not exist"),
    ("value_type", SR_COORDINATES, "the SOP class of the document has no SCOORD3D"),
    ("frame_numbers", reference("ReferencedFrameNumber", [0, 3]), "frame numbers below 1: 0"),
    ("one_reference", deleted("ReferencedSOPSequence", SOURCE_OF), "IMAGE refers to 0 instances"),
    ("one_reference", reference("ReferencedSOPClassUID", ""), "does not name the SOP class"),
    ("target_of_reference", refers_to_item(1, 99), "there is no content item 1.99"),
    ("readable", damaged, "cannot be decoded"),
]


@pytest.mark.parametrize("make", [our_report, report_of_a_person])
def test_a_good_report_gives_no_finding(make: Callable[[], Dataset]) -> None:
    checked = check(make())
    assert checked.findings == ()
    assert checked.kind == "Comprehensive 3D SR Storage, Imaging Measurement Report, TID 1500"


@pytest.mark.parametrize(("rule", "mutate", "said"), BROKEN, ids=[f"{rule}: {said}" for rule, _, said in BROKEN])
def test_what_is_broken_is_found_where_it_is(report: Dataset, rule: str, mutate: Mutate, said: str) -> None:
    assert check(report).findings == ()
    mutate(report)
    caught = [finding for finding in check(report).findings if finding.rule == rule]
    assert any(said in finding.said for finding in caught), check(report).findings
    for finding in caught:
        assert finding.path.startswith(("header", "Imaging Measurement Report", "Document Title"))
        assert "PS3." in finding.source


def test_every_rule_has_a_report_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("mutate", "rule"),
    [(without(TRACKING), "tracking_identifier"), (of_item(COMMENT, "ValueType", "PROSE"), "value_type")],
)
def test_one_mistake_is_said_once(report: Dataset, mutate: Mutate, rule: str) -> None:
    mutate(report)
    said = [(finding.rule, finding.path) for finding in check(report).findings]
    assert len(said) == len(set(said))
    assert rule in {name for name, _ in said}


def test_a_content_item_is_told_by_its_way_through_the_document(report: Dataset) -> None:
    group = report.ContentSequence[-2].ContentSequence[1]
    group.ContentSequence = [
        child for child in group.ContentSequence if child.ConceptNameCodeSequence[0].CodeValue != TRACKING
    ]
    (finding,) = check(report).findings
    assert finding.path == "Imaging Measurement Report > Imaging Measurements > Measurement Group (2)"
    assert (finding.said, finding.level) == ("no Tracking Identifier", Level.FAULT)


def test_what_dicom_allows_is_no_more_than_a_warning(report: Dataset) -> None:
    without(LANGUAGE, LIBRARY)(report)
    assert {finding.level for finding in check(report).findings} == {Level.WARN}


def test_two_measurements_that_a_modifier_tells_apart_are_no_mistake(report: Dataset) -> None:
    measured_twice(report)
    derivation = Dataset()
    derivation.RelationshipType, derivation.ValueType = "HAS CONCEPT MOD", "CODE"
    derivation.ConceptNameCodeSequence = [coded(codes.DCM.Derivation)]
    derivation.ConceptCodeSequence = [coded(codes.SCT.Maximum)]
    item_named(report, EJECTION).ContentSequence = [derivation]
    assert check(report).findings == ()


def test_a_code_of_snomed_rt_is_known_for_what_it_is(report: Dataset) -> None:
    name_of(SITE, CodeValue="G-C0E3", CodingSchemeDesignator="SRT")(report)
    of_item("G-C0E3", "ValueType", "TEXT")(report)
    assert "value_type_of_concept" in {finding.rule for finding in check(report).findings}


def test_a_reference_to_an_item_that_is_there_is_no_mistake(report: Dataset) -> None:
    refers_to_item(1, 1)(report)
    assert check(report).findings == ()


def test_evidence_of_other_procedures_counts_as_evidence(report: Dataset) -> None:
    report.PertinentOtherEvidenceSequence = report.CurrentRequestedProcedureEvidenceSequence
    del report.CurrentRequestedProcedureEvidenceSequence
    report.StudyInstanceUID = generate_uid()
    assert check(report).findings == ()


def test_another_template_is_named_and_held_to_what_holds_for_all() -> None:
    checked = check_file(Path(str(get_testdata_file("test-SR.dcm"))))
    assert checked.kind == (
        "Comprehensive SR Storage, Diagnosis, no template named: not TID 1500, so that only the rules for every "
        "Structured Report were applied"
    )
    of_templates = {rule.name for rule in RULES if rule.measurement_reports_alone}
    found = {finding.rule for finding in checked.findings}
    assert found == {"references_are_evidence", "coding_schemes_identified", "unit_is_ucum"}
    assert not found & of_templates


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (SMALL.read_bytes(), "no Structured Report", "its SOP class is Ultrasound Multi-frame Image Storage"),
        (b"no DICOM at all" * 20, "no DICOM file", "it has no preamble and prefix"),
        (b"", "no DICOM file", "it has no preamble and prefix"),
        (bytes(128) + b"DICM" + b"\x02\x00", "no Structured Report", "it names no SOP class"),
    ],
    ids=["an image", "text", "nothing", "cut off"],
)
def test_what_is_no_report_is_said_to_be_none(tmp_path: Path, content: bytes, kind: str, said: str) -> None:
    file = tmp_path / "file.dcm"
    file.write_bytes(content)
    checked = check_file(file)
    (finding,) = checked.findings
    assert (checked.kind, finding.said, finding.rule) == (kind, said, "structured_report")


def test_a_file_is_checked_as_its_data_set_is(report: Dataset, tmp_path: Path) -> None:
    without(PROCEDURE)(report)
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    checked: Checked = check_file(tmp_path / "report.dcm")
    assert checked == check(report)
    assert [finding.rule for finding in checked.findings] == ["procedure_reported"]


def test_findings_quote_no_names_and_no_text(report: Dataset) -> None:
    report.PatientName = "Secret^" + "x" * 70
    report.PatientID = "Secret" * 20
    item_named(report, COMMENT).TextValue = "Secret"
    item_named(report, TRACKING).TextValue = "Secret"
    without(TRACKING_UID, PROCEDURE)(report)
    checked = check(report)
    assert {"length_of_text", "tracking_unique_identifier"} <= {finding.rule for finding in checked.findings}
    assert "Secret" not in str(checked)


def coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
