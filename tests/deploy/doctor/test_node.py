"""The doctor calls our own node on each of its ports, and is no caller to it: neither listed nor in the audit trail."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.errors import AssociationRejectedError
from config.settings import Settings, load_settings
from deploy.doctor.node import node
from deploy.site_authority import Made, SiteAuthority, Wanted
from dicom_node.calling import echo, own_node
from dicom_node.findings import Finding, Level, found_by
from dicom_node.reception import housekeeping
from dicom_node.reception.receiver import Receiver
from dicom_node.reception.reporting import published_calls
from dicom_node.spool import Spool
from tests.support.servers import free_port
from tests.support.waiting import wait_until

Start = Callable[..., Settings]


def signed(folder: Path, name: str = "echoworker") -> Made:
    """By an authority of this folder; for a host by which nobody here calls it."""
    (made,) = SiteAuthority(folder).make([Wanted(name=name, hosts=("echo.hospital",))], days=30)
    return made


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a node that speaks TLS and knows nobody, with these settings beside."""
    running: list[Receiver] = []

    def started(**settings: object) -> Settings:
        monkeypatch.setattr(housekeeping, "SPEAKS_EVERY_S", 0.1)
        ours = signed(tmp_path / "tls")
        environment = {
            "DATA_DIR": tmp_path / "data",
            "NODE__UNKNOWN_PEERS": "refuse",
            "NODE__PORT": free_port(),
            "TLS__PORT": free_port(),
            "TLS__CERTIFICATE": ours.certificate,
            "TLS__PRIVATE_KEY": ours.private_key,
            "TLS__TRUSTED": tmp_path / "tls" / "authority.pem",
        } | settings
        for name, value in environment.items():
            monkeypatch.setenv(f"ECHOWORKER_{name}", str(value))
        receiver = Receiver(load_settings())
        receiver.start()
        running.append(receiver)
        return load_settings()

    yield started
    for receiver in running:
        receiver.stop()


def looked(settings: Settings) -> Finding:
    return found_by("node", node, settings)


def callers(settings: Settings) -> set[tuple[str, str]]:
    """AE title and outcome of all that the node has published so far."""
    published = list(published_calls(Spool(settings.spool_dir)))
    return {(call.ae_title, call.outcome) for calls in published for call in calls.calls}


def alerts(settings: Settings) -> int:
    return sum(file.read_text().count("110113") for file in settings.audit_dir.glob("*.log"))  # Security Alert


@pytest.mark.parametrize("plain_too", [True, False])
def test_a_node_that_knows_nobody_answers_the_doctor_on_each_port_and_lists_it_nowhere(
    start: Start, plain_too: bool
) -> None:
    settings = start(TLS__ACCEPT_WITHOUT_TLS=plain_too)
    found = looked(settings)
    assert found.level is Level.OK, found.said
    by_tls = f"ECHOWORKER at 127.0.0.1:{settings.tls.port} answers C-ECHO by TLS"
    plain = f"ECHOWORKER at 127.0.0.1:{settings.node.port} answers C-ECHO, "
    assert found.said == (plain if plain_too else "") + by_tls
    with pytest.raises(AssociationRejectedError):  # a stranger is listed, and the doctor before it is not
        echo(own_node(settings, calling_ae_title="STRANGER", by_tls=True))
    refused = {("STRANGER", "no peer has this calling AE title")}
    wait_until(lambda: (seen := callers(settings)) and seen == refused, 10, "the stranger, and nobody else")
    assert alerts(settings) == 1


def test_a_node_that_would_refuse_its_own_certificate_is_not_called_with_it(start: Start, tmp_path: Path) -> None:
    """As where the machines have another authority than the node: a call would be listed as a stranger's."""
    signed(tmp_path / "machines", "VIVID1")
    settings = start(TLS__TRUSTED=tmp_path / "machines" / "authority.pem", TLS__ACCEPT_WITHOUT_TLS=False)
    wait_until(lambda: looked(settings).level is Level.OK, 10, "a sign of life")
    assert "TLS: certificate of an authority that is not trusted" in looked(settings).said
    assert callers(settings) == set()
    assert alerts(settings) == 0


def test_where_nothing_runs_the_doctor_says_how_to_start_it(start: Start, tmp_path: Path) -> None:
    settings = start(TLS__ACCEPT_WITHOUT_TLS=False)
    elsewhere = settings.model_copy(update={"tls": settings.tls.model_copy(update={"port": free_port()})})
    found = looked(elsewhere)
    assert found.level is Level.FAULT
    assert "nothing listens there" in found.said
    assert "Start it with echoworker up" in found.said


def test_what_listens_there_and_is_not_our_node_is_a_fault(start: Start, tmp_path: Path) -> None:
    """Also with a certificate of the same authority."""
    settings = start(TLS__ACCEPT_WITHOUT_TLS=False)
    another = signed(tmp_path / "tls", "another")
    files = {"certificate": str(another.certificate), "private_key": str(another.private_key)}
    found = looked(settings.model_copy(update={"tls": settings.tls.model_copy(update=files)}))
    assert found.level is Level.FAULT
    assert "TLS does not come about" in found.said
