"""The `echoworker` command: the one front door to an installation."""

import json
import os
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from config.broker import FORWARD_QUEUE, QUEUES, Step
from config.catalogue import load_catalogue
from config.errors import ConfigurationError, EchoWorkerError
from config.logs import configure_logs
from config.settings import CONFIG_VARIABLE, Settings, load_settings
from db.session import Database
from db.states import StudyState
from deploy import cli_spool
from deploy.cli_conformance import conformance
from deploy.cli_fetch import fetch
from deploy.cli_rules import rules_commands
from deploy.installation import open_registry

app = typer.Typer(
    help="EchoWorker: receives echo studies by C-STORE, scores them with EchoCLIP, returns Structured Reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
database_commands = typer.Typer(help="The registry's schema.", no_args_is_help=True)
app.add_typer(database_commands, name="db", rich_help_panel="Operate")
app.add_typer(cli_spool.commands, name="spool", rich_help_panel="Operate")
app.add_typer(rules_commands, name="rules", rich_help_panel="Operate")

console = Console(width=None if sys.stdout.isatty() else 160)
"""Piped into a file or a ticket, tables keep whole UIDs."""

FORWARDING_THREADS = 8
"""To how many peers one process forwards at once."""

StudyUID = Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID.")]


@app.callback()
def _options(
    config: Annotated[
        Path | None, typer.Option("--config", envvar=CONFIG_VARIABLE, help="Site configuration (TOML).")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="ECHOWORKER_DATA_DIR", help="Data folder: spool, registry, broker."),
    ] = None,
) -> None:
    # Into the environment, so that settings have one way in and the processes that `up` starts share it.
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config.absolute())
    if data is not None:
        os.environ["ECHOWORKER_DATA_DIR"] = str(data.absolute())


@app.command(rich_help_panel="Run")
def up() -> None:
    """Run everything here: node, workers and beat in one process tree. Stops cleanly on SIGTERM or Ctrl-C."""
    from deploy.up import run_all  # noqa: PLC0415  commands load what they need: --help is quick

    run_all(_start("up"))


class NodePart(StrEnum):
    """The two kinds of processes of a node."""

    ALL = "all"
    RECEIVE = "receive"
    INTAKE = "intake"


@app.command(rich_help_panel="Run")
def node(
    part: Annotated[NodePart, typer.Option(help="Only the receiving, or only the registering, in one process.")] = (
        NodePart.ALL
    ),
) -> None:
    """Run the storage SCP alone: receiving processes, and one that registers what they received."""
    from deploy.up import end_with_parent, run_node, stop_on_signals  # noqa: PLC0415

    settings = _start("node" if part is NodePart.ALL else part)
    if part is NodePart.ALL:
        run_node(settings)
        return
    stop = stop_on_signals()
    end_with_parent()
    if part is NodePart.RECEIVE:
        from dicom_node.server import Receiver  # noqa: PLC0415

        receiver = Receiver(settings)
        receiver.start()
        stop.wait()
        receiver.stop()
        return
    from config.broker import create_celery_app  # noqa: PLC0415
    from dicom_node.intake import Intake  # noqa: PLC0415
    from dicom_node.spool import Spool  # noqa: PLC0415

    spool = Spool(settings.spool_dir)
    spool.create()
    Intake(settings, spool, Database(settings.database_url), create_celery_app(settings)).run(stop)


@app.command(rich_help_panel="Run")
def worker(
    queues: Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(QUEUES)}.")] = ",".join(QUEUES),
) -> None:
    """Run one worker process. Start several to work in parallel; the registry keeps them apart."""
    from celery.exceptions import SecurityWarning  # noqa: PLC0415

    from deploy.up import end_with_parent  # noqa: PLC0415
    from worker.app import create_worker_app  # noqa: PLC0415

    # Celery warns of root because of pickled messages; ours are JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    chosen = [queue.strip() for queue in queues.split(",")]
    if unknown := sorted(set(chosen) - set(QUEUES)):
        raise ConfigurationError(f"--queues: no queue {', '.join(unknown)}; there are {', '.join(QUEUES)}")
    settings = _start(f"worker-{chosen[0]}")
    open_registry(settings)
    end_with_parent()
    celery = create_worker_app(settings)
    running = celery.Worker(
        queues=chosen,
        # Threads, so that a peer that hangs does not hold up the others; the registry lets one at a time send to each.
        pool="threads" if chosen == [FORWARD_QUEUE] else "solo",
        concurrency=FORWARDING_THREADS,
        hostname=f"{'-'.join(chosen)}-{os.getpid()}@%h",
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    running.start()
    sys.exit(running.exitcode)


@app.command(rich_help_panel="Run")
def beat() -> None:
    """Run the clock that wakes the reaper. One per installation."""
    from deploy.up import end_with_parent  # noqa: PLC0415
    from worker.app import create_worker_app  # noqa: PLC0415

    settings = _start("beat")
    end_with_parent()
    create_worker_app(settings).Beat(loglevel="WARNING", quiet=True, max_interval=5).run()


@app.command(rich_help_panel="Run")
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data; emptied at each run.")] = Path(
        "demo-data"
    ),
) -> None:
    """Send a real ultrasound clip through the whole system into a small PACS, and show what comes back."""
    from deploy.demo import run_demo  # noqa: PLC0415

    run_demo(folder.absolute(), console)


