"""`echoworker send`: files by C-STORE to our own node, to a peer of the settings, or to any address; by TLS as well."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from config.errors import AssociationRejectedError, ConfigurationError, DeliveryError, EchoWorkerError
from config.sections.peers import AETitle, TLSSettings
from config.settings import Settings
from deploy.cli.shared import console, start

if TYPE_CHECKING:
    from dicom_node.calling import Peer

ECHOSEND = "ECHOSEND"


def send(
    files: Annotated[list[Path], typer.Argument(help="DICOM files.", exists=True, dir_okay=False)],
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="By default, this installation's node.")] = "",
    to_peer: Annotated[
        str, typer.Option("--peer", metavar="NAME", help="To this [[peers]] entry, called as it says, by TLS too.")
    ] = "",
    called: Annotated[str, typer.Option(help="Called AE title. By default, this installation's.")] = "",
    calling: Annotated[
        str, typer.Option(help=f"Calling AE title. By default {ECHOSEND}, and to a peer this installation's.")
    ] = "",
    tls: Annotated[
        bool | None,
        typer.Option(
            "--tls/--plain", help="By TLS, or not. By default our node by TLS where [tls] is set, --to in plain."
        ),
    ] = None,
    certificate: Annotated[
        str, typer.Option(metavar="FILE", help="Shown in place of tls.certificate, as of a machine that is tried.")
    ] = "",
    private_key: Annotated[str, typer.Option(metavar="FILE", help="Of that certificate.")] = "",
) -> None:
    """Send DICOM files by C-STORE; fails unless every one is accepted."""
    from dicom_node.send import send_files  # noqa: PLC0415  commands load what they need: --help is quick

    settings = start("send")
    if certificate and tls is False:
        raise ConfigurationError("--plain: --certificate is for TLS")
    shown = _shown(settings.tls, certificate, private_key)
    if to_peer:
        if to or called or tls is not None or certificate:
            raise ConfigurationError(f"--peer {to_peer}: its entry says where and how it is called; name files alone")
        peer = _configured(settings, to_peer, calling)
    elif to:
        peer = _at(to, settings, called, calling, shown if tls or certificate else None)
    else:
        peer = _own_node(settings, called, calling, shown, by_tls=settings.tls.enabled if tls is None else tls)
    refused = 0
    try:
        for answer in send_files(files, peer):
            with_a_warning = answer.accepted and answer.status != 0x0000
            console.print(
                f"{answer.path}: {answer} {answer.comment}".rstrip(),
                style="bold yellow" if with_a_warning else "green" if answer.accepted else "red",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
            refused += not answer.accepted
    except AssociationRejectedError as error:
        if to or to_peer:
            raise
        raise DeliveryError(
            f"{error}: echoworker callers --refused says why; --calling names a sender that it knows"
        ) from error
    if refused:
        raise EchoWorkerError(f"{refused} of {len(files)} files were not accepted")


def _configured(settings: Settings, name: str, calling: str) -> "Peer":
    from dicom_node.calling import called_peer  # noqa: PLC0415

    entry = next((peer for peer in settings.peers if peer.name == name), None)
    if entry is None:
        known = ", ".join(peer.name for peer in settings.peers) or "none"
        raise ConfigurationError(f"--peer {name}: no [[peers]] entry has this name; there are: {known}")
    if not entry.host:
        raise ConfigurationError(f"--peer {name}: its entry has no host; give host and port there, or --to HOST:PORT")
    peer = called_peer(settings, entry)
    return replace(peer, calling_ae_title=_ae_title("--calling", calling)) if calling else peer


def _at(to: str, settings: Settings, called: str, calling: str, shown: TLSSettings | None) -> "Peer":
    from dicom_node.calling import Peer  # noqa: PLC0415
    from dicom_node.tls import calling_context  # noqa: PLC0415

    host, port = _address(to)
    if shown is not None:
        _require_certificate(settings.tls, "--tls")
    return Peer(
        host=host,
        port=port,
        ae_title=_ae_title("--called", called or settings.node.ae_title),
        calling_ae_title=_ae_title("--calling", calling or ECHOSEND),
        tls=calling_context(shown) if shown is not None else None,
    )


def _own_node(settings: Settings, called: str, calling: str, shown: TLSSettings, *, by_tls: bool) -> "Peer":
    from dicom_node.calling import own_node  # noqa: PLC0415

    if by_tls:
        _require_certificate(settings.tls, "--tls")
    calling = _ae_title("--calling", calling or ECHOSEND)
    peer = own_node(settings, calling_ae_title=calling, by_tls=by_tls, shown=shown)
    return replace(peer, ae_title=_ae_title("--called", called)) if called else peer


def _shown(tls: TLSSettings, certificate: str, private_key: str) -> TLSSettings:
    if bool(certificate) != bool(private_key):
        raise ConfigurationError("--certificate and --private-key belong together")
    return tls.model_copy(update={"certificate": certificate, "private_key": private_key}) if certificate else tls


def _require_certificate(tls: TLSSettings, why: str) -> None:
    if not tls.enabled:
        raise ConfigurationError(
            f"{why}, and there is no certificate: [tls] names certificate, private_key and trusted "
            "(echoworker certificates make)"
        )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(f"--to {text}: give HOST:PORT")
    if not 1 <= int(port) <= 65535:
        raise ConfigurationError(f"--to {text}: a port is a number from 1 to 65535")
    return host, int(port)


def _ae_title(option: str, text: str) -> str:
    try:
        title = TypeAdapter(AETitle).validate_python(text).strip()
    except ValidationError:
        title = ""
    if not title:
        raise ConfigurationError(f"{option} {text}: an AE title has 1 to 16 characters of ASCII, and no backslash")
    return title
