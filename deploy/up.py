"""The embedded default: node, workers and beat as one process tree, started and stopped together."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from config.broker import MAINTENANCE_QUEUE, Step
from config.errors import ConfigurationError
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

LOOK_EVERY_S = 2.0
SETTLED_AFTER_S = 15.0
"""A process that gives up within this time of the first start was never able to work: the whole start has failed."""
STEP_MAY_TAKE_S = 60.0
"""How long a worker may go on with the step that it is in when the system stops."""


@dataclass
class Child:
    """One process of the tree."""

    name: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(init=False)
    started_at: float = field(init=False)

    def start(self) -> None:
        """Start it; its standard error is ours, where it logs."""
        self.started_at = time.monotonic()
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONSAFEPATH": "1"}
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "deploy.cli", *self.command],
            env=environment,
            stdout=subprocess.DEVNULL,  # Celery prints there how it shuts down
        )
        emit(Event.PROCESS_STARTED, process_name=self.name, pid=self.process.pid)

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process.poll() is not None

    @property
    def gave_up_at_once(self) -> bool:
        """Whether it ended soon, and by itself: a signal (a negative return code) has other reasons."""
        return self.ended and self.process.returncode > 0 and time.monotonic() - self.started_at < SETTLED_AFTER_S

    def ask_to_stop(self) -> None:
        """Ask it to finish what it does and end."""
        if not self.ended:
            self.process.terminate()

    def wait_stopped(self, *, within_s: float) -> None:
        """Wait until it has ended, and end it when it does not: its lease runs out and its step is taken up again."""
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
    ConfigurationError
        One of the processes could not start; it has said why.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    Database(settings.database_url).upgrade()
    stop = stop_on_signals()
    children = [Child(name, command) for name, command in COMMANDS.items()]
    for child in children:
        child.start()
    try:
        _watch(children, stop)
    finally:
        emit(Event.SHUTTING_DOWN)
        _stop(children, settings)


def _watch(children: Sequence[Child], stop: threading.Event) -> None:
    started_at = time.monotonic()
    while not stop.wait(LOOK_EVERY_S):
        settled = time.monotonic() - started_at > SETTLED_AFTER_S
        for child in children:
            if child.gave_up_at_once and not settled:
                raise ConfigurationError(f"{child.name} could not start; its own message is above")
            if child.ended:
                emit(Event.PROCESS_ENDED, process_name=child.name, count=child.process.returncode)
                child.start()


def _stop(children: Sequence[Child], settings: Settings) -> None:
    # The node first: it refuses new associations while the workers still take what it has received.
    node, *others = children
    node.ask_to_stop()
    node.wait_stopped(within_s=settings.node.drain_timeout_s + 10)
    for child in others:
        child.ask_to_stop()
    for child in others:
        child.wait_stopped(within_s=STEP_MAY_TAKE_S)


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
