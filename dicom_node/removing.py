"""Who removes files of studies, and who copies the spool, take turns: what a backup's registry names is in its spool.

A lock of a file, which goes with the process that holds it; NFS knows it as well, so it holds between hosts.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import BackupUnderWayError
from dicom_node.spool import Spool


@contextmanager
def nothing_removed(spool: Spool) -> Iterator[None]:
    """While the block lasts, retention removes nothing; it waits for the study that it is at.

    Raises
    ------
    SpoolAwayError
        The spool is out of sight.
    """
    spool.require_there()
    with _lock(spool).open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def removing(spool: Spool) -> Iterator[None]:
    """While the block lasts, no backup begins.

    Raises
    ------
    BackupUnderWayError
        One is being made: come again later.
    SpoolAwayError
        The spool is out of sight.
    """
    spool.require_there()
    with _lock(spool).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupUnderWayError("a backup is being made: nothing is removed until it is done") from None
        yield


def _lock(spool: Spool) -> Path:
    return spool.root / ".removing"
