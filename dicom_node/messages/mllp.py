"""HL7's Minimal Lower Layer Protocol: one message over a connection of its own, and the answer to it.

HL7 Transport Specification, MLLP Release 1: 0x0B, the message, 0x1C 0x0D. The answer is an ACK of the original mode
(HL7 v2.5.1 section 2.9.2): its MSA names our message, and says AA where the receiver has taken responsibility for it.
"""

import socket
import ssl
import time
from dataclasses import dataclass

from config.errors import DeliveryError, RefusedError

START, END = b"\x0b", b"\x1c\r"
CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
LONGEST_ANSWER = 1 << 16

_ACCEPTED = {"AA", "CA"}
"""Application accept, and commit accept of the enhanced mode (table 0008)."""
_REFUSED = {
    "AE": "application error",
    "AR": "application reject",
    "CE": "commit error",
    "CR": "commit reject",
}


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """What the MSA of an answer says; its text, which may name the patient, is never looked at."""

    code: str
    control_id: str


def send_mllp(
    message: bytes,
    control_id: str,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> str:
    """Send one message and wait until it is acknowledged; what was answered.

    Raises
    ------
    DeliveryError
        The receiver is out of reach, or gives no whole answer in time.
    RefusedError
        Its answer does not accept this message.
    """
    receiver = f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with tls.wrap_socket(plain, server_hostname=host) if tls else plain as connection:
                connection.sendall(START + message + END)
                frame = _frame(connection, receiver, until=time.monotonic() + answer_timeout_s)
    except TimeoutError as error:
        raise DeliveryError(f"{receiver}: no answer in time") from error
    except ssl.SSLError as error:
        raise DeliveryError(f"{receiver}: TLS does not come about ({error.reason or 'no reason given'})") from error
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise DeliveryError(f"{receiver}: cannot be reached ({why})") from error
    return _accepted(acknowledgement(frame), control_id, receiver)


def acknowledgement(frame: bytes) -> Acknowledgement | None:
    """What an answer, without its frame, acknowledges; None where it is no HL7 message with an MSA."""
    text = frame.decode("utf-8", "replace").lstrip("\n")
    if not text.startswith("MSH") or len(text) < 8:
        return None
    for line in text.replace("\n", "\r").split("\r"):
        name, *fields = line.split(text[3])
        if name == "MSA" and len(fields) >= 2:
            return Acknowledgement(code=fields[0].strip(), control_id=fields[1].strip())
    return None


def _accepted(answer: Acknowledgement | None, control_id: str, receiver: str) -> str:
    if answer is None:
        raise RefusedError(f"{receiver}: answered with what is no HL7 acknowledgement")
    if answer.code in _REFUSED:
        raise RefusedError(f"{receiver}: answered {answer.code}, {_REFUSED[answer.code]}; its own log says why")
    if answer.code not in _ACCEPTED:
        raise RefusedError(f"{receiver}: answered with an acknowledgement code that HL7 does not know")
    if answer.control_id != control_id:
        raise RefusedError(f"{receiver}: acknowledged another message than {control_id}")
    return answer.code


def _frame(connection: socket.socket, receiver: str, *, until: float) -> bytes:
    """The first frame that comes, without its delimiters; a TimeoutError when none is whole in time."""
    received = b""
    while END not in received:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        some = connection.recv(4096)
        if not some:
            raise DeliveryError(f"{receiver}: hung up without a whole answer")
        received += some
        if len(received) > LONGEST_ANSWER:
            raise DeliveryError(f"{receiver}: answered with more than an acknowledgement can be")
    before, start, frame = received.partition(END)[0].rpartition(START)
    if not start or before.strip():
        raise DeliveryError(f"{receiver}: answered with what is no HL7 acknowledgement")
    return frame
