"""`echoworker spool`: the spool beside the registry."""

from typing import Annotated

import typer

from config.errors import EchoWorkerError

commands = typer.Typer(help="The spool: what lies there, and whether the registry knows it.", no_args_is_help=True)


@commands.command()
def check(
    verify: Annotated[bool, typer.Option("--verify", help="Also read every file and check its SHA-256.")] = False,
) -> None:
    """Compare spool and registry; fails when they differ, and says what to do."""
    from deploy.installation import open_installation  # noqa: PLC0415
    from dicom_node.reconcile import compare  # noqa: PLC0415

    spool, registry = open_installation()
    differences = 0
    for difference in compare(spool, registry, verify=verify):
        typer.echo(f"{difference.path}: {difference.said}")
        differences += 1
    if differences:
        raise EchoWorkerError(f"{differences} differences between spool and registry")
    typer.echo("spool and registry agree")


@commands.command()
def rebuild() -> None:
    """Register every instance of the spool that the registry does not have; an empty registry is made anew."""
    from deploy.installation import open_installation  # noqa: PLC0415
    from dicom_node.reconcile import rebuild as rebuild_registry  # noqa: PLC0415

    spool, registry = open_installation()
    count = rebuild_registry(spool, registry)
    typer.echo(f"{count} instances wait to be registered; the running node does it within seconds")
