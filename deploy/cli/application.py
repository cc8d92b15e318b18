"""The `echoworker` command: the one front door to an installation."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from config.errors import EchoWorkerError
from config.settings import CONFIG_VARIABLE
from deploy.cli.accounts import accounts_commands
from deploy.cli.backup import backup, restore
from deploy.cli.calibrate import calibrate_commands, probe_commands
from deploy.cli.canary import canary
from deploy.cli.certificates import certificates_commands
from deploy.cli.check import check
from deploy.cli.clip import clip
from deploy.cli.conformance import conformance
from deploy.cli.deliveries import deliveries_commands
from deploy.cli.devices import devices_commands
from deploy.cli.discordances import discordances_commands
from deploy.cli.drift import drift
from deploy.cli.explain import explain
from deploy.cli.fetch import fetch
from deploy.cli.licences import licences
from deploy.cli.operate import callers, database_commands, doctor, quarantine
from deploy.cli.packs import packs_commands
from deploy.cli.phantom import phantom
from deploy.cli.queues import queues_commands
from deploy.cli.reconcile import reconcile
from deploy.cli.reports import reports_commands
from deploy.cli.rescore import rescore_commands
from deploy.cli.retention import retention_commands
from deploy.cli.retrieval import rank, same_patient, search, similar
from deploy.cli.rules import rules_commands
from deploy.cli.run import beat, dashboard, demo, node, up, worker
from deploy.cli.send import send
from deploy.cli.settings import settings_commands
from deploy.cli.size import size
from deploy.cli.spool import spool_commands
from deploy.cli.sr import sr_commands
from deploy.cli.studies import close, requeue, studies, study
from deploy.cli.tasks import tasks_commands
from deploy.data_folder import PRIVATE

app = typer.Typer(
    help="EchoWorker: receives echo studies by C-STORE, scores them with EchoCLIP, returns Structured Reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (up, demo, phantom, node, worker, beat, dashboard),
    "Work with studies": (send, fetch, studies, study, requeue, close, clip, explain, check),
    "Search": (search, similar, same_patient, rank),
    "Operate": (
        doctor,
        canary,
        callers,
        quarantine,
        reconcile,
        drift,
        backup,
        restore,
        size,
        conformance,
        licences,
    ),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(name=command.__name__.replace("_", "-"), rich_help_panel=panel)(command)
app.add_typer(packs_commands, name="packs", rich_help_panel="Model")
app.add_typer(tasks_commands, name="tasks", rich_help_panel="Model")
app.add_typer(calibrate_commands, name="calibrate", rich_help_panel="Model")
app.add_typer(probe_commands, name="probe", rich_help_panel="Model")
app.add_typer(accounts_commands, name="accounts", rich_help_panel="Operate")
app.add_typer(queues_commands, name="queues", rich_help_panel="Operate")
app.add_typer(devices_commands, name="devices", rich_help_panel="Operate")
app.add_typer(deliveries_commands, name="deliveries", rich_help_panel="Operate")
app.add_typer(reports_commands, name="reports", rich_help_panel="Work with studies")
app.add_typer(rescore_commands, name="rescore", rich_help_panel="Model")
app.add_typer(discordances_commands, name="discordances", rich_help_panel="Work with studies")
app.add_typer(certificates_commands, name="certificates", rich_help_panel="Operate")
app.add_typer(database_commands, name="db", rich_help_panel="Operate")
app.add_typer(retention_commands, name="retention", rich_help_panel="Operate")
app.add_typer(settings_commands, name="settings", rich_help_panel="Operate")
app.add_typer(spool_commands, name="spool", rich_help_panel="Operate")
app.add_typer(rules_commands, name="rules", rich_help_panel="Operate")
app.add_typer(sr_commands, name="sr", rich_help_panel="Operate")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"EchoWorker {version_of('echoworker')}")
        raise typer.Exit


@app.callback()
def _options(
    config: Annotated[
        Path | None, typer.Option("--config", envvar=CONFIG_VARIABLE, help="Site configuration (TOML).")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="ECHOWORKER_DATA_DIR", help="Data folder: spool, registry, broker."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    # Into the environment, so that settings have one way in and the processes that `up` starts share it.
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config.absolute())
    if data is not None:
        os.environ["ECHOWORKER_DATA_DIR"] = str(data.absolute())


def main() -> None:
    """Run the command line; an error is one line and status 1."""
    os.umask(PRIVATE)
    try:
        app()
    except EchoWorkerError as error:
        _end_with(str(error))
    except OSError as error:
        _end_with(f"{error.filename or 'operating system'}: {error.strerror or type(error).__name__}")
    except Exception as error:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  a receiver never loads it

        if not isinstance(error, SQLAlchemyError):
            raise
        _end_with(f"the registry cannot be used ({type(error).__name__}): check database.url and that its server runs")


def _end_with(message: str) -> NoReturn:
    Console(stderr=True).print("[bold red]error:[/]", escape(message), highlight=False, soft_wrap=True)
    sys.exit(1)
