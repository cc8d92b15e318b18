"""The embedded default: node, workers and beat as one process tree, started and stopped together."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from config.catalogue import load_catalogue
from config.errors import ConfigurationError, RegistryError
from config.logs import Event, emit
from config.peers import Role
from config.settings import Settings
from config.steps import FORWARD_QUEUE, MAINTENANCE_QUEUE, RESCORE_QUEUE, Step
from db.session import Database
from deploy.data_folder import held_alone
from deploy.stopping import PARENT_VARIABLE
from worker.packs.active import PackUse, chosen_folder
from worker.packs.folder import look_into_pack

WORKERS: dict[str, tuple[str, ...]] = {
    "worker-prepare": ("worker", "--queues", f"{Step.PREPARE},{Step.REPORT}"),
    "worker-score": ("worker", "--queues", Step.SCORE),
    "worker-deliver": ("worker", "--queues", Step.DELIVER),
    "worker-maintenance": ("worker", "--queues", MAINTENANCE_QUEUE),
    "beat": ("beat",),
}
"""What works on studies. A PACS that hangs holds up deliveries alone, and nothing holds up the reaper."""

FORWARDING: dict[str, tuple[str, ...]] = {"worker-forward": ("worker", "--queues", FORWARD_QUEUE)}
"""Only where there is a peer to forward to."""

RESCORING: dict[str, tuple[str, ...]] = {"worker-rescore": ("worker", "--queues", RESCORE_QUEUE)}
"""Only where results are answered anew by themselves."""

LOOK_EVERY_S = 2.0
SETTLED_AFTER_S = 15.0
"""A process that ends within this time of its start was not able to work."""
STEP_MAY_TAKE_S = 60.0
"""How long a worker may go on with the step that it is in when the system stops."""


@dataclass
class Child:
    """One process of the tree."""

    name: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(init=False)
    started_at: float = field(init=False)
    starts: int = 0

    def start(self) -> None:
        """Start it; its standard error is ours, where it logs."""
        self.started_at = time.monotonic()
        self.starts += 1
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONSAFEPATH": "1"}
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "deploy.cli", *self.command],
            env=environment,
            stdout=subprocess.DEVNULL,  # Celery prints there how it shuts down
            start_new_session=True,  # Ctrl-C reaches all that a terminal runs: this one is stopped by us, in its turn
        )
        emit(Event.PROCESS_STARTED, process_name=self.name, pid=self.process.pid)

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process.poll() is not None

    @property
    def gave_up_at_once(self) -> bool:
        """Whether it ended soon after the first start, and by itself: a negative return code is a signal."""
        soon = time.monotonic() - self.started_at < SETTLED_AFTER_S
        return self.ended and self.process.returncode > 0 and soon and self.starts == 1

    @property
    def start_again_at(self) -> float:
        """Not at once after it has just been started: what stops it is likely to stop it again."""
        return self.started_at + SETTLED_AFTER_S

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


def run_all(settings: Settings, stop: threading.Event) -> None:
    """Run everything until `stop` is set; a process that dies is started again.

    The node receives from the start; the workers come when the registry is there.

    Raises
    ------
    ConfigurationError
        The data folder, the task catalogue or the database's URL is wrong, or the node cannot listen.
    ModelPackError
        The model pack that was chosen is none, or lacks something.
    IdentitiesError
        The registry keeps patient identities otherwise than the settings say.
    """
    load_catalogue(settings.catalogue_path)
    if (folder := chosen_folder(settings, PackUse.SCORING)) is not None:
        look_into_pack(folder)
    registry = Database.of(settings)
    commands = WORKERS | (FORWARDING if settings.peers_in(Role.FORWARD) else {})
    commands |= RESCORING if settings.rescore.enabled else {}
    with held_alone(settings.data_dir), _Tree(settings, stop) as tree:
        if tree.upgraded(registry):
            registry.require_identities()
            tree.start([Child(name, command) for name, command in commands.items()])
        tree.look_after()


def run_node(settings: Settings, stop: threading.Event) -> None:
    """Run the node alone, receivers, intake and what stands beside them, until `stop` is set.

    Raises
    ------
    ConfigurationError
        The data folder is wrong, or the node cannot listen.
    """
    with held_alone(settings.data_dir), _Tree(settings, stop) as tree:
        tree.look_after()


class _Tree:
    """The running processes: the node's from the start, others as they are added."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._receivers = [
            Child(f"receiver-{number}", ("node", "--part", "receive"))
            for number in range(1, settings.node.processes + 1)
        ]
        self._others = [Child("intake", ("node", "--part", "intake"))]
        if settings.consistency.receives:
            self._others.append(Child("reports", ("node", "--part", "reports")))
        if settings.monitoring.port or settings.alerts:
            self._others.append(Child("monitoring", ("node", "--part", "monitoring")))

    def __enter__(self) -> "_Tree":
        _require_free_ports(self._settings)
        for child in [*self._receivers, *self._others]:
            child.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the receivers first: they refuse new associations while the others take what came in."""
        emit(Event.SHUTTING_DOWN)
        _stop(self._receivers, within_s=self._settings.node.drain_timeout_s + 10)
        _stop(self._others, within_s=STEP_MAY_TAKE_S)

    def start(self, children: Sequence[Child]) -> None:
        """Add processes."""
        for child in children:
            child.start()
            self._others.append(child)

    def upgraded(self, registry: Database) -> bool:
        """Bring the registry's schema up to date, however long its server is away; False when asked to stop first."""
        away = False
        while not self._stop.is_set():
            try:
                registry.upgrade()
            except RegistryError as error:
                if not away:
                    emit(Event.REGISTRY_AWAY, reason=str(error))
                away = True
            else:
                return True
            self._stop.wait(LOOK_EVERY_S)
            self._look_once()
        return False

    def look_after(self) -> None:
        """Start again what dies, until asked to stop."""
        while not self._stop.wait(LOOK_EVERY_S):
            self._look_once()

    def _look_once(self) -> None:
        if any(receiver.gave_up_at_once for receiver in self._receivers):
            raise ConfigurationError("the node could not start; its own message is above")
        for child in [*self._receivers, *self._others]:
            if child.ended and time.monotonic() > child.start_again_at:
                emit(Event.PROCESS_ENDED, process_name=child.name, count=child.process.returncode)
                child.start()


def _require_free_ports(settings: Settings) -> None:
    """Receiving processes share their ports: the system would let another installation share them as well."""
    wanted = settings.consistency
    ports = [(settings.node.host, settings.node.port)] if settings.tls.accept_without_tls else []
    ports += [(settings.node.host, settings.tls.port)] if settings.tls.enabled else []
    ports += [(wanted.host, wanted.port)] if wanted.receives and wanted.port else []
    ports += [(settings.monitoring.host, settings.monitoring.port)] if settings.monitoring.port else []
    for host, port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                address = f"{host}:{port}"
                raise ConfigurationError(f"node: cannot listen on {address}: {error.strerror}") from error


def _stop(children: Sequence[Child], *, within_s: float) -> None:
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + within_s
    for child in children:
        child.wait_stopped(within_s=max(deadline - time.monotonic(), 0))
