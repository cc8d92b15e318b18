"""The P-DATA-TF PDUs of an association (PS3.8 section 9.3.5, annex E), read from a stream: command sets and data sets.

A DIMSE message is a command set and mostly a data set; each comes in fragments, one or more of them in a PDU. This
module knows no pynetdicom and no thread: it takes a stream, checks what PS3.8 asks of each PDU, and hands out what the
fragments hold. What it does not take as its own stays in the stream, untouched, for somebody else to read.
"""

import struct
from collections.abc import Container
from dataclasses import dataclass
from typing import Protocol

from dicom_node.reception.read_ahead import READ_AHEAD_BYTES, ReadAhead

P_DATA_TF = 0x04
COMMAND, LAST = 0x01, 0x02
"""Bits of the message control header (PS3.8 section E.2); the others are not looked at, as it says."""
HEADER_BYTES = 6
"""Of a PDU: type, reserved, length (4). And of an item in it: length (4), presentation context ID, control header."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one peer may make us hold or wait for. Beyond it is damage, or an attack; it ends the association.

    A data set has no limit but the disk's (`Spool.require_room`): it is never held in memory.
    """

    data_pdu_bytes: int
    """Of a P-DATA-TF: the maximum length that we announce (PS3.8 section D.1)."""
    pdu_s: float
    """Seconds that one PDU, or one command set, may take to come, however it is dripped."""
    control_pdu_bytes: int = 1024 * 1024
    """Of any other PDU: no association request, release or abort is larger."""
    command_set_bytes: int = 4096
    """Of a command set that is looked into before it is read; with its headers, at most `READ_AHEAD_BYTES`."""
    other_message_bytes: int = 32 * 1024 * 1024
    """Of a message that pynetdicom puts together in memory: any that is no C-STORE-RQ. A request for the storage
    commitment of 100,000 instances has 15 MB."""


class MessageBrokenOffError(Exception):
    """The peer stopped in the middle of a data set; what it sends instead is still in the stream."""


class BrokenMessageError(Exception):
    """What the peer sends is not what PS3.8 lets follow in a P-DATA-TF, or is beyond the limits."""


class Sink(Protocol):
    """Where a data set goes."""

    def room(self) -> memoryview:
        """Where its next bytes go: at least one."""

    def advance(self, count: int) -> None:
        """So many bytes were put there."""


@dataclass(frozen=True, kw_only=True)
class CommandSet:
    """A whole command set that comes next in a stream, and is still in it."""

    context_id: int
    content: bytes
    stream_bytes: int
    """With the headers of its PDUs and items."""
    left_in_pdu: int
    """What follows it in its last PDU."""


