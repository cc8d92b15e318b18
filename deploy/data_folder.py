"""The data folder: made for its owner alone, and worked on by one installation at a time."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import ConfigurationError

PRIVATE = 0o077
"""The umask of every process: spool and registry hold PHI. A default ACL of the folder can open it to a group."""


@contextmanager
def held_alone(data_dir: Path) -> Iterator[None]:
    """Make the data folder if it is not there, and hold it until the end of the block, or of this process.

    Raises
    ------
    ConfigurationError
        Another `up` or `node` of this host holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    # Hosts may share the folder: the lock is one of this host.
    with (data_dir / f"running-on-{socket.gethostname()}.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigurationError(
                f"{data_dir}: EchoWorker runs on this folder already (process {file.read() or 'unknown'}): "
                "stop it, or name another folder with --data"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
