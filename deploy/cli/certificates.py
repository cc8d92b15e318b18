"""`echoworker certificates`: TLS for a site that has no certificate authority."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import ConfigurationError
from deploy.cli.shared import start

if TYPE_CHECKING:
    from deploy.site_authority import Made, SiteAuthority, Wanted

certificates_commands = typer.Typer(help="TLS, for a site that has no certificate authority.", no_args_is_help=True)

NODE = "echoworker"


@certificates_commands.callback()
def _certificates() -> None:
    """One command so far: with a callback it keeps its name."""


@certificates_commands.command()
def make(
    folder: Annotated[Path, typer.Argument(help="Where authority, certificates and keys are to lie.")],
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="A name or address by which peers call the node; may be repeated."),
    ] = None,
    client: Annotated[
        list[str] | None,
        typer.Option(
            "--client",
            metavar="NAME[=HOST]",
            help="A DICOM machine that calls us, by its AE title; with the host where we call it. May be repeated.",
        ),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(
            "--server",
            metavar="NAME=HOST[,HOST...]",
            help="What is no DICOM machine: PostgreSQL, Redis, a web server; by what it is called. May be repeated.",
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long they are valid.")] = 825,
) -> None:
    """Make an authority, a certificate for the node, and one for each machine and server; overwrites nothing.

    Prints what the site file is to say of each. Where the folder has an authority already, it signs: so machines are
    added later, with --client or --server alone.
    """
    from deploy.site_authority import SiteAuthority, Wanted  # noqa: PLC0415

    settings = start("certificates", by_anybody=True)
    clients = [_client(said) for said in client or []]
    servers = [_server(said) for said in server or []]
    wanted = [*([Wanted(name=NODE, hosts=tuple(host))] if host else []), *clients, *servers]
    if not wanted:
        raise ConfigurationError(
            "nothing to make: give --host for the node, --client for a DICOM machine, --server for any other server"
        )
    for option, others in (("--client", clients), ("--server", servers)):
        if any(each.name == NODE for each in others):
            raise ConfigurationError(f"{option} {NODE}: that is the node's own name")
    authority = SiteAuthority(folder.absolute())
    is_new = not authority.is_there
    made = authority.make(wanted, days=days)
    node_port, ae_title = settings.tls.port, settings.node.ae_title
    _say_what_to_do(authority, wanted, made, servers, is_new=is_new, port=node_port, ae_title=ae_title)


def _server(said: str) -> "Wanted":
    from deploy.site_authority import Wanted  # noqa: PLC0415

    name, _, hosts = said.partition("=")
    if not hosts:
        raise ConfigurationError(f"--server {said}: give NAME=HOST, with the host by which it is called")
    return Wanted(name=name, hosts=tuple(hosts.split(",")))


def _client(said: str) -> "Wanted":
    from deploy.site_authority import Wanted  # noqa: PLC0415

    name, _, host = said.partition("=")
    return Wanted(name=name, hosts=(host,) if host else ())


def _say_what_to_do(
    authority: "SiteAuthority",
    wanted: list["Wanted"],
    made: list["Made"],
    servers: list["Wanted"],
    *,
    is_new: bool,
    port: int,
    ae_title: str,
) -> None:
    host_of_node = next((each.hosts[0] for each in wanted if each.name == NODE), "HOST-OF-THE-NODE")
    if is_new:
        typer.echo(
            f"# A new authority. Its key, {authority.files.private_key}, signs whoever may call: keep it offline."
        )
    for each, files in zip(wanted, made, strict=True):
        if each.name == NODE:
            typer.echo(_NODE.format(files=files, trusted=authority.files.certificate, port=port))
        elif each in servers:
            typer.echo(_SERVER.format(host=each.hosts[0], files=files, trusted=authority.files.certificate))
        else:
            called = f'host = "{each.hosts[0]}"\nport = {port}\n' if each.hosts else ""
            typer.echo(_PEER.format(name=each.name, called=called, files=files))
            typer.echo(f"# echoscu +tls {files.private_key.name} {files.certificate.name} +cf authority.pem \\")
            typer.echo(f"#     -aet {each.name} -aec {ae_title} {host_of_node} {port}")


_NODE = """
# For the site file; the key is to be readable for the user alone that runs EchoWorker.
[tls]
port = {port}
certificate = "{files.certificate}"
private_key = "{files.private_key}"
trusted = "{trusted}"
"""
_PEER = """
# For the site file, of a DICOM machine. {files.certificate.name}, {files.private_key.name} and authority.pem go to it,
# where they are tried with DCMTK as below. Where we call it: also "destination", "archive" or "forward".
[[peers]]
name = "{name}"
ae_title = "{name}"
roles = ["sender"]
{called}tls = true
certificate_common_name = "{name}"
"""
_SERVER = """
# {files.certificate.name}, {files.private_key.name} and authority.pem go to the server {host}.
# The site file, by what it is:
# PostgreSQL      [database]  url = "postgresql+psycopg://USER@{host}/DATABASE?sslmode=verify-full&sslrootcert={trusted}"
# Redis           [broker]    url = "rediss://USER@{host}:6379/0"
#                             trusted = "{trusted}"
# DICOMweb, FHIR, HL7         trusted = "{trusted}"    in its [[dicomweb]] or [[messages]]
# our dashboard   [dashboard] certificate = "{files.certificate}"
#                             private_key = "{files.private_key}"
"""
