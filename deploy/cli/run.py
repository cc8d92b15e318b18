"""`echoworker up`, `node`, `worker`, `beat`, `demo`: the commands that run until they are stopped."""

import gc
import os
import sys
import threading
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from config.errors import ConfigurationError
from config.logs import Event, emit
from config.settings import Settings
from config.steps import PEER_QUEUES, QUEUES, RESCORE_QUEUE
from deploy.cli.shared import console, open_registry, start
from deploy.processes.stopping import end_with_parent, stop_on_signals

NICENESS_OF_INTAKE = 10
"""Registering waits where the processor has instances to receive: it catches up as soon as they are in."""
NICENESS_OF_RESCORING = 15
"""What is answered anew has waited for years."""
SENDING_THREADS = 8
"""To how many peers one process that does nothing else sends at once."""


def up() -> None:
    """Run everything here: node, workers and beat in one process tree. Stops cleanly on SIGTERM or Ctrl-C."""
    stop = stop_on_signals()
    end_with_parent()
    from deploy.processes.up import run_all  # noqa: PLC0415  commands load what they need: --help is quick

    run_all(start("up"), stop)


class NodePart(StrEnum):
    """The kinds of processes of a node."""

    ALL = "all"
    RECEIVE = "receive"
    INTAKE = "intake"
    REPORTS = "reports"
    MONITORING = "monitoring"


def node(
    part: Annotated[
        NodePart,
        typer.Option(
            help="Only one of its processes: that receives, registers, takes reports (HL7, folder), or watches."
        ),
    ] = (NodePart.ALL),
) -> None:
    """Run the storage SCP alone: receiving processes, one that registers what they received, one for reports."""
    stop = stop_on_signals()
    end_with_parent()
    settings = start("node" if part is NodePart.ALL else part)
    if part is NodePart.ALL:
        from deploy.processes.up import run_node  # noqa: PLC0415

        run_node(settings, stop)
        return
    if part is NodePart.RECEIVE:
        from dicom_node.reception.receiver import Receiver  # noqa: PLC0415

        receiver = Receiver(settings)
        receiver.start()
        stop.wait()
        receiver.stop()
        return
    if part is NodePart.REPORTS:
        _receive_reports(settings, stop)
        return
    if part is NodePart.MONITORING:
        _watch(settings, stop)
        return
    from config.broker import create_celery_app  # noqa: PLC0415
    from db.session import Database  # noqa: PLC0415
    from dicom_node.intake import Intake  # noqa: PLC0415
    from dicom_node.local_copies import sweep_while_running  # noqa: PLC0415
    from dicom_node.spool import Spool  # noqa: PLC0415

    os.nice(NICENESS_OF_INTAKE)
    sweep_while_running(settings, stop)
    spool = Spool.of(settings)
    spool.create()
    Intake(settings, spool, Database.of(settings), create_celery_app(settings)).run(stop)


def _receive_reports(settings: Settings, stop: threading.Event) -> None:
    from dicom_node.spool import Spool  # noqa: PLC0415
    from worker.consistency.arriving.receiving import ReportReceiver  # noqa: PLC0415

    spool = Spool.of(settings)
    spool.create()
    ReportReceiver(settings, spool).run(stop)


def _watch(settings: Settings, stop: threading.Event) -> None:
    from db.session import Database  # noqa: PLC0415
    from deploy.monitoring.alerts import Alerts  # noqa: PLC0415
    from deploy.monitoring.server import MonitoringServer  # noqa: PLC0415

    server = MonitoringServer(settings) if settings.monitoring.port else None
    if server is not None:
        server.start()
        emit(Event.MONITORING_LISTENING, host=settings.monitoring.host, port=server.port)
    if settings.alerts:
        Alerts(settings, Database.of(settings)).run(stop)
    stop.wait()
    if server is not None:
        server.stop()


