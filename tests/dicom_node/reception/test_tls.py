"""TLS as peers meet it: DCMTK's and OpenSSL's own, towards us and from us, and what the books say of who failed."""

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pydicom
import pytest

from config.errors import ConfigurationError, DeliveryError
from config.sections.peers import PeerSettings
from config.settings import load_settings
from dicom_node.calling import called_peer, echo
from dicom_node.reception import housekeeping
from dicom_node.reception.receiver import Receiver
from dicom_node.send import send_files
from tests.support import servers
from tests.support.certificates import Authority, Certificate
from tests.support.dcmtk import SUCCESS, echoscu, storescu
from tests.support.receivers import association_request, connected, data_set_of, small_clips, store_while_it_lasts
from tests.support.receivers import store_pdus as pdus_of
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

IDLE_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Certificates:
    authority: Authority
    node: Certificate
    peer: Certificate
    expired: Certificate
    elsewhere: Certificate
    """Of our authority, for another host."""
    stranger: Certificate
    """Of an authority that nobody trusts."""
    strangers: Authority


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority, strangers = Authority(folder / "ours"), Authority(folder / "theirs")
    return Certificates(
        authority=authority,
        node=authority.sign("node"),
        peer=authority.sign("vivid"),
        expired=authority.sign("expired", days=-1),
        elsewhere=authority.sign("elsewhere", names="DNS:elsewhere.example"),
        stranger=strangers.sign("stranger"),
        strangers=strangers,
    )


@dataclass
class Node:
    data: Path
    port: int
    tls_port: int
    receiver: Receiver

    def outcomes(self) -> set[tuple[str, str]]:
        """AE title and outcome of all callers that the node has published."""
        said = []
        for file in (self.data / "spool/receivers").glob("callers-*.json"):
            with suppress(FileNotFoundError):  # the intake has taken it, or a newer one replaces it
                said.append(json.loads(file.read_text())["calls"])
        return {(call["ae_title"], call["outcome"]) for calls in said for call in calls}

    def alerts(self) -> list[str]:
        """What the Security Alerts of the audit trail say, which name the caller's address."""
        lines = [line for file in (self.data / "audit").glob("*.log") for line in file.read_text().splitlines()]
        messages = [ET.fromstring(line) for line in lines]  # noqa: S314  our own
        alert = "EventIdentification/EventID[@csd-code='110113']"
        alerts = [message for message in messages if message.find(alert) is not None]
        for message in alerts:
            assert message.find("ParticipantObjectIdentification[@ParticipantObjectID='127.0.0.1']") is not None
        return [str(message.findtext("EventIdentification/EventOutcomeDescription")) for message in alerts]

    def kept(self, file: Path) -> Path:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        return self.data / "spool/studies" / dataset.StudyInstanceUID / f"{dataset.SOPInstanceUID}.dcm"


Start = Callable[..., Node]


@pytest.fixture(params=["fast", "stock"])
def receive_path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> Iterator[Start]:
    """Starts a node that speaks TLS, with these settings beside; it is stopped at the end."""
    running: list[Receiver] = []

    def started(**settings: object) -> Node:
        monkeypatch.setattr(housekeeping, "SPEAKS_EVERY_S", 0.1)
        data, port, tls_port = tmp_path / "data", servers.free_port(), servers.free_port()
        environment = {
            "DATA_DIR": data,
            "NODE__PORT": port,
            "NODE__IDLE_TIMEOUT_S": IDLE_TIMEOUT_S,
            "TLS__PORT": tls_port,
            "TLS__CERTIFICATE": certificates.node.certificate,
            "TLS__PRIVATE_KEY": certificates.node.private_key,
            "TLS__TRUSTED": certificates.authority.trusted,
        } | settings
        for name, value in environment.items():
            monkeypatch.setenv(f"ECHOWORKER_{name}", str(value))
        receiver = Receiver(load_settings())
        receiver.start()
        running.append(receiver)
        return Node(data, port, tls_port, receiver)

    yield started
    for receiver in running:
        receiver.stop()