@app.command(rich_help_panel="Work with studies")
def send(
    files: Annotated[list[Path], typer.Argument(help="DICOM files.", exists=True, dir_okay=False)],
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="By default, this installation's node.")] = "",
    called: Annotated[str, typer.Option(help="Called AE title. By default, this installation's.")] = "",
    calling: Annotated[str, typer.Option(help="Calling AE title.")] = "ECHOSEND",
) -> None:
    """Send DICOM files by C-STORE; fails unless every one is accepted."""
    from dicom_node.calling import Peer  # noqa: PLC0415
    from dicom_node.send import send_files  # noqa: PLC0415

    settings = _start("send")
    host, port = _address(to) if to else (settings.node.host, settings.node.port)
    peer = Peer(host=host, port=port, ae_title=called or settings.node.ae_title, calling_ae_title=calling)
    refused = 0
    for answer in send_files(files, peer):
        console.print(
            f"{answer.path}: {answer} {answer.comment}".rstrip(),
            style="green" if answer.accepted else "red",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
        refused += not answer.accepted
    if refused:
        raise EchoWorkerError(f"{refused} of {len(files)} files were not accepted")


@app.command(rich_help_panel="Work with studies")
def studies(
    state: Annotated[StudyState | None, typer.Option(case_sensitive=False, help="Only studies in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """List studies, the newest first."""
    from db.queries import list_studies  # noqa: PLC0415
    from deploy.tables import studies_table  # noqa: PLC0415

    with open_registry(_start("studies")).read() as session:
        console.print(studies_table(list_studies(session, limit=limit, state=state)))


@app.command(rich_help_panel="Work with studies")
def study(uid: StudyUID, as_json: Annotated[bool, typer.Option("--json", help="The results as JSON.")] = False) -> None:
    """Show one study: its state, results with provenance, clips, deliveries and history."""
    from dataclasses import asdict  # noqa: PLC0415

    from db.queries import study_detail  # noqa: PLC0415
    from deploy.tables import study_view  # noqa: PLC0415

    settings = _start("study")
    catalogue = load_catalogue(settings.catalogue_path)
    with open_registry(settings).read() as session:
        detail = study_detail(session, uid)
        if as_json:
            run = asdict(detail.run) if detail.run else None
            facts = {
                "study_instance_uid": uid,
                "state": detail.study.state,
                "reason": detail.study.reason,
                "run": run,
            }
            typer.echo(json.dumps(facts, default=str, indent=1))
        else:
            console.print(study_view(detail, catalogue))


@app.command(rich_help_panel="Work with studies")
def requeue(
    uid: StudyUID,
    step: Annotated[Step | None, typer.Option(help="The step to repeat; by default the one that failed.")] = None,
) -> None:
    """Give a study that failed, was skipped or waits another chance, with fresh attempts."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from db.studies import requeue as requeue_study  # noqa: PLC0415

    settings = _start("requeue")
    with open_registry(settings).write() as session:
        due = requeue_study(session, uid, now=datetime.now(UTC), step=step)
    console.print(f"study {uid}: {due} is due; the reaper announces it within {settings.pipeline.reap_every_s:g} s")


app.command(rich_help_panel="Work with studies")(fetch)


@app.command(rich_help_panel="Operate")
def doctor() -> None:
    """Check this installation; each line that is not ok says what to do."""
    from deploy.doctor import examine  # noqa: PLC0415

    settings = _start("doctor")
    faults = 0
    for finding in examine(settings):
        style, word = ("green", "ok   ") if finding.ok else ("bold red", "FAULT")
        said = escape(f"{finding.subject}: {finding.said}")
        console.print(f"[{style}]{word}[/] {said}", highlight=False, soft_wrap=True)
        faults += not finding.ok
    if faults:
        raise EchoWorkerError(f"{faults} of these need attention")


app.command(rich_help_panel="Operate")(conformance)


@database_commands.command("upgrade")
def database_upgrade() -> None:
    """Bring the registry's schema to what this version needs."""
    registry = Database(_start("db").database_url)
    registry.upgrade()
    console.print(f"registry schema: {registry.schema_revisions()[0]}")


def main() -> None:
    """Run the command line; an error is one line and status 1."""
    try:
        app()
    except EchoWorkerError as error:
        _end_with(str(error))
    except SQLAlchemyError as error:
        _end_with(f"the registry cannot be used ({type(error).__name__}): check database.url and that its server runs")
    except OSError as error:
        _end_with(f"{error.filename or 'operating system'}: {error.strerror or type(error).__name__}")


def _end_with(message: str) -> NoReturn:
    Console(stderr=True).print("[bold red]error:[/]", escape(message), highlight=False, soft_wrap=True)
    sys.exit(1)


def _start(process: str) -> Settings:
    configure_logs(process=process)
    return load_settings()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigurationError(f"--to {text}: give HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    main()
