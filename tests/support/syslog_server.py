"""An audit record repository for tests: RFC 5425 on a port of the loopback, which can go away and come back."""

import re
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from tests.support.certificates import Authority, Certificate
from tests.support.tools import require_tool

_HEADER = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<timestamp>\S+) (?P<hostname>[!-~]{1,255}) (?P<app_name>[!-~]{1,48}) "
    r"(?P<process_id>[!-~]{1,128}) (?P<message_id>[!-~]{1,32}) (?P<structured_data>-|\[.*?\]) "
)


@dataclass(frozen=True)
class SyslogMessage:
    """The parts of RFC 5424 section 6."""

    priority: int
    timestamp: str
    hostname: str
    app_name: str
    process_id: str
    message_id: str
    structured_data: str
    message: bytes


class End(Enum):
    """What a receiver does when the sender has said that this was all."""

    ANSWER = auto()
    """close_notify, as RFC 5425 section 4.4 demands."""
    CLOSE = auto()
    """It closes the TCP connection without a word."""
    HOLD = auto()
    """Nothing."""


class Repository:
    """What has come in.

    `turns_away` that many connections by closing them unread; after `reset_after` messages of a connection it is torn
    down, the rest of it unread.
    """

    def __init__(self) -> None:
        self.received: list[SyslogMessage] = []
        self.client_names: list[str] = []
        self.turns_away = 0
        self.reset_after: int | None = None
        self.end = End.ANSWER
        self.held: list[ssl.SSLSocket] = []

    def messages(self) -> list[bytes]:
        return [item.message for item in self.received]

    def serve(self, connection: ssl.SSLSocket) -> None:
        subject = dict(part[0] for part in (connection.getpeercert() or {}).get("subject", ()))
        self.client_names.append(subject.get("commonName", ""))
        if self.turns_away:
            self.turns_away -= 1
            return
        stream = connection.makefile("rb")
        count = 0
        while length := _length(stream):
            self.received.append(parse_syslog(stream.read(length)))
            count += 1
            if count == self.reset_after:
                # Zero linger: the kernel throws away what is unread and sends a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
                return
        if self.end is End.ANSWER:
            connection.unwrap()
        elif self.end is End.HOLD:
            self.held.append(connection)


def _length(stream: object) -> int:
    digits = b""
    while (digit := stream.read(1)) not in {b" ", b""}:  # type: ignore[attr-defined]
        digits += digit
    return int(digits or 0)


def parse_syslog(frame: bytes) -> SyslogMessage:
    header, mark, message = frame.partition(b"\xef\xbb\xbf")
    assert mark, "RFC 5424 section 6.4: UTF-8 begins with the byte order mark"
    match = _HEADER.fullmatch(header.decode("ascii"))
    assert match, header
    parts = match.groupdict()
    return SyslogMessage(priority=int(parts.pop("priority")), message=message, **parts)


@contextmanager
def listening(
    repository: Repository, port: int, authority: Authority, certificate: Certificate, *, want_client: bool = False
) -> Iterator[None]:
    """Let the repository be there until the end of the block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.private_key)
    context.load_verify_locations(authority.trusted)
    context.verify_mode = ssl.CERT_REQUIRED if want_client else ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", port)) as server:
        thread = threading.Thread(target=_accept, args=[repository, server, context])
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in repository.held:
                connection.close()


def _accept(repository: Repository, server: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        with suppress(OSError):
            connection = context.wrap_socket(plain, server_side=True)
            try:
                repository.serve(connection)
            finally:
                if connection not in repository.held:
                    connection.close()


RSYSLOG = """\
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
       defaultNetstreamDriverCAFile="{authority.trusted}"
       defaultNetstreamDriverCertFile="{certificate.certificate}"
       defaultNetstreamDriverKeyFile="{certificate.private_key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="line" type="string" string="%pri% %app-name% %msgid% %msg%\\n")
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{folder}/received.log" template="line")
"""


@contextmanager
def rsyslog(folder: Path, port: int, authority: Authority, certificate: Certificate) -> Iterator[Path]:
    """A real rsyslogd, killed without warning at the end of the block; the file that it writes to."""
    configuration = folder / "rsyslog.conf"
    configuration.write_text(RSYSLOG.format(folder=folder, port=port, authority=authority, certificate=certificate))
    command = [require_tool("rsyslogd"), "-n", "-f", str(configuration), "-i", str(folder / "rsyslogd.pid")]
    with (folder / "rsyslogd.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield folder / "received.log"
        finally:
            process.kill()
            process.wait(30)
            (folder / "rsyslogd.pid").unlink(missing_ok=True)
