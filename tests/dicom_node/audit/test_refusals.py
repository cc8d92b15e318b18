"""A flood of refused associations: trail and log say how large it was, and do not grow with it."""

import pytest

from db.lifecycle.received import ELSEWHERE
from dicom_node.audit import refusals as refusals_module
from dicom_node.audit.events import RemoteAE
from dicom_node.audit.refusals import ADDRESSES, Refusals


class Told(list[tuple[str, str]]):
    """Addresses and reasons."""

    def tell(self, caller: RemoteAE, reason: str) -> None:
        self.append((caller.address, reason))


def test_of_one_address_the_first_are_told_and_the_others_counted() -> None:
    told = Told()
    refusals = Refusals(told.tell, told_each=2)
    for number in range(1000):
        refusals.note(RemoteAE(ae_title=f"A{number}", address="10.0.0.1"), reason="unknown")
    refusals.note(RemoteAE(ae_title="B", address="10.0.0.2"), reason="no certificate")
    refusals.sum_up()
    assert told == [("10.0.0.1", "unknown")] * 2 + [("10.0.0.2", "no certificate")]
    refusals.sum_up(now=True)
    assert told[3:] == [("10.0.0.1", "998 more refused within 60 s")]


def test_after_the_window_the_same_address_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    monkeypatch.setattr(refusals_module, "WINDOW_S", 0.0)
    refusals = Refusals(told.tell, told_each=1)
    for _ in range(3):
        refusals.note(RemoteAE(ae_title="A", address="10.0.0.1"), reason="unknown")
    assert told == [("10.0.0.1", "unknown")] * 3


def test_a_flood_from_countless_addresses_is_counted_together() -> None:
    told = Told()
    refusals = Refusals(told.tell, told_each=1)
    for number in range(5000):
        refusals.note(RemoteAE(ae_title="A", address=f"fe80::{number:x}"), reason="unknown")
    refusals.sum_up(now=True)
    assert len(told) == ADDRESSES + 1
    assert told[-1] == (ELSEWHERE, f"{5000 - ADDRESSES} more refused within 60 s")
