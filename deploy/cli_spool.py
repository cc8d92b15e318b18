"""`echoworker spool`: the spool beside the registry."""

from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import EchoWorkerError
from deploy.cli_shared import open_registry, start

if TYPE_CHECKING:
    from db.session import Database
    from dicom_node.spool import Spool

spool_commands = typer.Typer(help="The spool, and whether the registry knows what lies there.", no_args_is_help=True)


@spool_commands.command()
def check(
    verify: Annotated[bool, typer.Option("--verify", help="Also read every file and check its SHA-256.")] = False,
) -> None:
    """Compare spool and registry; fails when they differ, and says what to do."""
    from dicom_node.reconcile import compare  # noqa: PLC0415

    spool, registry = _opened()
    differences = 0
    for difference in compare(spool, registry, verify=verify):
        typer.echo(f"{difference.path}: {difference.said}")
        differences += 1
    if differences:
        raise EchoWorkerError(f"{differences} differences between spool and registry")
    typer.echo("spool and registry agree")


@spool_commands.command()
def rebuild() -> None:
    """Register every instance of the spool that the registry does not have; an empty registry is made anew."""
    from dicom_node.reconcile import rebuild as rebuild_registry  # noqa: PLC0415

    spool, registry = _opened()
    count = rebuild_registry(spool, registry)
    typer.echo(f"{count} instances wait to be registered; the running node does it within seconds")


def _opened() -> "tuple[Spool, Database]":
    from dicom_node.spool import Spool  # noqa: PLC0415

    settings = start("spool")
    registry = open_registry(settings)
    spool = Spool(settings.spool_dir, minimum_free_bytes=settings.node.minimum_free_bytes)
    spool.create()
    return spool, registry
