"""`echoworker certificates`: what it makes is what the node, OpenSSL and DCMTK take."""

import socket
import ssl
import stat
import subprocess
import tomllib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from config.errors import ConfigurationError
from config.settings import load_settings
from deploy.cli.application import app
from deploy.site_authority import SiteAuthority, Wanted
from dicom_node.reception.receiver import Receiver
from tests.support.servers import free_port
from tests.support.tools import require_tool


def make(folder: Path, *arguments: str) -> str:
    run = CliRunner().invoke(app, ["certificates", "make", str(folder), *arguments])
    if run.exception is not None:
        raise run.exception
    return run.stdout


def test_authority_node_and_clients_are_made_and_the_keys_are_their_owners_alone(tmp_path: Path) -> None:
    make(tmp_path / "tls", "--host", "echo.hospital", "--host", "10.20.30.40", "--client", "VIVID1", "--days", "90")
    there = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert {name for name in there if name.endswith(".key")} == {"authority.key", "echoworker.key", "VIVID1.key"}
    assert all(mode == 0o600 for name, mode in there.items() if name.endswith(".key"))
    node = x509.load_pem_x509_certificate((tmp_path / "tls" / "echoworker.pem").read_bytes())
    names = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["echo.hospital"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.20.30.40"]
    assert timedelta(days=89) < node.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=90)


def test_openssl_takes_each_of_them_for_both_ends_of_a_connection(tmp_path: Path) -> None:
    make(tmp_path, "--host", "localhost", "--client", "VIVID1=vivid1.hospital")
    for name in ("echoworker", "VIVID1"):
        for purpose in ("sslserver", "sslclient"):
            check = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", "authority.pem", f"{name}.pem"]
            subprocess.run([require_tool("openssl"), *check], cwd=tmp_path, check=True, capture_output=True)


def test_what_it_says_can_go_into_the_site_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = make(tmp_path / "tls", "--host", "localhost", "--client", "VIVID1", "--client", "PACS=pacs.hospital")
    assert set(tomllib.loads(said)) == {"tls", "peers"}
    (tmp_path / "site.toml").write_text(said)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(tmp_path / "site.toml"))
    settings = load_settings(data_dir=tmp_path)
    assert settings.tls.enabled
    assert [(peer.name, peer.tls, peer.certificate_common_name, peer.host) for peer in settings.peers] == [
        ("VIVID1", True, "VIVID1", ""),
        ("PACS", True, "PACS", "pacs.hospital"),
    ]


def test_of_a_server_it_says_how_we_trust_it_and_makes_no_peer(tmp_path: Path) -> None:
    said = make(tmp_path / "tls", "--client", "VIVID1", "--server", "postgres=db.hospital,10.20.30.50")
    assert [peer["name"] for peer in tomllib.loads(said)["peers"]] == ["VIVID1"]
    trusted = tmp_path / "tls" / "authority.pem"
    assert f"@db.hospital/DATABASE?sslmode=verify-full&sslrootcert={trusted}" in said
    _, _, broker = said.partition("[broker]")
    url, trust, *_ = (line.lstrip("# ") for line in broker.splitlines())
    assert tomllib.loads(f"{url}\n{trust}") == {"url": "rediss://USER@db.hospital:6379/0", "trusted": str(trusted)}
    context = ssl.create_default_context(cafile=trusted)
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(tmp_path / "tls" / "postgres.pem", tmp_path / "tls" / "postgres.key")
    for host in ("db.hospital", "10.20.30.50"):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(to_client, to_server, server_hostname=host)
        server = shown.wrap_bio(to_server, to_client, server_side=True)
        for end in (client, server, client, server):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
        assert client.version() == "TLSv1.3"


def test_a_machine_is_added_later_by_the_same_authority_and_nothing_is_overwritten(tmp_path: Path) -> None:
    make(tmp_path, "--host", "localhost")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigurationError, match=r"echoworker\.pem is there already"):
        make(tmp_path, "--host", "localhost", "--client", "VIVID2")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, "nor anything beside it made"
    assert "A new authority" not in make(tmp_path, "--client", "VIVID2")
    added = x509.load_pem_x509_certificate((tmp_path / "VIVID2.pem").read_bytes())
    added.verify_directly_issued_by(x509.load_pem_x509_certificate(before["authority.pem"]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to make"),
        (["--host", "not a host"], "neither a host name nor an address"),
        (["--client", "../VIVID"], "can be no name of a certificate"),
        (["--client", "authority"], "can be no name of a certificate"),
        (["--client", "echoworker"], "the node's own name"),
        (["--client", "A", "--client", "A"], "two certificates of one name"),
        (["--client", "A", "--server", "A=a.hospital"], "two certificates of one name"),
        (["--server", "postgres"], "give NAME=HOST"),
        (["--server", "echoworker=a.hospital"], "the node's own name"),
    ],
)
def test_what_cannot_be_made_is_said_before_anything_is(tmp_path: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make(tmp_path / "tls", *arguments)
    assert list(tmp_path.glob("tls/*")) == []


def test_an_authority_that_ends_sooner_or_is_damaged_signs_nothing(tmp_path: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=3600)
    SiteAuthority(tmp_path, now=old).make([Wanted(name="A")], days=1)
    with pytest.raises(ConfigurationError, match="not for 825 days more"):
        make(tmp_path, "--client", "B")
    (tmp_path / "authority.key").write_text("nonsense")
    with pytest.raises(ConfigurationError, match="are no authority that was made here"):
        make(tmp_path, "--client", "B")
    assert not (tmp_path / "B.pem").exists()


def test_dcmtk_and_the_node_speak_tls_with_them_and_a_stranger_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = tmp_path / "tls"
    site = make(tls, "--host", "127.0.0.1", "--host", "localhost", "--client", "VIVID1")
    make(tmp_path / "strangers", "--client", "VIVID1")
    (tmp_path / "site.toml").write_text(site)
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(tmp_path / "site.toml"))
    port = free_port()
    monkeypatch.setenv("ECHOWORKER_TLS__PORT", str(port))
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", str(free_port()))
    receiver = Receiver(load_settings(data_dir=tmp_path / "data"))
    receiver.start()
    try:
        called = ["-aet", "VIVID1", "-aec", "ECHOWORKER", "localhost", str(port)]
        trusted = ["+cf", str(tls / "authority.pem")]
        for folder, is_let_in in ((tls, True), (tmp_path / "strangers", False)):
            own = ["+tls", str(folder / "VIVID1.key"), str(folder / "VIVID1.pem")]
            run = subprocess.run(
                [require_tool("echoscu"), *own, *trusted, *called], capture_output=True, text=True, check=False
            )
            assert (run.returncode == 0) is is_let_in, run.stderr
        # And a client that looks at the name, which DCMTK does not.
        context = ssl.create_default_context(cafile=tls / "authority.pem")
        context.load_cert_chain(tls / "VIVID1.pem", tls / "VIVID1.key")
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.version() in ("TLSv1.2", "TLSv1.3")
    finally:
        receiver.stop()
