"""Listens for HL7 messages over MLLP, and answers each once it is kept: AA leaves only after the file is on the disk.

Every message of results that can be taken apart becomes a file of the inbox; what it says is for others to read.
"""

import socket
import socketserver
import ssl
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.errors import SpoolError
from config.logs import Event, emit, place_of
from config.sections.peers import Networks, is_in, plain_address
from config.whole_files import write_durably
from dicom_node.tls import handshake_failure
from worker.consistency.hl7.acknowledging import Judged, Verdict, acknowledgement, header_of_beginning, judge
from worker.consistency.hl7.mllp_frames import CARRIAGE_RETURN, END, START, Frames, TooLong
from worker.consistency.hl7.parsing import messages_of_frame

LONGEST_MESSAGE = 32 << 20
"""Bytes: a PDF of some pages in Base64 has one or two millions."""
IDLE_S = 600.0
"""So long a connection may stay without a message: senders keep theirs open."""
FRAME_S = 60.0
"""So long one message may take to come."""
MOST_CONNECTIONS = 32


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where the server listens, and to whom."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 for any that is free."""
    networks: Networks = ()
    """From where somebody may send; empty: from anywhere."""
    tls: Callable[[], ssl.SSLContext] | None = None
    """Gives the context for the next connection; asked by one thread alone."""
    longest_message: int = LONGEST_MESSAGE
    idle_s: float = IDLE_S
    frame_s: float = FRAME_S
    require_place: Callable[[], None] = lambda: None
    """Raises a `SpoolError` where nothing can be kept now: the message is answered so, and nothing is left of it."""
    admitted: Callable[[str], None] = lambda address: None
    """Told of each connection from which messages are taken; by several threads."""
    refused: Callable[[str, str], None] = lambda address, reason: None
    """Told of each that is not admitted, and why; likewise. Nothing else logs that."""


@contextmanager
def mllp_server(inbox: Path, listening: Listening) -> Iterator[int]:
    """Listen while the context is open, each connection in a thread of its own; the port that it is.

    Raises
    ------
    OSError
        The port is taken, or not allowed.
    """
    server = _Server((listening.host, listening.port), _Connection)
    server.inbox, server.listening = inbox, listening
    thread = threading.Thread(target=server.serve_forever, args=[0.1], name="mllp", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        server.hang_up()
        thread.join()


def keep(inbox: Path, message: bytes, *, now: datetime | None = None) -> Path:
    """Write a message to a file of the inbox, whose names are in the order that messages came in.

    Raises
    ------
    OSError
        The disk is full or failed; nothing is left of it.
    """
    received = now or datetime.now(UTC)
    path = inbox / f"{received:%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}.hl7"
    write_durably(path, message)
    return path


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 32
    inbox: Path
    listening: Listening
    tls: ssl.SSLContext | None = None
    """For connections from now on."""

    def __init__(self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; who sends is named as networks name it."""
        connection, address = super().get_request()
        return connection, (plain_address(address[0]), address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Only hosts that may send, and not too many connections at once; to the others it hangs up."""
        listening, address = self.listening, client_address[0]
        if not is_in(address, listening.networks):
            listening.refused(address, "this host may not send reports")
            return False
        with self._lock:
            is_full = len(self._open) >= MOST_CONNECTIONS
            if not is_full:
                self._open.add(request)
        if is_full:
            listening.refused(address, f"{MOST_CONNECTIONS} connections are open")
            return False
        self.tls = None if listening.tls is None else listening.tls()
        return True

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def replace(self, plain: socket.socket, secured: socket.socket) -> None:
        """A connection speaks TLS now."""
        with self._lock:
            self._open.discard(plain)
            self._open.add(secured)

    def hang_up(self) -> None:
        """End the connections that are open."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection broke in a way that was not foreseen; the others go on."""
        error = sys.exception()
        if error is not None:
            emit(Event.REPORT_REFUSED, host=client_address[0], error=place_of(error))


class _Connection(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Read messages and answer them until the sender hangs up, falls silent or sends what is no MLLP."""
        listening = self.server.listening
        try:
            connection = self._secured(listening)
            if connection is None:
                return
            listening.admitted(self.client_address[0])
            frames, began = Frames(longest=listening.longest_message), time.monotonic()
            while True:
                was_inside = frames.is_inside
                left_s = began + listening.frame_s - time.monotonic() if was_inside else listening.idle_s
                connection.settimeout(max(left_s, 0.001))
                some = connection.recv(1 << 16)
                if not some or not self._all_answered(connection, frames, some):
                    return
                if frames.is_inside and not was_inside:
                    began = time.monotonic()
        except TimeoutError:
            return
        except OSError as error:
            emit(Event.REPORT_REFUSED, host=self.client_address[0], error=place_of(error))

    def _secured(self, listening: Listening) -> socket.socket | None:
        """The handshake is here, in a thread of its own: who is slow at it keeps nobody waiting. None: it failed."""
        context = self.server.tls
        if context is None:
            return self.request
        self.request.settimeout(listening.frame_s)
        try:
            secured = context.wrap_socket(self.request, server_side=True)
        except OSError as error:
            listening.refused(self.client_address[0], handshake_failure(error))
            return None
        self.server.replace(self.request, secured)
        self.request = secured
        return secured

    def finish(self) -> None:
        """Hang up."""
        self.server.shutdown_request(self.request)

    def _all_answered(self, connection: socket.socket, frames: Frames, some: bytes) -> bool:
        """Keep and answer what these bytes complete; False where the connection is to be ended."""
        for message in frames.feed(some):
            if isinstance(message, TooLong):
                header = header_of_beginning(message.beginning)
                judged = Judged(verdict=Verdict.REJECTED, condition="too long", message=header)
                self._answer(connection, judged)
                emit(Event.REPORT_REFUSED, host=self.client_address[0], reason="an HL7 message is too long")
                return False
            for one in messages_of_frame(message):
                self._answer(connection, self._kept(one))
        if frames.is_no_mllp:
            emit(Event.REPORT_REFUSED, host=self.client_address[0], reason="what is sent is no MLLP")
            return False
        return True

    def _kept(self, message: bytes) -> Judged:
        judged = judge(message)
        host = self.client_address[0]
        if judged.verdict is not Verdict.ACCEPTED:
            emit(Event.REPORT_REFUSED, host=host, reason=f"an HL7 message is {judged.condition}")
            return judged
        try:
            self.server.listening.require_place()
            path = keep(self.server.inbox, message)
        except (OSError, SpoolError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            reason = f"the inbox cannot be written ({why or type(error).__name__})"
            emit(Event.REPORT_REFUSED, host=host, reason=reason)
            return Judged(verdict=Verdict.ERROR, condition="not kept", message=judged.message)
        emit(Event.REPORT_RECEIVED, host=host, path=path.name)
        return judged

    def _answer(self, connection: socket.socket, judged: Judged) -> None:
        answer = acknowledgement(judged, our_control_id=uuid.uuid4().hex[:20])
        if answer is not None:
            connection.settimeout(self.server.listening.frame_s)
            connection.sendall(START + answer + END + CARRIAGE_RETURN)
