"""How a process is told from every other that shares a registry or a data folder with it."""

import hashlib
import socket
from functools import cache
from pathlib import Path


def process_name(pid: int) -> str:
    """A process that this one can see by this number, such as itself or a child: `host-1a2b3c4d:17`."""
    space = _space()
    return f"{socket.gethostname()}{'-' if space else ''}{space}:{pid}"


@cache
def _space() -> str:
    """Within which process numbers are unique; empty where the system has no word for it.

    Containers with the host's network, or with a fixed host name, share their name, and mostly number their workers
    alike: one of them would count the other's work as that of a worker of its own, which has died.
    """
    try:
        # The number of a namespace may be the same on two hosts.
        running = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return hashlib.sha256(f"{running}{namespace}".encode()).hexdigest()[:8]
