"""`echoworker spool`: the spool beside the registry."""

from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import EchoWorkerError
from deploy.cli.shared import open_registry, require_installation, start

if TYPE_CHECKING:
    from config.settings import Settings
    from dicom_node.spool import Spool

spool_commands = typer.Typer(help="The spool, and whether the registry knows what lies there.", no_args_is_help=True)


@spool_commands.command()
def check(
    verify: Annotated[bool, typer.Option("--verify", help="Also read every file and check its SHA-256.")] = False,
) -> None:
    """Compare spool and registry; fails when they differ, and says what to do."""
    from dicom_node.spool_check import compare  # noqa: PLC0415

    settings = start("spool")
    registry = open_registry(settings)
    spool = _spool(settings)
    differences = 0
    for difference in compare(spool, registry, verify=verify):
        typer.echo(f"{difference.path}: {difference.said}")
        differences += 1
    if differences:
        raise EchoWorkerError(f"{differences} differences between spool and registry")
    waiting = spool.count_waiting()
    typer.echo("spool and registry agree" + (f"; {waiting} instances wait to be registered" if waiting else ""))


@spool_commands.command()
def rebuild() -> None:
    """Register every instance and report of the spool that the registry does not have; an empty one is made anew."""
    from db.session import Database  # noqa: PLC0415
    from dicom_node.spool_check import rebuild as rebuild_registry  # noqa: PLC0415
    from worker.consistency.arriving.kept_reports import wait_again  # noqa: PLC0415

    settings = start("spool")
    require_installation(settings)
    registry = Database.of(settings)
    if not registry.is_there or registry.schema_revisions()[0] is None:
        registry.upgrade()
    spool = _spool(settings)
    count = rebuild_registry(spool, open_registry(settings))
    waiting = spool.count_waiting()
    typer.echo(f"{count} found; {waiting} instances wait to be registered: the running node does it within seconds")
    if reports := wait_again(spool):
        typer.echo(f"{reports} files of reports wait to be registered: the running worker of maintenance does it")


def _spool(settings: "Settings") -> "Spool":
    from dicom_node.spool import Spool  # noqa: PLC0415

    spool = Spool.of(settings)
    spool.create()
    return spool
