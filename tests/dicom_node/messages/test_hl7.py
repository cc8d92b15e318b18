"""The ORU^R01, judged by hl7apy, and segment by segment by what HL7 v2.5.1 says and hl7apy does not check."""

import re
from dataclasses import replace

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from config.catalogue import load_catalogue
from config.labels import ModelLabel
from db.results.runs import Run, TaskResult, Verdict
from dicom_node.messages.hl7 import Addressing, build_hl7, control_id
from dicom_node.messages.hl7_text import composite, escaped, joined, segment
from dicom_node.messages.study import reported_study
from tests.dicom_node.messages.readers import components, segments, unescaped
from tests.support.results import header_of, run_of, runs_of_every_answer

CATALOGUE = load_catalogue()
RUNS = runs_of_every_answer(CATALOGUE)
HOSPITAL = Addressing(
    sending_facility="HOSPITAL^1.2.3^ISO",
    receiving_application="RIS",
    receiving_facility="HOSPITAL",
    assigning_authority="HOSPITAL^1.2.3^ISO",
)
ABSTAINED = TaskResult(task_id="lvef", verdict=Verdict.ABSTAINED, reason="no usable clip")
MOMENT = r"\d{8}(\d{4}(\d{2}([+-]\d{4})?)?)?"
FORMS = {"NM": r"-?\d+(\.\d+)?", "CWE": r"[^|^]+\^[^|^]+\^[^|^]+", "TX": r".+", "ST": r"[^|^~&]{1,199}"}


def message_of(run: Run, **changes: object) -> bytes:
    return build_hl7(run, CATALOGUE, reported_study(header_of(run, CATALOGUE, **changes)), HOSPITAL)


def only(content: bytes, name: str) -> list[str]:
    (found,) = [fields for fields in segments(content) if fields[0] == name]
    return found


