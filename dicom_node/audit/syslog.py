"""From the files of the audit trail to an audit record repository: syslog over TLS (PS3.15 annex A.6).

RFC 5425 has no acknowledgement: bytes given to a connection that breaks are gone, and nobody says so. What it does have
is that the receiver answers our close_notify (section 4.4), behind everything that we sent before. So each batch has a
connection of its own, and counts as sent once its end was answered; otherwise it is sent again. A message arrives once
or, after a fault, more often; none is missing. How far we are is kept beside the files: a restart resumes there.
"""

import fcntl
import json
import os
import re
import socket
import ssl
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import ConfigurationError
from config.logs import Event, emit, place_of
from config.settings import Settings
from config.whole_files import write_durably
from dicom_node.audit.trail import SUFFIX
from dicom_node.tls import audit_context

PRIORITY = 85
"""Facility 10, security and authorization; severity 5, normal but significant (PS3.15 A.6)."""
APPLICATION = "echoworker"
MESSAGE_ID = "DICOM+RFC3881"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""RFC 5424 section 6.4: what follows is UTF-8."""
BATCH = 200
TIMEOUT_S = 10.0
LOOK_EVERY_S = 1.0
RETRY_AT_MOST_S = 60.0

_LINE = re.compile(rb'<\?xml [^>]*\?><AuditMessage>.* EventDateTime="([^"]+)".*</AuditMessage>\n')


@dataclass(kw_only=True)
class _Batch:
    """Messages that wait, and how far into each file they reach."""

    messages: list[bytes] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    """File names, one for each line that is no message."""


class AuditForwarder:
    """The thread that sends the trail on. Of several processes on one folder, one sends; it takes over by itself.

    Without a repository in the settings it does nothing.

    Raises
    ------
    ConfigurationError
        A certificate or key cannot be used; the message names the file.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.audit_dir
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._away = False
        if not settings.audit.syslog:
            return
        host, _, port = settings.audit.syslog.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        if self._port > 65535:
            raise ConfigurationError(f"setting audit.syslog: {port} is not a port")
        self._context = audit_context(settings.audit, settings.tls)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Begin to send what waits."""
        if self._thread:
            self._thread.start()

    def stop(self) -> None:
        """Send what is there, if the repository takes it, and end; what is left waits for the next start."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:  # until it is our turn to send
            try:
                self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                with _only_one(self._folder / "forwarding.lock") as ours:
                    if ours:
                        self._forward_until_stopped()
            except OSError as error:
                self._note_away(error)
            if self._stop.wait(LOOK_EVERY_S):
                return

    def _forward_until_stopped(self) -> None:
        position = _Position(self._folder)
        pause_s = LOOK_EVERY_S
        while True:
            last = self._stop.wait(pause_s)
            try:
                self._forward_all(position)
                pause_s = LOOK_EVERY_S
            except Exception as error:  # noqa: BLE001  this thread outlives every fault; the messages wait
                self._note_away(error)
                pause_s = min(2 * pause_s, RETRY_AT_MOST_S)
            if last:
                return

    def _forward_all(self, position: "_Position") -> None:
        while True:
            batch = _waiting(self._folder, position.offsets)
            if batch.messages:
                self._send(batch.messages)
                if self._away:
                    emit(Event.AUDIT_REPOSITORY_BACK, host=self._host, port=self._port)
                self._away = False
            for name in batch.damaged:
                emit(Event.AUDIT_LINE_DAMAGED, path=name)
            if not position.advance(batch.offsets):
                return

    def _send(self, messages: list[bytes]) -> None:
        """Send one batch over a connection of its own; an OSError when nobody confirmed that all arrived."""
        with (
            socket.create_connection((self._host, self._port), timeout=TIMEOUT_S) as connection,
            self._context.wrap_socket(connection, server_hostname=self._host) as secured,
        ):
            # RFC 5425 section 4.3: the length in octets, a space, the message.
            secured.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
            _confirm(secured)

    def _note_away(self, error: Exception) -> None:
        if not self._away:
            emit(Event.AUDIT_REPOSITORY_AWAY, host=self._host, port=self._port, error=place_of(error))
        self._away = True


class _Position:
    """How far each file of the trail has been sent, in bytes; survives a restart."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "forwarded.json"
        self.offsets: dict[str, int] = self._read()

    def advance(self, offsets: dict[str, int]) -> bool:
        """Note how far we are; whether that is further than before."""
        moved = offsets != self.offsets
        self.offsets = offsets
        if moved:
            with suppress(OSError):  # a full disk: noted with the next batch, or sent again after a restart
                write_durably(self._path, json.dumps(offsets, indent=1).encode())
        return moved

    def _read(self) -> dict[str, int]:
        try:
            return {str(name): int(offset) for name, offset in json.loads(self._path.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError):  # damaged: rather twice than never
            return {}


def _waiting(folder: Path, offsets: dict[str, int]) -> _Batch:
    """The first messages behind `offsets`, the oldest file first.

    Every file is looked at, not the newest alone: around midnight, or with a clock put back, an older one grows.
    """
    batch = _Batch()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        start = offsets.get(path.name, 0)
        size = path.stat().st_size
        offset = start if start <= size else 0  # a smaller file is another one of the same name
        if offset < size:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)  # not while somebody appends, or takes a half line back
                file.seek(offset)
                offset = _read_into(batch, file, path.name, offset)
        batch.offsets[path.name] = offset
    return batch


def _read_into(batch: _Batch, file: Iterator[bytes], name: str, offset: int) -> int:
    while len(batch.messages) < BATCH and (line := next(file, b"")).endswith(b"\n"):
        if match := _LINE.fullmatch(line):
            batch.messages.append(syslog_message(line[:-1], at=match[1].decode("ascii", "replace")))
        else:
            batch.damaged.append(name)
        offset += len(line)
    return offset


def syslog_message(audit_message: bytes, *, at: str) -> bytes:
    """SYSLOG-MSG of RFC 5424 section 6 around an audit message in UTF-8; `at` is the time of the event."""
    header = f"<{PRIORITY}>1 {at} {socket.gethostname()[:255]} {APPLICATION} {os.getpid()} {MESSAGE_ID} - "
    return header.encode("ascii", "replace") + BYTE_ORDER_MARK + audit_message


def _confirm(secured: ssl.SSLSocket) -> None:
    """Say that this was all, and wait until the receiver says so too; an OSError when it does not.

    Some receivers only close, others keep the connection open, as TLS 1.3 allows. Then the last word is TCP's: it has
    acknowledged every byte. A receiver that closes with bytes unread resets the connection, and that is an error.
    """
    try:
        secured.unwrap()
    except OSError as error:
        # OpenSSL 1.1 tells an end without close_notify by the error number 0.
        ended = isinstance(error, (ssl.SSLEOFError, TimeoutError)) or error.errno == 0
        if not ended or _unacknowledged(secured):
            raise


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes in the send queue (Linux tcp(7): SIOCOUTQ, the same number as TIOCOUTQ)."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))
    return int(count)


@contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    """Whether this process alone holds the lock; it goes with the process, however that ends."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = True
        except BlockingIOError:
            ours = False
        yield ours
    finally:
        os.close(file)
