"""The embedded default: node, workers and beat as one process tree, started and stopped together."""

import socket
import threading
import time
from collections.abc import Sequence
from functools import partial
from itertools import combinations

from config.catalogue import load_catalogue
from config.errors import ConfigurationError, RegistryError
from config.logs import Event, emit
from config.sections.peers import Role
from config.settings import Settings
from config.steps import FORWARD_QUEUE, MAINTENANCE_QUEUE, RESCORE_QUEUE, Step
from db.session import Database
from deploy.data_folder import held_alone
from deploy.processes.children import Child
from deploy.processes.deaths import give_back, note_death, sweep_crash_files
from worker.packs.active import PackUse, chosen_folder
from worker.packs.folder import look_into_pack

_WORK = ("worker", "--part", "work", "--queues")
WORKERS: dict[str, tuple[str, ...]] = {
    "worker-prepare": (*_WORK, f"{Step.PREPARE},{Step.REPORT}"),
    "worker-score": (*_WORK, Step.SCORE),
    "worker-deliver": (*_WORK, Step.DELIVER),
    "worker-maintenance": (*_WORK, MAINTENANCE_QUEUE),
    "beat": ("beat",),
}
"""What works on studies. A PACS that hangs holds up deliveries alone, and nothing holds up the reaper."""

FORWARDING: dict[str, tuple[str, ...]] = {"worker-forward": (*_WORK, FORWARD_QUEUE)}
"""Only where there is a peer to forward to."""

RESCORING: dict[str, tuple[str, ...]] = {"worker-rescore": (*_WORK, RESCORE_QUEUE)}
"""Only where results are answered anew by themselves."""

DASHBOARD: dict[str, tuple[str, ...]] = {"dashboard": ("dashboard",)}

LOOK_EVERY_S = 2.0
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  compared with, not listened on
STILL_ENDING_AFTER_S = 5.0
"""Whoever waits for the end is told what for."""


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
    commands |= DASHBOARD if settings.dashboard.port else {}
    with held_alone(settings.data_dir), _Tree(settings, stop, has_dashboard=True) as tree:
        sweep_crash_files(settings)
        if tree.upgraded(registry):
            registry.require_identities()
            tree.start([_worker(settings, name, command) for name, command in commands.items()])
        tree.look_after()
    emit(Event.STOPPED)  # not before the data folder is free for the next start


def run_node(settings: Settings, stop: threading.Event) -> None:
    """Run the node alone, receivers, intake and what stands beside them, until `stop` is set.

    Raises
    ------
    ConfigurationError
        The data folder is wrong, or the node cannot listen.
    """
    with held_alone(settings.data_dir), _Tree(settings, stop, has_dashboard=False) as tree:
        tree.look_after()
    emit(Event.STOPPED)


def run_worker(settings: Settings, queues: Sequence[str], stop: threading.Event) -> int:
    """Run one worker process for these queues until `stop` is set; when it dies, another. The exit status.

    Who works cannot say what it died of; this process, which does nothing else, can.
    """
    sweep_crash_files(settings)
    command = (*_WORK, ",".join(queues))
    child = _worker(settings, f"worker-{queues[0]}", command)
    child.start()
    while not stop.wait(LOOK_EVERY_S):
        if child.gave_up_at_once:
            return child.process.returncode  # it has said why
        child.look_after()
    emit(Event.SHUTTING_DOWN)
    _stop([child], within_s=settings.time_limits.stop_s)
    emit(Event.STOPPED)
    return 0


def _worker(settings: Settings, name: str, command: tuple[str, ...]) -> Child:
    return Child(name, command, on_death=partial(note_death, settings), on_stop=partial(give_back, settings))


class _Tree:
    """The running processes: the node's from the start, others as they are added."""

    def __init__(self, settings: Settings, stop: threading.Event, *, has_dashboard: bool) -> None:
        self._settings = settings
        self._has_dashboard = has_dashboard
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
        _require_free_ports(self._settings, has_dashboard=self._has_dashboard)
        for child in [*self._receivers, *self._others]:
            child.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the receivers first: they refuse new associations while the others take what came in."""
        emit(Event.SHUTTING_DOWN)
        _stop(self._receivers, within_s=self._settings.node.drain_timeout_s + 10)
        _stop(self._others, within_s=self._settings.time_limits.stop_s)

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
            child.look_after()


def _require_free_ports(settings: Settings, *, has_dashboard: bool) -> None:
    """Receiving processes share their ports: the system would let another installation share them as well.

    Beside a node alone, the dashboard is a service of its own, and may be up already.
    """
    wanted = {}
    if settings.tls.accept_without_tls:
        wanted["node.port"] = (settings.node.host, settings.node.port)
    if settings.tls.enabled:
        wanted["tls.port"] = (settings.node.host, settings.tls.port)
    if settings.consistency.receives and settings.consistency.port:
        wanted["consistency.port"] = (settings.consistency.host, settings.consistency.port)
    if settings.monitoring.port:
        wanted["monitoring.port"] = (settings.monitoring.host, settings.monitoring.port)
    if has_dashboard and settings.dashboard.port:
        wanted["dashboard.port"] = (settings.dashboard.host, settings.dashboard.port)
    for (one, (host, port)), (other, (other_host, other_port)) in combinations(wanted.items(), 2):
        if port and port == other_port and (host == other_host or not {host, other_host}.isdisjoint(_EVERYWHERE)):
            raise ConfigurationError(f"{one} and {other} are both {port}: give each a port of its own")
    for host, port in wanted.values():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                address = f"{host}:{port}"
                raise ConfigurationError(f"node: cannot listen on {address}: {error.strerror}") from error


def _stop(children: Sequence[Child], *, within_s: float) -> None:
    for child in children:
        child.ask_to_stop()
    asked_at = time.monotonic()
    told_at = asked_at + min(STILL_ENDING_AFTER_S, within_s)
    for child in children:
        if not child.ends(within_s=max(told_at - time.monotonic(), 0)):
            emit(Event.STILL_ENDING, process_name=child.name, pid=child.process.pid)
    for child in children:
        child.wait_stopped(within_s=max(asked_at + within_s - time.monotonic(), 0))