class PDataReader:
    """Reads the messages of one association."""

    def __init__(self, stream: ReadAhead, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._left_in_pdu = 0
        self._other_message_bytes = 0

    def peek_command_set(self, context_ids: Container[int]) -> CommandSet | None:
        """The command set that comes next, if it does, in one of these presentation contexts; nothing is consumed.

        Raises
        ------
        OSError
            The stream ended, or it did not come in time.
        """
        at = left = 0
        content, context = b"", None
        while True:
            if not left:
                head = self._look(at, HEADER_BYTES)
                if head is None:
                    return None
                pdu_type, left = struct.unpack(">BxL", head)
                if pdu_type != P_DATA_TF or not HEADER_BYTES <= left <= self._limits.data_pdu_bytes:
                    return None
                at += HEADER_BYTES
            head = self._look(at, HEADER_BYTES) if left >= HEADER_BYTES else None
            if head is None:
                return None
            length, context_id, control = struct.unpack(">LBB", head)
            if not 2 <= length <= left - 4 or not control & COMMAND or context_id not in context_ids:
                return None
            if context not in (None, context_id) or len(content) + length - 2 > self._limits.command_set_bytes:
                return None
            fragment = self._look(at + HEADER_BYTES, length - 2)
            if fragment is None:
                return None
            content += fragment
            context = context_id
            at += length + 4
            left -= length + 4
            if control & LAST:
                return CommandSet(context_id=context_id, content=content, stream_bytes=at, left_in_pdu=left)

    def take(self, command_set: CommandSet) -> None:
        """Consume what `peek_command_set` has shown."""
        self._stream.skip(command_set.stream_bytes)
        self._left_in_pdu = command_set.left_in_pdu

    def read_data_set(self, context_id: int, sink: Sink) -> None:
        """Put the data set that follows a command set into `sink`, to its last fragment.

        Raises
        ------
        MessageBrokenOffError
            Another PDU comes instead; it is still in the stream.
        BrokenMessageError
            What comes is no data set of this presentation context, or is beyond the limits.
        OSError
            The stream ended, or a PDU did not come in time.
        """
        last = False
        while not last:
            if not self._left_in_pdu:
                self._left_in_pdu = self._next_data_pdu()
            length, item_context_id, control = self._next_item()
            if item_context_id != context_id or control & COMMAND:
                raise BrokenMessageError("a data set is interrupted by another message")
            self._read_fragment(length - 2, sink)
            last = bool(control & LAST)
        self.end_message()

    def end_message(self) -> None:
        """A message is complete.

        Raises
        ------
        BrokenMessageError
            Its last PDU goes on.
        """
        if self._left_in_pdu:
            raise BrokenMessageError("something follows the last fragment of a message in its PDU")

    def require_within_limits(self, *, message_goes_on: bool) -> None:
        """Look at the length of the next PDU, which pynetdicom is to read into memory.

        `message_goes_on`: whether it has a part of a message already, that this PDU belongs to.

        Raises
        ------
        BrokenMessageError
            The PDU, or the message with it, is beyond the limits.
        OSError
            The stream ended, or the header did not come in time.
        """
        pdu_type, length = struct.unpack(">BxL", self._stream.peek(HEADER_BYTES))
        if pdu_type != P_DATA_TF:
            if length > self._limits.control_pdu_bytes:
                raise BrokenMessageError(f"a PDU of type 0x{pdu_type:02X} and {length} bytes")
            return
        self._other_message_bytes = length + (self._other_message_bytes if message_goes_on else 0)
        if length > self._limits.data_pdu_bytes or self._other_message_bytes > self._limits.other_message_bytes:
            raise BrokenMessageError(f"a P-DATA-TF of {length} bytes, a message of {self._other_message_bytes}")

    def _look(self, at: int, count: int) -> memoryview | None:
        end = at + count
        return self._stream.peek(end)[at:] if end <= READ_AHEAD_BYTES else None

    def _next_data_pdu(self) -> int:
        self._stream.expect_pdu()
        pdu_type, length = struct.unpack(">BxL", self._stream.peek(HEADER_BYTES))
        if pdu_type != P_DATA_TF:
            raise MessageBrokenOffError(f"a PDU of type 0x{pdu_type:02X} in the middle of a data set")
        if not HEADER_BYTES <= length <= self._limits.data_pdu_bytes:
            raise BrokenMessageError(f"a P-DATA-TF of {length} bytes")
        self._stream.skip(HEADER_BYTES)
        return int(length)

    def _next_item(self) -> tuple[int, int, int]:
        if self._left_in_pdu < HEADER_BYTES:
            raise BrokenMessageError("a P-DATA-TF ends inside the head of an item")
        length, context_id, control = struct.unpack(">LBB", self._stream.peek(HEADER_BYTES))
        if not 2 <= length <= self._left_in_pdu - 4:
            raise BrokenMessageError("an item of a P-DATA-TF reaches beyond its PDU")
        self._stream.skip(HEADER_BYTES)
        self._left_in_pdu -= length + 4
        return length, context_id, control

    def _read_fragment(self, size: int, sink: Sink) -> None:
        while size:
            count = self._stream.read_into(sink.room()[:size])
            sink.advance(count)
            size -= count
