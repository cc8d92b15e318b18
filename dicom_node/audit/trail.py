"""Where the audit trail is kept: a folder with a file a day, one message a line, written by every process.

The files are the queue of the audit record repository too (`dicom_node.audit.syslog`): what is in them can wait.
"""

import fcntl
import os
import socket
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from config.logs import Event, emit, place_of
from config.settings import Settings
from dicom_node.audit.message import AuditMessage, AuditSource, to_xml

SUFFIX = ".log"
MOST_IN_MEMORY = 10_000
"""Messages that wait there while the file cannot be written; about 20 MB."""


class AuditTrail:
    """One process's part in the trail; safe for several threads, and beside other processes on the same folder."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.audit_dir
        self._ae_title = settings.node.ae_title
        # Section A.5.2.4: a node of several networks goes by one name in all its messages.
        self._host = socket.gethostname()
        self._lock = threading.Lock()
        self._unwritten: deque[bytes] = deque()
        self._failing = False

    def record(self, message: AuditMessage) -> None:
        """Add a message to the trail; never raises, and waits for nothing but the local file.

        While the file cannot be written, messages wait in memory, and go with the next that can.
        """
        source = AuditSource(ae_title=self._ae_title, host=self._host, process_id=os.getpid())
        line = to_xml(message, source).encode() + b"\n"
        with self._lock:
            if len(self._unwritten) == MOST_IN_MEMORY:
                self._unwritten.popleft()
                emit(Event.AUDIT_MESSAGE_LOST)
            self._unwritten.append(line)
            self._write()

    def _write(self) -> None:
        try:
            append(self._folder, b"".join(self._unwritten))
        except OSError as error:
            if not self._failing:
                emit(Event.AUDIT_NOT_WRITTEN, path=str(self._folder), error=place_of(error))
            self._failing = True
            return
        if self._failing:
            emit(Event.AUDIT_WRITTEN_AGAIN, count=len(self._unwritten))
        self._failing = False
        self._unwritten.clear()


def append(folder: Path, lines: bytes) -> None:
    """Append whole lines to the file of the day (UTC): all of them or none.

    Raises
    ------
    OSError
        The disk failed or is full.
    """
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d}{SUFFIX}"
    # Readable for the group alone: it names patients by their ID.
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # nobody appends behind a half line that is about to be cut off again
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            lines = b"\n" + lines  # after a loss of power: the torn line stays alone
        written = os.write(file, lines)
        if written < len(lines):
            os.ftruncate(file, size)
            raise OSError(f"{path.name}: {written} of {len(lines)} bytes written")
    finally:
        os.close(file)
