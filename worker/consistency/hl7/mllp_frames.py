"""Messages out of a stream of MLLP (HL7 Transport Specification, MLLP Release 1): 0x0B, the message, 0x1C 0x0D."""

from collections.abc import Iterator
from dataclasses import dataclass

START, END, CARRIAGE_RETURN = b"\x0b", b"\x1c", b"\r"
MOST_BETWEEN = 1 << 16
"""Bytes outside of any frame, after which whoever sends them does not speak MLLP."""


@dataclass(frozen=True, kw_only=True)
class TooLong:
    """A frame that goes on and on; its beginning, so that it can be answered."""

    beginning: bytes


class Frames:
    """Takes bytes as they come, in whatever pieces, and gives the messages that are whole.

    What lies between two frames is passed over. A frame ends with 0x1C, whether 0x0D follows or not: no character set
    of HL7 has that byte in a text, and some senders leave the carriage return out. A second 0x0B begins the message
    anew: what was before it was broken off.
    """

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._between = 0
        self._frame: bytearray | None = None

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._frame is not None

    @property
    def is_no_mllp(self) -> bool:
        """Whether far too much came without any frame."""
        return self._between > MOST_BETWEEN

    def feed(self, received: bytes) -> Iterator[bytes | TooLong]:
        """The messages that these bytes complete; or `TooLong`, after which nothing more can be told apart."""
        while received:
            if self._frame is None:
                outside, start, received = received.partition(START)
                self._between += len(outside.strip(b"\r\n"))
                if not start:
                    return
                self._frame = bytearray()
            inside, end, received = received.partition(END)
            _, anew, behind = inside.rpartition(START)
            if anew:
                self._frame = bytearray()
            self._frame += behind
            if len(self._frame) > self._longest:
                yield TooLong(beginning=bytes(self._frame[:4096]))
                return
            if end:
                self._between = 0
                whole, self._frame = bytes(self._frame), None
                yield whole