def with_certificate(shown: Certificate, trusted: Authority) -> list[str | Path]:
    """DCMTK's options."""
    return ["+tls", shown.private_key, shown.certificate, "+cf", trusted.trusted]


def client_context(shown: Certificate, trusted: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(trusted.trusted))
    context.load_cert_chain(shown.certificate, shown.private_key)
    return context


@pytest.mark.parametrize("pdu", ["4096", "16384", "131072"])
def test_dcmtk_stores_by_tls(
    start: Start, receive_path: str, certificates: Certificates, tmp_path: Path, pdu: str
) -> None:
    node = start(NODE__RECEIVE_PATH=receive_path)
    files = small_clips(tmp_path / "clips", 3)
    secure = with_certificate(certificates.peer, certificates.authority)
    sent = storescu(node.tls_port, *files, options=[*secure, "--max-pdu", pdu, "--max-send-pdu", pdu])
    assert (sent.code, sent.answers) == (0, [SUCCESS] * 3), sent.said
    assert [data_set_of(node.kept(file)) for file in files] == [data_set_of(file) for file in files]
    assert echoscu(node.tls_port, options=secure).answers == [SUCCESS]
    assert node.alerts() == []


@pytest.mark.parametrize("accepted", [True, False])
def test_the_plain_port_serves_beside_it_unless_it_is_closed(
    start: Start, certificates: Certificates, accepted: bool
) -> None:
    node = start(TLS__ACCEPT_WITHOUT_TLS=accepted)
    assert echoscu(node.port).answers == [SUCCESS] * accepted
    secure = with_certificate(certificates.peer, certificates.authority)
    assert echoscu(node.tls_port, options=secure).answers == [SUCCESS]


@pytest.mark.parametrize("pdu_bytes", [256, 4096, 131066])
def test_many_pdus_in_one_tls_record_and_one_pdu_in_many(
    start: Start, receive_path: str, certificates: Certificates, tmp_path: Path, pdu_bytes: int
) -> None:
    """What lies decrypted in the TLS layer shows on no socket: a receiver that polls alone would wait for ever."""
    node = start(NODE__RECEIVE_PATH=receive_path)
    files = small_clips(tmp_path / "clips", 5, kilobytes=100)
    context = client_context(certificates.peer, certificates.authority)
    assert store_while_it_lasts(node.tls_port, files, tls=context, pdu_bytes=pdu_bytes) == files
    assert [data_set_of(node.kept(file)) for file in files] == [data_set_of(file) for file in files]


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_a_peer_that_stalls_in_the_middle_of_a_pdu_is_ended(
    start: Start, receive_path: str, certificates: Certificates, tmp_path: Path, secure: bool
) -> None:
    node = start(NODE__RECEIVE_PATH=receive_path)
    (file,) = small_clips(tmp_path, 1)
    context = client_context(certificates.peer, certificates.authority) if secure else None
    with connected(node.tls_port if secure else node.port, tls=context) as connection:
        connection.sendall(association_request())
        assert connection.recv(1) == b"\x02"
        connection.sendall(b"".join(pdus_of(file))[:-1000])
        connection.settimeout(10 * IDLE_TIMEOUT_S)
        with suppress(ConnectionError, ssl.SSLError):  # a reset is an end as well, silence is none
            while connection.recv(65536):
                pass
    wait_until(lambda: not list((node.data / "spool/incoming").iterdir()), 10, "the half file to be gone")
    assert not node.kept(file).exists()
    wait_until(lambda: not node.receiver._running(), 10, "the association to end")


