"""Why a worker process died, and what becomes of what it was at work on.

A worker is one process, and a step may take it down: by a fault in a decoder or in CUDA (a signal), or by using up the
memory (SIGKILL). Whoever started the worker sees how it ended. What it was doing stands in a file that Python's
faulthandler writes in the moment of a fault: files, lines and functions of every thread, no values.
"""

import faulthandler
import fcntl
import os
import resource
import signal
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from sqlalchemy.exc import SQLAlchemyError

from config.errors import EchoWorkerError
from config.logs import Event, emit
from config.processes import process_name
from config.settings import Settings
from db.away import say_away
from db.lifecycle.worker_ends import ENDED, KILLED, TOOK_TOO_LONG, WorkerEnd, worker_died, worker_stopped
from db.session import Database

_TIMEOUT = "Timeout ("
"""How faulthandler begins what it writes when the time is up (worker.watch)."""
LONGEST_TRACEBACK = 16_000
"""Characters that the journal keeps: many threads of deep libraries write more."""


def write_crashes(settings: Settings) -> TextIO:
    """In a worker process: from here on a fault leaves a traceback behind; the file that it goes to.

    No core is dumped: it would hold pictures and names.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path = _crash_file(settings, os.getpid())
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w", encoding="utf-8")
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # while it runs, for who sweeps
    faulthandler.enable(file)
    return file


def note_death(settings: Settings, pid: int, return_code: int) -> bool:
    """Count what a dead worker of this host held as failed attempts; whether it was at work on anything.

    Where the registry is away its leases run out, as those of a host that is gone.
    """
    path = _crash_file(settings, pid)
    traceback = _read(path)
    reason = _reason(return_code, traceback)
    end = WorkerEnd(owner=process_name(pid), reason=reason, traceback=traceback or None)
    registry = Database.of(settings)
    if not registry.is_there:
        return _left_to_its_leases(path, traceback)
    try:
        with registry.write() as session:
            held = worker_died(session, end, now=datetime.now(UTC), pipeline=settings.pipeline)
    except (SQLAlchemyError, EchoWorkerError) as error:  # who looks after others outlives them
        say_away(error)
        return _left_to_its_leases(path, traceback)
    finally:
        registry.close()
    for claim in held.studies:
        emit(
            Event.WORKER_DIED,
            pid=pid,
            reason=end.reason,
            study_instance_uid=claim.study_instance_uid,
            step=claim.step,
            attempt=claim.attempt,
        )
    for queue in held.queues:
        emit(Event.WORKER_DIED, pid=pid, reason=end.reason, destination=queue.peer)
    if held.studies or not traceback:
        path.unlink(missing_ok=True)  # the journal has it; else it stays, for whoever looks for the cause
    return bool(traceback or held.studies or held.queues)


def _left_to_its_leases(path: Path, traceback: str) -> bool:
    """Nobody can be told what a dead worker held; what it was doing stays written down, if it wrote anything."""
    if not traceback:
        path.unlink(missing_ok=True)
    return bool(traceback)


def sweep_crash_files(settings: Settings) -> None:
    """Remove the empty files of workers of this host that were killed together with whoever looked after them."""
    for path in (settings.data_dir / "crashes").glob(f"{socket.gethostname()}-*.txt"):
        with suppress(OSError), path.open("r+") as file:  # its worker runs; or another supervisor was first
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not path.stat().st_size:
                path.unlink()


def give_back(settings: Settings, pid: int) -> None:
    """Let others take at once what a worker of this host held that was stopped.

    Where the registry is away its leases run out.
    """
    registry = Database.of(settings)
    try:
        with registry.write() as session:
            held = worker_stopped(session, process_name(pid), now=datetime.now(UTC), pipeline=settings.pipeline)
    except (SQLAlchemyError, EchoWorkerError) as error:  # who looks after others outlives them
        say_away(error)
        return
    finally:
        registry.close()
        _crash_file(settings, pid).unlink(missing_ok=True)
    if count := len(held.studies) + len(held.queues):
        emit(Event.WORK_HANDED_BACK, pid=pid, count=count)


def _crash_file(settings: Settings, pid: int) -> Path:
    return settings.data_dir / "crashes" / f"{process_name(pid).replace(':', '-')}.txt"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:LONGEST_TRACEBACK]
    except OSError:
        return ""


def _reason(return_code: int, traceback: str) -> str:
    if traceback.startswith(_TIMEOUT):
        return f"{TOOK_TOO_LONG} ([time_limits]): its worker was ended"
    if return_code >= 0:
        return f"{ENDED} {return_code}"
    try:
        name = signal.Signals(-return_code).name
    except ValueError:
        name = f"signal {-return_code}"
    why = ", as the system does where memory runs out" if -return_code == signal.SIGKILL else ""
    return f"{KILLED} {name}{why}"
