"""A process of ours that runs until it is stopped, and is started again when it dies."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from config.logs import Event, emit
from deploy.processes.stopping import PARENT_VARIABLE

SETTLED_AFTER_S = 15.0
"""A process that ends within this time of its start was not able to work."""


@dataclass
class Child:
    """One process of the tree."""

    name: str
    command: tuple[str, ...]
    on_death: Callable[[int, int], bool] | None = None
    """Called with its process id and return code once it has ended unasked; True: what it was at work on ended it."""
    on_stop: Callable[[int], None] | None = None
    """Called with its process id where it did not stop when it was asked to, and was ended."""
    process: subprocess.Popen[bytes] = field(init=False)
    started_at: float = field(init=False)
    starts: int = 0
    _noted: bool | None = None

    def start(self) -> None:
        """Start it; its standard error is ours, where it logs."""
        self.started_at = time.monotonic()
        self.starts += 1
        self._noted = None
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONSAFEPATH": "1"}
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "deploy.cli", *self.command],
            env=environment,
            stdout=subprocess.DEVNULL,  # Celery prints there how it shuts down
            start_new_session=True,  # Ctrl-C reaches all that a terminal runs: this one is stopped by us, in its turn
        )
        emit(Event.PROCESS_STARTED, process_name=self.name, pid=self.process.pid)

    def look_after(self) -> None:
        """Note its death at once, and start it again: at once where its work ended it, else not soon after a start."""
        # What stops a process that has just been started is likely to stop it again.
        if self.ended and (self._died_at_work or time.monotonic() > self.started_at + SETTLED_AFTER_S):
            emit(Event.PROCESS_ENDED, process_name=self.name, count=self.process.returncode)
            self.start()

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process.poll() is not None

    @property
    def gave_up_at_once(self) -> bool:
        """Whether it ended soon after the first start, and by itself: a negative return code is a signal."""
        soon = time.monotonic() - self.started_at < SETTLED_AFTER_S
        return self.ended and self.process.returncode > 0 and soon and self.starts == 1 and not self._died_at_work

    @property
    def _died_at_work(self) -> bool:
        """Of one that has ended; asked for the first time, its death is noted."""
        if self._noted is None:
            self._noted = self.on_death is not None and self.on_death(self.process.pid, self.process.returncode)
        return self._noted

    def ask_to_stop(self) -> None:
        """Ask it to finish what it does and end."""
        if not self.ended:
            self.process.terminate()

    def ends(self, *, within_s: float) -> bool:
        """Whether it ends by itself within this time."""
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_stopped(self, *, within_s: float) -> None:
        """Wait until it has ended, and end it when it does not."""
        if self.ends(within_s=within_s):
            return
        self.process.kill()
        self.process.wait()
        if self.on_stop is not None:
            self.on_stop(self.process.pid)