def mistakes(content: bytes) -> list[str]:
    """What is wrong with the message by HL7 v2.5.1, chapters 2 and 7."""
    found, lines = [], segments(content)
    order = "".join(
        {"MSH": "M", "SFT": "S", "PID": "P", "ORC": "C", "OBR": "R", "NTE": "n", "OBX": "x"}[f[0]] for f in lines
    )
    if not re.fullmatch(r"MSPCRn+(xn*)+", order):
        found.append(f"order of segments {order}")
    header = lines[0]
    if (header[2], header[9], header[12], header[18]) != ("^~\\&", "ORU^R01^ORU_R01", "2.5.1", "UNICODE UTF-8"):
        found.append("MSH")
    if not re.fullmatch(r"[A-Z0-9]{1,20}", header[10]):
        found.append("MSH-10")
    for fields, number, may_be_empty in (
        (header, 7, False),
        (only(content, "PID"), 7, True),
        (only(content, "OBR"), 7, True),
    ):
        if not re.fullmatch(MOMENT, fields[number]) and (fields[number] or not may_be_empty):
            found.append(f"{fields[0]}-{number}")
    if re.search(rb"[\x00-\x0c\x0e-\x1f\x7f]", content):
        found.append("control characters")
    observations = [fields for fields in lines if fields[0] == "OBX"]
    if [fields[1] for fields in observations] != [str(number) for number in range(1, len(observations) + 1)]:
        found.append("OBX-1")
    for fields in observations:
        if not re.fullmatch(FORMS.get(fields[2], "$^"), fields[5]):
            found.append(f"OBX-5 of {fields[2]}: {fields[5]}")
        if (fields[2] == "TX") != (fields[11] == "X") or fields[11] not in ("P", "X"):
            found.append(f"OBX-11 of {fields[2]}: {fields[11]}")
        if (fields[2] == "NM") != fields[6].endswith("^UCUM"):
            found.append(f"OBX-6 {fields[6]}")
        if not fields[3] or re.search(MOMENT, fields[19]) is None:
            found.append("OBX-3 or OBX-19")
    return found


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.run_uid)
def test_the_message_is_valid_by_hl7apy_and_by_the_standard(run: Run) -> None:
    content = message_of(run)
    parsed = parse_message(content.decode(), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    assert parsed.validate()
    assert len(parsed.oru_r01_patient_result.oru_r01_order_observation.oru_r01_observation) == sum(
        fields[0] == "OBX" for fields in segments(content)
    )
    assert mistakes(content) == []


@pytest.mark.parametrize(
    ("right", "wrong", "mistake"),
    [
        (b"|54.5|", b"|54,5|", "OBX-5 of NM: 54,5"),
        (b"ORC|", b"ZZZ|", "ZZZ"),
        (b"\rOBX|2|", b"\rOBX|3|", "OBX-1"),
        (b"|UNICODE UTF-8", b"|ASCII", "MSH"),
        (b"^UCUM|||||P|", b"^UCUM|||||F|", "OBX-11 of NM: F"),
        (b"Not answered", b"\x1cNot answered", "control characters"),
    ],
)
def test_this_check_finds_what_it_is_for(right: bytes, wrong: bytes, mistake: str) -> None:
    content = message_of(RUNS[1]) if right in message_of(RUNS[1]) else message_of(RUNS[0])
    assert right in content
    try:
        assert mistake in mistakes(content.replace(right, wrong, 1))
    except KeyError as unknown:
        assert mistake in str(unknown)


def test_the_same_run_is_the_same_bytes_and_another_one_has_another_control_id() -> None:
    again = replace(RUNS[0], run_uid="another")
    assert message_of(RUNS[0]) == message_of(RUNS[0])
    assert control_id(RUNS[0]) == only(message_of(RUNS[0]), "MSH")[10] != control_id(again)
    assert only(message_of(RUNS[0]), "OBR")[3] == only(message_of(again), "OBR")[3], "the same order of the same study"


def test_each_task_is_told_under_one_key_whatever_its_answer() -> None:
    """A receiver replaces what has the same OBX-3 and OBX-4 within an order (HL7 v2.5.1 section 7.4.2.4)."""

    def keys(run: Run) -> dict[str, str]:
        told = [fields for fields in segments(message_of(run)) if fields[0] == "OBX" and fields[4]]
        asked = [(components(fields[3]), fields[4]) for fields in told]
        return {question[-3]: place for question, place in asked if question[-1] == "99ECHOWORKER"}

    answered, not_answered = RUNS[1], RUNS[0]
    assert {result.verdict for result in not_answered.results} == {Verdict.ABSTAINED}
    some = replace(answered, results=(not_answered.results[0], *answered.results[1:]))
    assert keys(answered) == keys(some) == keys(not_answered)
    assert len(set(keys(some).values())) == len(CATALOGUE.tasks)


@pytest.mark.parametrize(
    ("label", "processing"), [("UNTRAINED", "T"), ("DEMO", "T"), ("RESEARCH", "P"), ("CLINICAL", "P")]
)
def test_what_a_model_that_knows_no_patients_says_is_for_training(label: str, processing: str) -> None:
    content = message_of(run_of(CATALOGUE, (ABSTAINED,), label=ModelLabel(label)))
    header, (limits, *_) = only(content, "MSH"), [fields for fields in segments(content) if fields[0] == "NTE"]
    assert header[11] == processing
    assert ("NOT FOR CLINICAL USE" in limits[3]) == (processing == "T")


def test_patient_and_order_are_those_of_the_report() -> None:
    content = message_of(
        RUNS[0],
        SpecificCharacterSet="ISO_IR 192",
        PatientID="4|7^11",
        PatientName="Müller^Jörg^Maria^Dr.^jr.=山田^太郎",
        PatientBirthDate="19700203",
        PatientSex="O",
        AccessionNumber="A&17",
        StudyDate="20160503",
        StudyTime="1208",
    )
    patient, order = only(content, "PID"), only(content, "OBR")
    assert components(patient[3]) == ["4|7^11", "", "", "HOSPITAL&1.2.3&ISO", "PI"]
    assert [components(name) for name in patient[5].split("~")] == [
        ["Müller", "Jörg", "Maria", "jr.", "Dr.", "", "L", "A"],
        ["山田", "太郎", "", "", "", "", "L", "I"],
    ]
    assert (patient[7], patient[8], order[7], unescaped(order[18])) == ("19700203", "O", "201605031208", "A&17")
    assert (order[24], order[25]) == ("CUS", "P")


@pytest.mark.parametrize(
    ("offset", "sent", "observed"),
    [
        (None, "20261124120000", "20160503120850"),
        ("+0200", "20261124140000+0200", "20160503120850+0200"),
        ("-0330", "20261124083000-0330", "20160503120850-0330"),
    ],
)
def test_no_zone_is_claimed_for_the_time_of_a_study_that_names_none(
    offset: str | None, sent: str, observed: str
) -> None:
    """A zone in MSH-7 is that of every time of the message without one (HL7 v2.5.1 section 2.15.9.7)."""
    named = {} if offset is None else {"TimezoneOffsetFromUTC": offset}
    content = message_of(RUNS[0], StudyDate="20160503", StudyTime="120850.5", **named)
    assert (only(content, "MSH")[7], only(content, "OBR")[7]) == (sent, observed)
    assert {fields[14] for fields in segments(content) if fields[0] == "OBX"} == {observed}
    assert only(content, "OBR")[22] == "20261124120000+0000"


def test_who_gave_out_the_patient_id_is_whom_the_images_name() -> None:
    report = header_of(RUNS[0], CATALOGUE, IssuerOfPatientID="ELSEWHERE")
    item = Dataset()
    item.PlacerOrderNumberImagingServiceRequest = "P 5"
    report.ReferencedRequestSequence = [item]
    content = build_hl7(RUNS[0], CATALOGUE, reported_study(report), HOSPITAL)
    assert components(only(content, "PID")[3])[3] == "ELSEWHERE"
    assert only(content, "OBR")[2] == only(content, "ORC")[2] == "P 5"


def test_no_value_of_a_header_makes_a_field_or_a_segment() -> None:
    study = reported_study(header_of(RUNS[0], CATALOGUE))
    text = {key: "x|y\rOBX|1^&~\\" for key, value in vars(study).items() if isinstance(value, str) and value}
    content = build_hl7(RUNS[0], CATALOGUE, replace(study, **text), HOSPITAL)
    whole = build_hl7(RUNS[0], CATALOGUE, study, HOSPITAL)
    assert [(fields[0], len(fields)) for fields in segments(content)] == [
        (fields[0], len(fields)) for fields in segments(whole)
    ]


@given(st.text())
def test_any_text_comes_back_out_of_a_field(text: str) -> None:
    travelled = escaped(text)
    assert not set(travelled) & set("|^&~\r\n\x0b\x1c")
    lines = re.sub(r"\r\n|\r", "\n", text)
    assert unescaped(travelled) == lines


@given(st.lists(st.text(), min_size=1, max_size=5), st.integers(1, 9))
def test_any_components_come_back_out_of_a_segment(parts: list[str], number: int) -> None:
    content = joined([segment("MSH", {1: "^~\\&"}), segment("ZZZ", {number: composite(*parts), 10: "end"})])
    read = components(segments(content)[1][number])
    expected = [re.sub(r"\r\n|\r", "\n", part) for part in parts]
    while len(expected) > 1 and not expected[-1]:
        expected.pop()
    assert read == expected
