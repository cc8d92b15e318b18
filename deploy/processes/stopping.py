"""How the processes of an installation end: asked to by a signal, or because the process that started them is gone."""

import os
import signal
import threading
import time

PARENT_VARIABLE = "ECHOWORKER_PARENT_PID"
"""Tells a child whose child it is, so that it ends when that process is killed."""

_ASKED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM, SIGINT and SIGHUP set, however close together they come.

    SIGHUP comes of a terminal that is closed, and of people who mean "read your settings anew": nothing here does, but
    it ends in order and can be started again. Where it is ignored (nohup), it stays so.

    A thread sets it, woken through a pipe (signal.set_wakeup_fd): `Event.set` takes a lock, and a handler runs in the
    midst of whatever the main thread does, which may be `Event.wait`, or this very handler for the other signal.
    """
    stop = threading.Event()
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    for number in _ASKED_BY:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue
        signal.signal(number, lambda *_: None)  # the pipe is written to for signals that have a handler in Python

    def listen() -> None:
        while os.read(told, 1)[0] not in _ASKED_BY:
            pass
        stop.set()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    return stop


def end_with_parent() -> None:
    """In a process that was started with `PARENT_VARIABLE`: end when that process is gone, however it went."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
