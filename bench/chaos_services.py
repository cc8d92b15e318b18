"""What the chaos run kills: two servers and the product's processes, each started again as systemd would do it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import descendants
from tests.support.servers import PostgreSQL, Redis, postgresql_command, redis_command

STARTED_AGAIN_AFTER_S = 1.0
"""Restart=always, RestartSec=1."""
LOOKS_EVERY_S = 0.1
IMPORTS_FOR_S = 10.0
"""A process that was started a moment ago does not listen for signals yet."""


@dataclass
class Service:
    """A process that is to run, and is started again whenever it has ended."""

    name: str
    command: Sequence[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    stopped_by: signal.Signals = signal.SIGTERM
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    not_before: float = 0.0
    """By the monotonic clock, when it may be started next."""
    is_asked: bool = False
    """To end."""

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=log, stderr=log, env=environment)
        self.starts += 1

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def look_after(self) -> None:
        """Start it again a second after it has ended."""
        if self.runs:
            return
        if self.process is not None:
            self.process, self.not_before = None, max(self.not_before, time.monotonic() + STARTED_AGAIN_AFTER_S)
        elif time.monotonic() >= self.not_before:
            self.start()

    def part(self, *words: str) -> int | None:
        """The process below this one whose command line has these words in a row, if there is one."""
        if self.process is None:
            return None
        wanted = "\0".join(words).encode()
        for folder in descendants(self.process.pid):
            with suppress(OSError):
                if wanted in (folder / "cmdline").read_bytes():
                    return int(folder.name)
        return None

    def ask(self) -> None:
        """Ask it to end, once: a second signal would find Python past its handlers, and end it where it is."""
        if self.process is not None and not self.is_asked:
            self.is_asked = True
            self.process.send_signal(self.stopped_by)

    def stop(self, *, within_s: float = 90.0) -> int:
        """Ask it to end, unless it was asked; its exit status."""
        if self.process is None:
            return 0
        self.ask()
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class House:
    """All of them, and the thread that starts again what has ended."""

    def __init__(self, folder: Path, site: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._site = site
        self._environment = environment
        self.postgresql: Service
        self.redis: Service
        self.product: dict[str, Service] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def servers(self, postgresql: PostgreSQL, redis: Redis) -> Iterator[None]:
        """PostgreSQL and Redis, the latter without any persistence, until the end of the block."""
        clusters = self.folder / "postgresql"
        clusters.mkdir()
        self.postgresql = Service(
            "postgresql", postgresql_command(clusters, postgresql.port), clusters, stopped_by=signal.SIGINT
        )
        self.redis = Service("redis", redis_command(self.folder, redis.port), self.folder)
        looking = threading.Thread(target=self._look_after, name="systemd", daemon=True)
        self.postgresql.start()
        self.redis.start()
        try:
            _wait(postgresql.answers, "PostgreSQL")
            _wait(redis.answers, "Redis")
            looking.start()
            yield
        finally:
            self._stopping.set()
            if looking.ident is not None:
                looking.join()
            for service in (self.redis, self.postgresql):
                service.stop()

    def start_product(self, commands: dict[str, Sequence[str]]) -> None:
        for name, command in commands.items():
            service = Service(name, self._command(*command), self.folder, self._environment)
            service.start()
            with self._lock:
                self.product[name] = service

    def wait_until_up(self, port: int) -> None:
        """Until the node listens, and what works on each queue, or is beat, has begun to."""
        _wait(lambda: _listens(port), "the node to listen")
        for name, service in self.product.items():
            if name.startswith("worker-"):
                _wait(lambda service=service: service.part("--part", "work") is not None, name)  # type: ignore[misc]
        time.sleep(IMPORTS_FOR_S)

    def stop_product(self) -> dict[str, int]:
        """Stop all of it in an orderly way; the exit status of each."""
        with self._lock:
            stopping, self.product = self.product, {}
        for service in stopping.values():
            service.ask()
        return {name: service.stop() for name, service in stopping.items()}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of the product, to its end."""
        environment = {**os.environ, **self._environment}
        return subprocess.run(
            self._command(*arguments), cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "deploy.cli", "--config", str(self._site), *arguments]

    def _look_after(self) -> None:
        while not self._stopping.wait(LOOKS_EVERY_S):
            with self._lock:
                services = [self.postgresql, self.redis, *self.product.values()]
                for service in services:
                    service.look_after()


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Whether there was such a process to be killed."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition: Callable[[], bool], what: str, *, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {timeout_s:g} s for {what}")
        time.sleep(LOOKS_EVERY_S)
