"""Every message is answered under its own number, in its sender's mode, with nothing of its patient."""

from datetime import UTC, datetime

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from tests.worker.consistency.hl7.test_reports import HEADER, PATIENT, PATIENT_ID, message, obx, only
from worker.consistency.hl7.acknowledging import acknowledgement, judge


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1"])
@pytest.mark.parametrize("kind", [b"ORU^R01", b"ADT^A08"])
def test_answers_are_valid_by_hl7apy(version: str, kind: bytes) -> None:
    content = message().replace(b"2.5.1", version.encode()).replace(b"ORU^R01^ORU_R01", kind)
    said = acknowledgement(judge(content), our_control_id="OURS-1")
    assert said is not None
    assert parse_message(said.decode(), validation_level=VALIDATION_LEVEL.STRICT).validate()


def answer(content: bytes) -> list[list[str]]:
    said = acknowledgement(judge(content), our_control_id="OURS-1", now=datetime(2026, 3, 1, tzinfo=UTC))
    assert said is not None
    return [line.split("|") for line in said.decode().split("\r")[:-1]]


def test_an_accepted_message_is_acknowledged_under_its_number_and_to_its_sender() -> None:
    header, acknowledged = answer(message(obx("TX", "EF 55 %")))
    assert header[:8] == ["MSH", "^~\\&", "ECHOWORKER", "HOSP", "RIS", "HOSP", "20260301000000+0000", ""]
    assert header[8:] == ["ACK^R01^ACK", "OURS-1", "P", "2.5.1"]
    assert acknowledged == ["MSA", "AA", "MSG00001"]


@pytest.mark.parametrize(
    ("version", "error"),
    [("2.5.1", ["ERR", "", "", "200^Unsupported message type^HL70357", "E"]),
     ("2.3", ["ERR", "^^^200&Unsupported message type"])],
)  # fmt: skip
def test_a_message_of_another_kind_is_rejected_with_a_reason(version: str, error: list[str]) -> None:
    content = message().replace(b"ORU^R01^ORU_R01", b"ADT^A08").replace(b"2.5.1", version.encode())
    header, acknowledged, condition = answer(content)
    assert header[8] == ("ACK^A08^ACK" if version == "2.5.1" else "ACK")
    assert acknowledged == ["MSA", "AR", "MSG00001", "Unsupported message type"]
    assert condition == error


def test_an_answer_never_repeats_the_patient() -> None:
    for content in (message(), message().replace(b"ORU", b"ADT"), b"PID|" + PATIENT.encode(), PATIENT.encode()):
        said = acknowledgement(judge(content), our_control_id="1")
        assert said is not None
        assert not any(secret in said for secret in (PATIENT_ID.encode(), b"GEHEIM", b"PID"))


@pytest.mark.parametrize(
    ("accept", "application", "kind", "code"),
    [
        ("AL", "NE", "ORU", "CA"), ("AL", "NE", "ADT", "CR"), ("NE", "AL", "ORU", "AA"), ("NE", "NE", "ORU", None),
        ("ER", "NE", "ORU", None), ("ER", "NE", "ADT", "CR"), ("SU", "NE", "ORU", "CA"), ("SU", "NE", "ADT", None),
        ("", "AL", "ORU", "AA"), ("", "ER", "ADT", "AR"), ("", "", "ORU", "AA"), ("AL", "AL", "ORU", "CA"),
        ("ER", "AL", "ORU", "AA"), ("ER", "SU", "ORU", "AA"), ("ER", "AL", "ADT", "CR"), ("ER", "ER", "ORU", None),
        ("SU", "AL", "ADT", "AR"), ("SU", "SU", "ADT", None),
    ],
)  # fmt: skip
def test_original_and_enhanced_mode(accept: str, application: str, kind: str, code: str | None) -> None:
    content = message(header=f"{HEADER}|||{accept}|{application}".replace("ORU^R01^ORU_R01", f"{kind}^R01"))
    said = acknowledgement(judge(content), our_control_id="1")
    assert (said is None) if code is None else (said is not None and f"\rMSA|{code}|MSG00001".encode() in said)


def test_other_delimiters_are_kept_in_the_answer() -> None:
    content = b"MSH$%~\\&$RIS$HOSP$$$20260301$$ORU%R01$M%1$P$2.4\rPID$1$$X\rOBR$1\rOBX$1$TX$F%Findings$$EF 55 \\S\\\r"
    assert only(content).text == "Findings: EF 55 %"
    said = acknowledgement(judge(content), our_control_id="1")
    assert said is not None
    assert said.startswith(b"MSH$%~\\&$")
    assert said.endswith(b"\rMSA$AA$M%1\r")
