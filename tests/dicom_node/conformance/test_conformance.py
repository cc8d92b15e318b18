"""The conformance statement says what the node is configured to do, and the one in docs/ is up to date."""

import json
from datetime import date
from pathlib import Path

import pytest
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
)
from pynetdicom import AE

from config.settings import load_settings
from dicom_node import statuses
from dicom_node.archive import query
from dicom_node.archive.query import SERIES_KEYS, STUDY_KEYS, StudyQuery
from dicom_node.conformance.statement import REGENERATE, conformance_statement
from dicom_node.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_node.reception.access import REJECTED_WHEN, Rejection
from dicom_node.tls import HandshakeFailure
from tests.support.receivers import receiving

STATEMENT = Path(__file__).parents[3] / "docs" / "conformance.md"


def test_the_statement_in_docs_is_that_of_the_default_settings() -> None:
    assert STATEMENT.read_text() == conformance_statement(load_settings()), f"make it anew: {REGENERATE}"


def test_every_class_syntax_status_and_rejection_has_its_line() -> None:
    lines = conformance_statement(load_settings()).splitlines()
    for uid in (*STORAGE_CLASSES, *TRANSFER_SYNTAXES):
        assert any(f"| {uid} |" in line for line in lines), uid
    assert statuses.MEANINGS.keys() == set(statuses.StorageStatus)
    for status in statuses.StorageStatus:
        assert f"| {status:04X} | {statuses.MEANINGS[status]} |" in lines
    assert REJECTED_WHEN.keys() == set(Rejection)
    for failure in HandshakeFailure:
        assert failure in conformance_statement(load_settings()).replace("\n", " ")


def test_the_keys_of_the_statement_are_those_that_are_sent() -> None:
    everything = StudyQuery(
        patient_id="1", accession_number="2", study_instance_uid="1.2", since=date(2026, 1, 1), until=date(2026, 2, 1)
    )
    asked = query._study_identifier(everything)
    assert {element.keyword for element in asked} == STUDY_KEYS.keys()
    matched = {element.keyword for element in asked if element.value not in ("", None)}
    assert {key for key, use in STUDY_KEYS.items() if use != "returned"} == matched
    assert {element.keyword for element in query._series_identifier("1.2")} == SERIES_KEYS.keys()


def test_a_sites_own_settings_are_in_its_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_NODE__AE_TITLE", "ECHO_LAB")
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", "4242")
    monkeypatch.setenv("ECHOWORKER_NODE__MAXIMUM_PDU_BYTES", "65536")
    monkeypatch.setenv("ECHOWORKER_NODE__UNKNOWN_PEERS", "refuse")
    vivid = {"name": "echo 1", "ae_title": "VIVID1", "roles": ["sender"], "sop_classes": ["EncapsulatedPDFStorage"]}
    monkeypatch.setenv("ECHOWORKER_PEERS", json.dumps([vivid]))
    statement = conformance_statement(load_settings())
    assert "One application entity, `ECHO_LAB`." in statement
    assert "| TCP port listened on | 4242 (`node.port`) |" in statement
    assert "| maximum PDU received | 65536 (`node.maximum_pdu_bytes`) |" in statement
    assert "Callers that no peer is configured for are refused" in statement
    assert "| echo 1 | `VIVID1` | sends instances to us |  | no | EncapsulatedPDFStorage |" in statement


@pytest.mark.parametrize("first", [ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless])
def test_of_several_transfer_syntaxes_the_senders_first_is_accepted(tmp_path: Path, first: str) -> None:
    others = [syntax for syntax in (JPEGBaseline8Bit, RLELossless, ImplicitVRLittleEndian) if syntax != first]
    with receiving(tmp_path) as node:
        ae = AE()
        ae.add_requested_context(UltrasoundMultiFrameImageStorage, ["1.2.840.10008.1.2.4.81", first, *others])
        association = ae.associate("127.0.0.1", node.port)
        (accepted,) = association.accepted_contexts
        association.release()
    assert accepted.transfer_syntax == [first]