def openssl(port: int, *options: str | Path) -> int:
    command = [require_tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", *map(str, options)]
    return subprocess.run(command, input=b"", capture_output=True, check=False, timeout=30).returncode


def old(version: str) -> Callable[[int, Certificates], int]:
    def attempt(port: int, made: Certificates) -> int:
        shown = ["-cert", made.peer.certificate, "-key", made.peer.private_key]
        return openssl(port, version, "-cipher", "DEFAULT@SECLEVEL=0", *shown)

    return attempt


def showing(name: str, trusted: str = "authority") -> Callable[[int, Certificates], int]:
    return lambda port, made: echoscu(port, options=with_certificate(getattr(made, name), getattr(made, trusted))).code


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [
        (lambda port, made: echoscu(port, options=["+tla", "-ic"]).code, "TLS: no certificate shown"),
        (showing("stranger"), "TLS: certificate of an authority that is not trusted"),
        (showing("expired"), "TLS: certificate out of date"),
        (showing("peer", trusted="strangers"), "TLS: our certificate is not accepted"),
        (old("-tls1"), "TLS: older than TLS 1.2"),
        (old("-tls1_1"), "TLS: older than TLS 1.2"),
        (
            lambda port, _: openssl(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"),
            "TLS: no cipher suite in common",
        ),
        (lambda port, _: echoscu(port).code, "TLS: does not speak TLS"),
    ],
    ids=["no-certificate", "stranger", "expired", "does-not-trust-us", "tls-1.0", "tls-1.1", "cbc", "plain"],
)
def test_who_fails_in_the_handshake_is_refused_listed_and_an_alert_in_the_audit_trail(
    start: Start, certificates: Certificates, attempt: Callable[[int, Certificates], int], outcome: str
) -> None:
    node = start()
    assert attempt(node.tls_port, certificates) != 0
    wait_until(lambda: ("", outcome) in node.outcomes(), 10, f"{outcome}; there is {node.outcomes()}")
    assert node.outcomes() == {("", outcome)}
    assert node.alerts() == [outcome]
    secure = with_certificate(certificates.peer, certificates.authority)
    assert echoscu(node.tls_port, options=secure).answers == [SUCCESS]


def echo_of(node: Node, shown: Certificate, authority: Authority) -> list[str]:
    return echoscu(node.tls_port, options=with_certificate(shown, authority)).answers


def test_a_revoked_certificate_is_refused_as_soon_as_the_list_says_so(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    ours, lost, other = (authority.sign(name) for name in ("node", "lost", "other"))
    crl = tmp_path / "crl.pem"
    crl.write_bytes(authority.revocation_list())
    node = start(
        TLS__CRL=crl,
        TLS__TRUSTED=authority.trusted,
        TLS__CERTIFICATE=ours.certificate,
        TLS__PRIVATE_KEY=ours.private_key,
    )
    assert echo_of(node, lost, authority) == [SUCCESS]
    crl.write_bytes(authority.revocation_list(lost))
    assert echo_of(node, lost, authority) == []
    assert echo_of(node, other, authority) == [SUCCESS]
    wait_until(lambda: ("", "TLS: certificate revoked") in node.outcomes(), 10, "the revoked one to be listed")
    assert node.alerts() == ["TLS: certificate revoked"]

    crl.write_bytes(b"damaged")
    assert echo_of(node, lost, authority) == [], "the list before still holds"
    assert echo_of(node, other, authority) == [SUCCESS]

    crl.write_bytes(authority.revocation_list(seconds=1))
    wait_until(lambda: echo_of(node, other, authority) == [], 10, "the list to be out of date")
    reason = "TLS: no valid revocation list of the authority that signed the certificate"
    wait_until(lambda: ("", reason) in node.outcomes(), 10, "who was refused for want of a list to be listed")


def test_of_several_authorities_each_has_its_list_in_the_file(
    start: Start, tmp_path: Path, certificates: Certificates
) -> None:
    another = Authority(tmp_path / "another", name="another")
    revoked, known = another.sign("revoked"), another.sign("known")
    trusted, crl = tmp_path / "trusted.pem", tmp_path / "crl.pem"
    trusted.write_bytes(certificates.authority.trusted.read_bytes() + another.trusted.read_bytes())
    crl.write_bytes(certificates.authority.revocation_list() + another.revocation_list(revoked))
    node = start(TLS__CRL=crl, TLS__TRUSTED=trusted)
    shown = {name: with_certificate(of, certificates.authority) for name, of in (("known", known), ("lost", revoked))}
    assert echoscu(node.tls_port, options=shown["known"]).answers == [SUCCESS]
    assert echoscu(node.tls_port, options=shown["lost"]).answers == []
    assert echo_of(node, certificates.peer, certificates.authority) == [SUCCESS]


def test_a_renewed_certificate_is_shown_without_a_restart(start: Start, tmp_path: Path) -> None:
    authority, strangers = Authority(tmp_path / "ours"), Authority(tmp_path / "strangers")
    peer, certificate, key = authority.sign("peer"), tmp_path / "node.pem", tmp_path / "node.key"

    def renew(signed: Certificate) -> None:
        certificate.write_bytes(signed.certificate.read_bytes())
        key.write_bytes(signed.private_key.read_bytes())

    renew(strangers.sign("node"))
    node = start(TLS__TRUSTED=authority.trusted, TLS__CERTIFICATE=certificate, TLS__PRIVATE_KEY=key)
    assert echo_of(node, peer, authority) == []
    renew(authority.sign("node"))
    assert echo_of(node, peer, authority) == [SUCCESS]


@pytest.mark.parametrize("content", ["authority", "nothing"])
def test_a_file_that_is_no_revocation_list_is_a_clear_error(
    start: Start, tmp_path: Path, certificates: Certificates, content: str
) -> None:
    crl = tmp_path / "crl.pem"
    crl.write_bytes(certificates.authority.trusted.read_bytes() if content == "authority" else b"")
    with pytest.raises(ConfigurationError, match=r"tls\.crl .*crl\.pem"):
        start(TLS__CRL=crl)


def test_who_only_knocks_is_listed_but_raises_no_alarm(start: Start) -> None:
    node = start()
    with connected(node.tls_port):
        pass
    wait_until(node.outcomes, 10, "the caller to be listed")
    assert node.outcomes() == {("", "TLS: hung up before the end of the handshake")}
    assert node.alerts() == []


def test_a_site_may_do_without_client_certificates(start: Start, certificates: Certificates) -> None:
    node = start(TLS__REQUIRE_CLIENT_CERTIFICATE="false")
    assert echoscu(node.tls_port, options=["+tla", "+cf", certificates.authority.trusted]).answers == [SUCCESS]


@pytest.mark.parametrize(
    ("entry", "shown", "reason"),
    [
        ({"tls": True}, None, "peer echo has to use TLS"),
        ({"tls": True}, "peer", None),
        ({"certificate_common_name": "vivid"}, "peer", None),
        ({"certificate_common_name": "another"}, "peer", "the certificate is not that of peer echo"),
        ({"certificate_common_name": "vivid"}, None, "the certificate is not that of peer echo"),
    ],
)
def test_a_peers_entry_decides_how_it_has_to_come(
    start: Start, certificates: Certificates, entry: dict[str, object], shown: str | None, reason: str | None
) -> None:
    peer = {"name": "echo", "ae_title": "ECHOSCU", "roles": ["sender"], **entry}
    node = start(PEERS=json.dumps([peer]))
    if shown is None:
        sent = echoscu(node.port)
    else:
        sent = echoscu(node.tls_port, options=with_certificate(getattr(certificates, shown), certificates.authority))
    if reason is None:
        assert sent.answers == [SUCCESS]
        assert node.alerts() == []
        return
    assert sent.answers == []
    assert "Reason: No Reason" in sent.said
    wait_until(node.outcomes, 10, "the caller to be listed")
    assert node.outcomes() == {("ECHOSCU", reason)}
    assert node.alerts() == [reason]


def test_peers_that_never_shake_hands_keep_nobody_waiting_and_are_ended(
    start: Start, certificates: Certificates
) -> None:
    node = start(NODE__REQUEST_TIMEOUT_S=3)
    secure = with_certificate(certificates.peer, certificates.authority)
    with ExitStack() as silent:
        connections = [silent.enter_context(connected(node.tls_port)) for _ in range(40)]
        assert echoscu(node.tls_port, options=secure).answers == [SUCCESS]
        assert [connection.recv(1) for connection in connections] == [b""] * 40  # closed, each of them
    wait_until(lambda: ("", "TLS: handshake not finished in time") in node.outcomes(), 10, "the slow ones to be listed")


def test_who_drips_a_handshake_is_ended_in_time(start: Start) -> None:
    node = start(NODE__REQUEST_TIMEOUT_S=2)
    with connected(node.tls_port) as connection, suppress(OSError):
        for byte in b"\x16\x03\x01\x40\x00" + b"\x01" * 100:
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.2)
    wait_until(lambda: ("", "TLS: handshake not finished in time") in node.outcomes(), 10, "the slow one to be listed")


def settings_to_call(
    monkeypatch: pytest.MonkeyPatch, shown: Certificate, trusted: Authority, port: int, *, host: str = "127.0.0.1"
) -> PeerSettings:
    monkeypatch.setenv("ECHOWORKER_TLS__CERTIFICATE", str(shown.certificate))
    monkeypatch.setenv("ECHOWORKER_TLS__PRIVATE_KEY", str(shown.private_key))
    monkeypatch.setenv("ECHOWORKER_TLS__TRUSTED", str(trusted.trusted))
    entry = {"name": "pacs", "ae_title": "STORESCP", "roles": ["destination"], "host": host, "port": port, "tls": True}
    monkeypatch.setenv("ECHOWORKER_PEERS", json.dumps([entry]))
    return load_settings().peers[0]


def test_we_send_by_tls_to_storescp(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = small_clips(tmp_path / "clips", 3)
    secure = [str(option) for option in with_certificate(certificates.node, certificates.authority)]
    with servers.storescp(tmp_path, options=[*secure, "+xa", "--bit-preserving"]) as storescp:
        peer = settings_to_call(monkeypatch, certificates.peer, certificates.authority, storescp.port)
        answers = list(send_files(files, called_peer(load_settings(), peer)))
    assert [answer.status for answer in answers] == [0x0000] * 3
    received = sorted(data_set_of(path) for path in storescp.folder.iterdir())
    assert received == sorted(data_set_of(file) for file in files)


@pytest.mark.parametrize(
    ("theirs", "ours"), [("stranger", "peer"), ("elsewhere", "peer"), ("expired", "peer"), ("node", "stranger")]
)
def test_we_send_nothing_to_who_is_not_whom_we_call_or_does_not_know_us(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str, ours: str
) -> None:
    (file,) = small_clips(tmp_path / "clips", 1)
    secure = with_certificate(getattr(certificates, theirs), certificates.authority)
    with servers.storescp(tmp_path, options=[str(option) for option in secure]) as storescp:
        shown = getattr(certificates, ours)
        peer = settings_to_call(monkeypatch, shown, certificates.authority, storescp.port)
        with pytest.raises(DeliveryError, match=f"STORESCP at 127.0.0.1:{storescp.port}"):
            list(send_files([file], called_peer(load_settings(), peer)))
    assert list(storescp.folder.iterdir()) == []


def test_we_send_nothing_to_whose_certificate_is_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path / "authority")
    theirs, ours, crl = authority.sign("pacs"), authority.sign("node"), tmp_path / "crl.pem"
    crl.write_bytes(authority.revocation_list(theirs))
    monkeypatch.setenv("ECHOWORKER_TLS__CRL", str(crl))
    with servers.storescp(tmp_path, options=[str(option) for option in with_certificate(theirs, authority)]) as pacs:
        peer = settings_to_call(monkeypatch, ours, authority, pacs.port)
        with pytest.raises(DeliveryError):
            echo(called_peer(load_settings(), peer))


def test_by_tls_we_call_nobody_in_plain(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.storescp(tmp_path) as storescp:
        peer = settings_to_call(monkeypatch, certificates.peer, certificates.authority, storescp.port)
        with pytest.raises(DeliveryError):
            echo(called_peer(load_settings(), peer))
