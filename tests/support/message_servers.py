"""An HTTP server and an MLLP server on the loopback that answer as a test tells them, one answer for each request."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Acknowledges = Callable[[bytes], bytes | None]
"""From a message to the bytes that are answered; behind what is no whole frame, or None, the connection is closed."""


@dataclass
class Received:
    port: int = 0
    messages: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class HTTPAnswer:
    status: int = 200
    body: bytes = b'{"resourceType":"Bundle","type":"transaction-response"}'
    raw: bytes | None = None
    """Sent in place of any HTTP."""
    without_end: bool = False
    """A byte now and then, for as long as anybody listens."""
    mib_taken_in_s: float = 0.0
    """How long it takes over each MiB of the request."""


@contextmanager
def fhir_server(answers: Sequence[HTTPAnswer], *, tls: ssl.SSLContext | None = None) -> Iterator[Received]:
    """Answers one after the other; the last one again and again."""
    received, over = Received(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = answers[min(len(received.messages), len(answers) - 1)]
            received.messages.append(self._content(answer.mib_taken_in_s))
            received.headers.append(dict(self.headers))
            if answer.raw is not None:
                self.wfile.write(answer.raw)
                self.close_connection = True
                return
            self.send_response(answer.status)
            if answer.without_end:
                self.end_headers()
                with suppress(OSError):
                    while not over.wait(0.02):
                        self.wfile.write(b" ")
                return
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def _content(self, mib_taken_in_s: float) -> bytes:
            content, left = [], int(self.headers["Content-Length"])
            while left and (some := self.rfile.read(min(left, 1 << 20))):
                content.append(some)
                left -= len(some)
                over.wait(mib_taken_in_s)
            return b"".join(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    received.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield received
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def acknowledge(code: str, *, control_id: str | None = None, text: str = "") -> Acknowledges:
    """An ACK of the original mode; of another message where `control_id` is given."""

    def answer(message: bytes) -> bytes:
        named = control_id or message.split(b"|")[9].decode()
        ack = f"MSH|^~\\&|RIS|HOSP|ECHOWORKER||20260101000000||ACK|1|P|2.5.1\rMSA|{code}|{named}|{text}\r"
        return b"\x0b" + ack.encode() + b"\x1c\r"

    return answer


@contextmanager
def mllp_server(answers: Sequence[Acknowledges], *, tls: ssl.SSLContext | None = None) -> Iterator[Received]:
    """Answers one after the other; the last one again and again."""
    received = Received()
    listening = socket.create_server(("127.0.0.1", 0))
    received.port = listening.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
                _answer(connection, received, answers)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _answer(connection: socket.socket, received: Received, answers: Sequence[Acknowledges]) -> None:
    content = b""
    while not content.endswith(b"\x1c\r"):
        some = connection.recv(65536)
        if not some:
            return
        content += some
    assert content.startswith(b"\x0b")
    received.messages.append(content[1:-2])
    answer = answers[min(len(received.messages), len(answers)) - 1](content[1:-2])
    if answer is not None:
        connection.sendall(answer)
        if not answer or answer.endswith(b"\x1c\r"):
            connection.recv(1)  # until the other side hangs up
