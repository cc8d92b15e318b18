"""The embedded default: node, workers and beat as one process tree, started and stopped together."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from config.broker import MAINTENANCE_QUEUE, Step
from config.logs import Event, emit
from config.settings import Settings
from db.session import Database

PARENT_VARIABLE = "ECHOWORKER_PARENT_PID"
"""Tells a child whose child it is, so that it ends when that process is killed."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "node": ("node",),
    "worker-prepare": ("worker", "--queues", Step.PREPARE),
    "worker-score": ("worker", "--queues", Step.SCORE),
    "worker-report": ("worker", "--queues", f"{Step.REPORT},{Step.DELIVER},{MAINTENANCE_QUEUE}"),
    "beat": ("beat",),
}
"""Every process of the tree. Delivery shares its process with reporting: neither needs the model."""

RESTART_AFTER_S = 2.0


@dataclass
class Child:
    """One process of the tree."""

    name: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start it; its standard error is ours, where it logs."""
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONSAFEPATH": "1"}
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "deploy.cli", *self.command], env=environment
        )
        emit(Event.PROCESS_STARTED, process_name=self.name, pid=self.process.pid)

    def stop(self, *, within_s: float) -> None:
        """Ask it to finish what it does, wait, and end it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_all(settings: Settings) -> None:
    """Run the tree until SIGTERM or SIGINT; a child that dies is started again.

    Raises
    ------
    RegistryError
        The registry cannot be brought to this software's schema.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    Database(settings.database_url).upgrade()
    stop = stop_on_signals()
    children = [Child(name, command) for name, command in COMMANDS.items()]
    for child in children:
        child.start()
    while not stop.wait(RESTART_AFTER_S):
        for child in children:
            if child.process.poll() is not None:
                emit(Event.PROCESS_ENDED, process_name=child.name, count=child.process.returncode)
                child.start()
    emit(Event.SHUTTING_DOWN)
    # The node first: it refuses new associations while the workers still take what it has received.
    for child in children:
        child.stop(within_s=settings.node.drain_timeout_s + 10)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def end_with_parent() -> None:
    """In a child of `run_all`: end when that process is gone, however it went."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
