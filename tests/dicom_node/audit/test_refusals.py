"""A flood of refused associations: the trail says how large it was, and does not grow with it."""

import pytest

from dicom_node.audit import refusals as refusals_module
from dicom_node.audit.events import RemoteAE
from dicom_node.audit.message import AuditMessage
from dicom_node.audit.refusals import ADDRESSES, ELSEWHERE, Refusals


def told(messages: list[AuditMessage]) -> list[tuple[str, str]]:
    return [(message.others[0].address, message.outcome_description) for message in messages]


def test_of_one_address_the_first_are_told_and_the_others_counted() -> None:
    messages: list[AuditMessage] = []
    refusals = Refusals(messages.append, told_each=2)
    for number in range(1000):
        refusals.note(RemoteAE(ae_title=f"A{number}", address="10.0.0.1"), reason="unknown")
    refusals.note(RemoteAE(ae_title="B", address="10.0.0.2"), reason="no certificate")
    refusals.sum_up()
    assert told(messages) == [("10.0.0.1", "unknown")] * 2 + [("10.0.0.2", "no certificate")]
    refusals.sum_up(now=True)
    assert told(messages[3:]) == [("10.0.0.1", "998 more refused within 60 s")]


def test_after_the_window_the_same_address_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[AuditMessage] = []
    monkeypatch.setattr(refusals_module, "WINDOW_S", 0.0)
    refusals = Refusals(messages.append, told_each=1)
    for _ in range(3):
        refusals.note(RemoteAE(ae_title="A", address="10.0.0.1"), reason="unknown")
    assert told(messages) == [("10.0.0.1", "unknown")] * 3


def test_a_flood_from_countless_addresses_is_counted_together() -> None:
    messages: list[AuditMessage] = []
    refusals = Refusals(messages.append, told_each=1)
    for number in range(5000):
        refusals.note(RemoteAE(ae_title="A", address=f"fe80::{number:x}"), reason="unknown")
    refusals.sum_up(now=True)
    assert len(messages) == ADDRESSES + 1
    assert told(messages)[-1] == (ELSEWHERE, f"{5000 - ADDRESSES} more refused within 60 s")
