"""`echoworker send`: to our own node and to peers by TLS, with our certificate or that of a machine that is tried."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from config.settings import load_settings
from deploy.site_authority import Made, SiteAuthority, Wanted
from dicom_node.reception.receiver import Receiver
from tests.support.clips import SMALL
from tests.support.commands import echoworker
from tests.support.servers import free_port

VIVID1 = """
[[peers]]
name = "VIVID1"
ae_title = "VIVID1"
roles = ["sender"]
tls = true
certificate_common_name = "VIVID1"
[[peers]]
name = "no host"
ae_title = "SENDER"
roles = ["sender"]
"""
ITSELF = """
[[peers]]
name = "PACS"
ae_title = "ECHOWORKER"
roles = ["destination"]
host = "localhost"
port = {port}
tls = true
"""
TLS = """
[tls]
port = {port}
certificate = "{node.certificate}"
private_key = "{node.private_key}"
trusted = "{folder}/authority.pem"
accept_without_tls = false
"""


@dataclass
class Site:
    """A node that takes TLS alone; its certificate is for localhost, and it is called at 127.0.0.1 as well."""

    file: Path
    folder: Path
    tls_port: int
    vivid1: Made

    def send(self, *arguments: object) -> CompletedProcess[str]:
        return echoworker("--config", self.file, "send", *arguments, SMALL)

    def stored(self) -> int:
        return len(list(self.folder.glob("data/spool/studies/*/*.dcm")))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    ours = SiteAuthority(tmp_path)
    node, vivid1 = ours.make([Wanted(name="echoworker", hosts=("localhost",)), Wanted(name="VIVID1")], days=30)
    file, port = tmp_path / "site.toml", free_port()
    entries = VIVID1 + ITSELF.format(port=port)
    top = f'data_dir = "{tmp_path}/data"\n[node]\nport = {free_port()}\n'
    file.write_text(top + TLS.format(port=port, node=node, folder=tmp_path) + entries)
    return Site(file, tmp_path, port, vivid1)


@pytest.fixture
def start(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    running: list[Receiver] = []

    def started() -> None:
        monkeypatch.setenv("ECHOWORKER_CONFIG", str(site.file))
        running.append(Receiver(load_settings()))
        running[0].start()

    yield started
    for receiver in running:
        receiver.stop()


@pytest.mark.parametrize(
    "how",
    [
        [],
        ["--tls"],
        ["--to", "localhost:{port}", "--tls"],
        ["--peer", "PACS"],
        ["--calling", "VIVID1", "--certificate", "{folder}/VIVID1.pem", "--private-key", "{folder}/VIVID1.key"],
    ],
    ids=["our-node", "our-node-as-asked", "address", "peer", "as-a-machine"],
)
def test_files_go_by_tls(site: Site, start: Callable[[], None], how: list[str]) -> None:
    start()
    sent = site.send(*(part.format(port=site.tls_port, folder=site.folder) for part in how))
    assert sent.returncode == 0, sent.stderr
    assert "0000" in sent.stdout
    assert site.stored() == 1


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (["--to", "127.0.0.1:{port}", "--tls"], "TLS does not come about: IP address mismatch"),
        (["--calling", "VIVID1"], "echoworker callers --refused says why"),
        (["--plain"], "connection refused"),
        (["--peer", "PACS2"], "--peer PACS2: no [[peers]] entry has this name; there are: VIVID1, no host, PACS"),
        (["--peer", "no host"], "--peer no host: its entry has no host"),
        (["--peer", "PACS", "--tls"], "--peer PACS: its entry says where and how it is called"),
        (["--plain", "--certificate", "a", "--private-key", "b"], "--plain: --certificate is for TLS"),
        (["--certificate", "{folder}/VIVID1.pem"], "--certificate and --private-key belong together"),
    ],
)
def test_what_cannot_be_sent_is_said_with_what_to_do(
    site: Site, start: Callable[[], None], how: list[str], said: str
) -> None:
    start()
    sent = site.send(*(part.format(port=site.tls_port, folder=site.folder) for part in how))
    assert sent.returncode == 1
    *_, line = sent.stderr.splitlines()  # behind what the node logs, which is of this process here
    assert line.startswith("error: ")
    assert said in line
    assert site.stored() == 0


@pytest.mark.parametrize("how", [["--tls"], ["--to", "pacs:104", "--tls"]])
def test_without_a_certificate_there_is_no_tls(tmp_path: Path, how: list[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f'data_dir = "{tmp_path}"\n')
    sent = echoworker("--config", file, "send", *how, SMALL)
    assert sent.returncode == 1
    assert "there is no certificate: [tls] names certificate, private_key and trusted" in sent.stderr
