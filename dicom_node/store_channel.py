"""C-STORE requests over an association that pynetdicom has opened, past its threads: one write and one read for each.

pynetdicom's own way costs three handovers between threads, each of which waits for a clock, and puts every command set
together from elements. It opens the association before this, and ends it after.
"""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from pynetdicom.association import Association

from dicom_node.reception.association_socket import has_input
from dicom_node.reception.p_data import COMMAND, HEADER_BYTES, LAST, P_DATA_TF
from dicom_node.reception.store_messages import (
    StoreRequest,
    StoreResponse,
    read_store_response,
    store_request,
)

UNLIMITED_PDU_BYTES = 128 * 1024
"""What we send at once to a peer that names no maximum length (PS3.8 section D.1: 0)."""
WRITE_BYTES = 256 * 1024
LONGEST_ANSWER = 64 * 1024
"""Of a PDU with an answer: a command set without a data set has some hundred bytes."""
LAST_MESSAGE_ID = 0xFFFF


class StoreChannel:
    """The connection of an association, while it is ours."""

    def __init__(self, connection: socket.socket, *, maximum_pdu_bytes: int, answer_timeout_s: float) -> None:
        self._connection = connection
        longest = (maximum_pdu_bytes or UNLIMITED_PDU_BYTES) - HEADER_BYTES
        self._fragment_bytes = longest - longest % 2  # an even number each, as the whole has (PS3.8 annex E)
        self._answer_timeout_s = answer_timeout_s
        self._message_id = 0
        self.is_broken = False
        """Nothing more can be sent: the peer is gone, or says what we do not understand."""

    @property
    def is_usable(self) -> bool:
        """Whether an object can be sent: what a peer says without being asked is that the association is over."""
        try:
            return not self.is_broken and not has_input(self._connection, 0)
        except (OSError, ValueError):
            return False

    def store(
        self, context_id: int, sop_class_uid: str, sop_instance_uid: str, data_set: BinaryIO, length: int
    ) -> StoreResponse | None:
        """Send one object, the `length` bytes that come next in `data_set`, and wait for the answer; None: none comes.

        Raises
        ------
        OSError
            `data_set` cannot be read. The object is unfinished: nothing more can be sent.
        """
        self._message_id = self._message_id % LAST_MESSAGE_ID + 1
        request = StoreRequest(
            context_id=context_id,
            message_id=self._message_id,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            has_data_set=length > 0,
        )
        self.is_broken = True  # until it is answered
        pdus: list[bytes] = []
        for pdu in self._pdus(request, data_set, length):
            pdus.append(pdu)
            if len(pdus) * self._fragment_bytes >= WRITE_BYTES:
                if not self._write(b"".join(pdus)):
                    return None
                pdus.clear()
        if not self._write(b"".join(pdus)):
            return None
        answer = self._read_answer(context_id)
        self.is_broken = answer is None
        return answer

    def _pdus(self, request: StoreRequest, data_set: BinaryIO, length: int) -> Iterator[bytes]:
        """One item a PDU, no longer than the peer takes (PS3.8 annex D); an odd data set gets a null byte more.

        Deflated data sets come so: PS3.5 section A.5 has the stream padded, and DCMTK, for one, does not in files.
        Peers abort an association in which an odd number of bytes comes.
        """
        yield _pdu(request.context_id, COMMAND | LAST, store_request(request))
        left = length + length % 2
        while left:
            fragment = data_set.read(min(left, self._fragment_bytes))
            if len(fragment) == left - 1 and length % 2:
                fragment += b"\0"
            if not fragment:
                raise OSError("the file ends before its data set")
            left -= len(fragment)
            yield _pdu(request.context_id, 0 if left else LAST, fragment)

    def _write(self, content: bytes) -> bool:
        try:
            self._connection.settimeout(self._answer_timeout_s)
            self._connection.sendall(content)
        except OSError:
            return False
        return True

    def _read_answer(self, context_id: int) -> StoreResponse | None:
        """The C-STORE-RSP to our last request; None where the peer is gone, says something else, or nothing in time."""
        until, command_set, last = time.monotonic() + self._answer_timeout_s, b"", False
        try:
            while not last:
                pdu_type, length = struct.unpack(">BxL", self._read(HEADER_BYTES, until))
                if pdu_type != P_DATA_TF or not HEADER_BYTES <= length <= LONGEST_ANSWER:
                    return None
                items = self._read(length, until)
                while items:
                    if len(items) < HEADER_BYTES:
                        return None
                    size, context, control = struct.unpack_from(">LBB", items)
                    if not 2 <= size <= len(items) - 4 or context != context_id or not control & COMMAND:
                        return None
                    command_set += items[HEADER_BYTES : size + 4]
                    items, last = items[size + 4 :], bool(control & LAST)
        except OSError:
            return None
        return read_store_response(command_set, self._message_id)

    def _read(self, count: int, until: float) -> bytes:
        content = b""
        while len(content) < count:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(left_s)
            some = self._connection.recv(count - len(content))
            if not some:
                raise ConnectionResetError
            content += some
        return content


@contextmanager
def store_channel(association: Association, *, answer_timeout_s: float) -> Iterator[StoreChannel]:
    """The connection of an established association, taken from pynetdicom's threads until the end of the block.

    One that is broken is aborted then.
    """
    held = association.dul.socket
    if held is None or held.socket is None:
        raise ConnectionResetError("the association has ended")
    connection, timeout = held.socket, held.socket.gettimeout()
    # pynetdicom waits so, too, before it sends itself: its reactor would take the answer.
    association._reactor_checkpoint.clear()
    while not association._is_paused and association.is_alive():
        time.sleep(0.0001)
    association.dul.socket = _NotReady(held)  # type: ignore[assignment]
    channel = StoreChannel(
        connection,
        maximum_pdu_bytes=association.acceptor.maximum_length or 0,
        answer_timeout_s=answer_timeout_s,
    )
    try:
        yield channel
    finally:
        if connection.fileno() >= 0:
            connection.settimeout(timeout)
        association.dul.socket = held
        association.dul._idle_timer.restart()
        association._reactor_checkpoint.set()
        if channel.is_broken and association.is_established:
            association.abort()


class _NotReady:
    """A connection that never has anything to read, for the thread that looks for it; all else is as it is."""

    ready = False

    def __init__(self, held: Any) -> None:
        self._held = held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)


def _pdu(context_id: int, control: int, fragment: bytes) -> bytes:
    item = struct.pack(">LBB", len(fragment) + 2, context_id, control)
    return struct.pack(">BBL", P_DATA_TF, 0, len(item) + len(fragment)) + item + fragment
