"""Time limits of what a worker process does: a step that hangs is ended, in C code too, and the worker goes on.

At the soft limit an exception is raised in the main thread, where steps run: a failed attempt, and the process goes on.
Code in C, or in other threads, may never come to see it. At the hard limit the process ends: faulthandler's own thread,
which needs no interpreter lock, writes down what every thread was doing, and exits. Whoever started the process counts
that as a failed attempt of what it held (deploy.processes.deaths), and starts another.

Celery's own limits are for its pool of forked processes. A worker here is one process, so that its message is taken in
the moment when it has time for it, and the model is loaded, and CUDA started, once and never across a fork.
"""

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from celery.worker import state

from config.errors import TimeLimitError

SAID_AGAIN_EVERY_S = 120.0
"""A soft limit: whoever goes on without what failed, as a report without its pictures, may need so long to end well.

Said every few seconds it would hit one study of a batch after the other, and whatever tidies up meanwhile.
"""


class Watch:
    """The limits of what is under way in this process. Without a file for tracebacks, as in tests, there are none."""

    def __init__(self, tracebacks: TextIO | None = None) -> None:
        self._tracebacks = tracebacks
        self._lock = threading.Lock()
        self._ends: dict[object, float] = {}
        """Of what is under way: when the process ends, by the monotonic clock."""

    @contextmanager
    def limited(self, what: str, *, hard_s: float, soft_s: float | None = None) -> Iterator[None]:
        """Let the block take no longer than this; `soft_s` holds in the main thread alone.

        Raises
        ------
        TimeLimitError
            It took longer than `soft_s`; raised within the block, wherever it is.
        """
        if self._tracebacks is None:
            yield
            return
        key = object()
        self._arm(key, hard_s)
        try:
            with _broken_off(what, soft_s):
                yield
        finally:
            self._disarm(key)

    def end_after_this(self) -> None:
        """Let this process end once its work of now is written down; whoever started it starts another."""
        if self._tracebacks is not None:
            os.kill(os.getpid(), signal.SIGTERM)

    @property
    def is_ending(self) -> bool:
        """Whether this process was asked to stop: it begins nothing more."""
        # Celery's own: None or False, or the exit status, which may be 0.
        return any(asked is not None and asked is not False for asked in (state.should_stop, state.should_terminate))

    def _arm(self, key: object, hard_s: float) -> None:
        with self._lock:
            self._ends[key] = time.monotonic() + hard_s
            self._set_alarm()

    def _disarm(self, key: object) -> None:
        with self._lock:
            del self._ends[key]
            self._set_alarm()

    def _set_alarm(self) -> None:
        """The process has one alarm: it is that of what is to end first."""
        if not self._ends or self._tracebacks is None:
            faulthandler.cancel_dump_traceback_later()
            return
        left_s = max(min(self._ends.values()) - time.monotonic(), 0.001)
        faulthandler.dump_traceback_later(left_s, exit=True, file=self._tracebacks)


@contextmanager
def _broken_off(what: str, soft_s: float | None) -> Iterator[None]:
    if soft_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def break_off(*_: object) -> None:
        raise TimeLimitError(f"{what} took longer than {soft_s:g} s: it was broken off (time_limits.{what}.soft_s)")

    before = signal.signal(signal.SIGALRM, break_off)
    signal.setitimer(signal.ITIMER_REAL, soft_s, SAID_AGAIN_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
