"""A node that listens on IPv6 and IPv4 at once: who calls by IPv4 has the address that the settings have."""

import socket
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from config.sections.peers import plain_address
from config.settings import load_settings
from dicom_node.reception.receiver import Receiver
from dicom_node.reception.reporting import published_calls
from dicom_node.spool import Spool

SITE = """
[node]
host = "::"
port = 0
[[peers]]
name = "vivid"
ae_title = "VIVID"
roles = ["sender"]
networks = ["127.0.0.0/8"]
"""


def listens_on_both() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
            return not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return False


@pytest.mark.skipif(not listens_on_both(), reason="this machine has no IPv6, or keeps it apart from IPv4")
@pytest.mark.parametrize("calling", ["VIVID", "A STRANGER"])
def test_a_caller_by_ipv4_is_known_by_its_network_and_as_of_this_machine(
    calling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(tmp_path / "site.toml"))
    settings = load_settings(data_dir=tmp_path / "data")
    receiver = Receiver(settings)
    receiver.start()
    try:
        ae = AE(ae_title=calling)
        ae.add_requested_context(Verification)
        association = ae.associate("127.0.0.1", receiver.port)
        assert association.is_established
        association.release()
    finally:
        receiver.stop()
    (published,) = published_calls(Spool(settings.spool_dir))
    assert [(call.address, call.outcome) for call in published.calls] == [("127.0.0.1", "accepted")]


@pytest.mark.parametrize(
    ("address", "itself"),
    [("::ffff:10.1.2.3", "10.1.2.3"), ("10.1.2.3", "10.1.2.3"), ("::1", "::1"), ("fe80::1%eth0", "fe80::1%eth0")],
)
def test_an_address_of_ipv4_is_one_however_it_came_in(address: str, itself: str) -> None:
    assert plain_address(address) == itself