def dashboard() -> None:
    """Serve the web page and its API alone; `up` does so as well."""
    stop = stop_on_signals()
    end_with_parent()
    from dashboard.server import DashboardServer  # noqa: PLC0415
    from dicom_node.local_copies import sweep_while_running  # noqa: PLC0415

    settings = start("dashboard")
    if not settings.dashboard.port:
        raise ConfigurationError("dashboard.port is 0: give the port that it is to listen on")
    open_registry(settings).close()
    sweep_while_running(settings, stop)
    server = DashboardServer(settings)
    if server.first_password is not None:
        emit(Event.DASHBOARD_ACCOUNT_MADE, path=str(server.first_password))
    server.start()
    emit(Event.DASHBOARD_LISTENING, host=settings.dashboard.host, port=server.port)
    stop.wait()
    server.stop()


class WorkerPart(StrEnum):
    """The processes of a worker."""

    ALL = "all"
    WORK = "work"


def worker(
    queues: Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(QUEUES)}.")] = ",".join(QUEUES),
    part: Annotated[
        WorkerPart, typer.Option(help="Only the process that works, without the one that looks after it.")
    ] = WorkerPart.ALL,
) -> None:
    """Run one worker. Start several to work in parallel; the registry keeps them apart."""
    chosen = [queue.strip() for queue in queues.split(",")]
    if unknown := sorted(set(chosen) - set(QUEUES)):
        raise ConfigurationError(f"--queues: no queue {', '.join(unknown)}; there are {', '.join(QUEUES)}")
    if part is WorkerPart.WORK:
        _work(chosen)
    stop = stop_on_signals()
    end_with_parent()
    from deploy.processes.up import run_worker  # noqa: PLC0415

    settings = start(f"worker-{chosen[0]}")
    open_registry(settings).close()  # what is wrong is said once, before a process is started over and over
    sys.exit(run_worker(settings, chosen, stop))


def _work(chosen: list[str]) -> NoReturn:
    """Be the process that works on these queues."""
    from celery.exceptions import SecurityWarning  # noqa: PLC0415

    from deploy.processes.deaths import write_crashes  # noqa: PLC0415
    from dicom_node.local_copies import sweep_while_running  # noqa: PLC0415
    from worker.app import create_worker_app  # noqa: PLC0415
    from worker.watch import Watch  # noqa: PLC0415

    # Celery warns of root because of pickled messages; ours are JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    if chosen == [RESCORE_QUEUE]:
        os.nice(NICENESS_OF_RESCORING)
        # Before torch is loaded: its threads would wait for each other by spinning, on processors that others need.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    settings = start(f"worker-{chosen[0]}")
    registry = open_registry(settings)
    registry.require_identities()
    registry.close()
    end_with_parent()
    sweep_while_running(settings, threading.Event())
    crashes = write_crashes(settings)
    celery = create_worker_app(settings, Watch(crashes))
    running = celery.Worker(
        queues=chosen,
        # Threads, so that a peer that hangs does not hold up the others; the registry lets one at a time send to each.
        pool="threads" if set(chosen) <= set(PEER_QUEUES.values()) else "solo",
        concurrency=SENDING_THREADS,
        hostname=f"{'-'.join(chosen)}-{os.getpid()}@%h",
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    running.start()
    gc.freeze()  # collecting torch's modules at the end of Python takes 0.8 s, of each worker: they go with the process
    Path(crashes.name).unlink(missing_ok=True)
    sys.exit(running.exitcode)


def beat() -> None:
    """Run the clock that wakes the reaper. One per installation."""
    from config.broker import create_celery_app  # noqa: PLC0415

    settings = start("beat")
    end_with_parent()
    create_celery_app(settings).Beat(loglevel="WARNING", quiet=True, max_interval=5).run()


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data; emptied at each run.")] = Path(
        "demo-data"
    ),
) -> None:
    """Send synthetic echo studies through the whole system into a small PACS, and show what comes back."""
    from deploy.demo.running import run_demo  # noqa: PLC0415

    run_demo(folder.absolute(), console)
