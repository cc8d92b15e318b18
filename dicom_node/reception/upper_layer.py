"""C-STORE at the speed of the network, inside pynetdicom's upper layer.

pynetdicom decodes every PDU into objects, passes them between two threads that poll each other, and reads the socket
4 KiB at a time: half of what a study costs. Here the thread that owns the socket takes a C-STORE message whole,
straight into the file. It checks what PS3.8 asks of each PDU on the way. Whatever else comes (association, release,
abort, C-ECHO, N-ACTION, damage) goes through pynetdicom as ever: this only looks ahead, and consumes what is its own.

It leans on internals of pynetdicom, so it is used with the versions that its tests ran with, and no other.
"""

import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast

import pynetdicom
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_ASSOCIATE

from config.logs import Event, emit
from dicom_node.reception.read_ahead import ReadAheadSocket
from dicom_node.reception.store_messages import (
    COMMAND,
    LAST,
    P_DATA_TF,
    StoreRequest,
    read_store_request,
    store_response,
)

TESTED_VERSIONS = ("3.0.4",)
FITS = pynetdicom.__version__ in TESTED_VERSIONS
"""Whether the installed pynetdicom is one that this module was tested with."""

LARGEST_CONTROL_PDU = 1024 * 1024
"""No association request, release or abort is larger; a length beyond it is damage, or an attack on the memory."""
LARGEST_COMMAND_SET = 4096
LARGEST_OTHER_MESSAGE = 32 * 1024 * 1024
"""Of messages that are no C-STORE; a request for the storage commitment of 100,000 instances has 15 MB."""
PDU_HEADER_BYTES, ITEM_HEADER_BYTES = 6, 6
WAIT_S = 0.05
"""How long the reactor waits for the peer before it looks whether it is to do something of its own."""


class Reception(Protocol):
    """One data set on its way to the disk (`dicom_node.reception.receive`)."""

    def room(self) -> memoryview:
        """Where its next bytes go."""

    def advance(self, count: int) -> None:
        """So many bytes were put there."""

    def finish(self) -> tuple[int, str]:
        """It is complete: the status to answer, and a comment."""

    def abandon(self) -> None:
        """It will never be complete."""


BeginStore = Callable[[Association, StoreRequest], Reception]


class MessageBrokenOffError(Exception):
    """The peer stopped in the middle of a data set; what it sent instead is pynetdicom's to answer."""


class BrokenMessageError(Exception):
    """What the peer sent is not what PS3.8 lets follow in a P-DATA-TF."""


class StorageUpperLayer(DULServiceProvider):
    """pynetdicom's upper layer, which takes C-STORE messages itself."""

    stream: ReadAheadSocket
    """The same as `socket`, which pynetdicom sets."""

    def __init__(self, association: Association, begin_store: BeginStore) -> None:
        super().__init__(association)
        self._begin_store = begin_store
        self._left_in_pdu = 0
        self._held_by_pynetdicom = 0
        self._stores_alone = False
        """The peer does nothing but store: pynetdicom's other thread rests, and this one waits instead of polling."""

    def _is_transport_event(self) -> bool:
        if not (self._stores_alone and self.state_machine.current_state == "Sta6"):
            return super()._is_transport_event()
        while self.stream.has_input(WAIT_S):
            self._read_pdu_data()
            # On to the next message without a pause, unless there is something else to do first.
            if self.event_queue.queue or self.to_provider_queue.queue or not self._stores_alone or self._kill_thread:
                return True
            self._idle_timer.restart()
        if self._idle_timer.expired:
            self._leave_to_pynetdicom()  # whose other thread ends idle associations
        return False

    def _read_pdu_data(self) -> None:
        awaits_request = self.state_machine.current_state == "Sta2"
        self.stream.expect_pdu()
        try:
            if self.state_machine.current_state == "Sta13":
                self.stream.drop()  # aborted: whatever still comes until the peer hangs up, or its time is over
                return
            if self._takes_store():
                return
            self._leave_to_pynetdicom()
            if self._is_beyond_measure() or self._is_too_much_for_memory():
                self.event_queue.put("Evt19")
            else:
                super()._read_pdu_data()
        except OSError:
            self._leave_to_pynetdicom()
            self.event_queue.put("Evt17")
        if awaits_request and "Evt6" not in self.event_queue.queue:
            # Port scans and half connections: pynetdicom's other thread would wait half a minute for a request.
            self.to_user_queue.put(cast(A_ASSOCIATE, None))

    def _takes_store(self) -> bool:
        """Receive one C-STORE message, if that is what comes next, and answer it."""
        request = self._next_store_request()
        if request is None:
            return False
        if not self._stores_alone:
            self._stores_alone = True
            self._run_loop_delay = 0
            self.assoc._reactor_checkpoint.clear()
        reception = self._begin_store(self.assoc, request)
        try:
            if request.has_data_set:
                self._receive_data_set(request.context_id, reception)
        except MessageBrokenOffError as error:
            self._break_off(reception, str(error))
        except BrokenMessageError as error:
            self._break_off(reception, str(error), event="Evt19")
        except OSError:
            self._break_off(reception, "the connection ended, or stalled, in the middle of a data set", event="Evt17")
        else:
            self.stream.send(store_response(request, *reception.finish()))
        return True

    def _break_off(self, reception: Reception, reason: str, *, event: str | None = None) -> None:
        reception.abandon()
        emit(Event.ASSOCIATION_BROKEN, reason=reason, calling_ae_title=self.assoc.requestor.ae_title)
        self._leave_to_pynetdicom()
        if event is not None:
            self.event_queue.put(event)

    def _next_store_request(self) -> StoreRequest | None:
        """The C-STORE-RQ that comes next, consumed; None, and nothing consumed, when something else does."""
        if self.state_machine.current_state != "Sta6" or self.assoc.dimse.message is not None:
            return None
        head = PDU_HEADER_BYTES + ITEM_HEADER_BYTES
        pdu_type, pdu_length = struct.unpack_from(">BxL", self.stream.peek(PDU_HEADER_BYTES))
        if pdu_type != P_DATA_TF or not ITEM_HEADER_BYTES <= pdu_length <= self.assoc.acceptor.maximum_length:
            return None
        item_length, context_id, control = struct.unpack_from(">LBB", self.stream.peek(head), PDU_HEADER_BYTES)
        size = item_length - 2
        if control != COMMAND | LAST or not 0 < size <= LARGEST_COMMAND_SET or item_length + 4 > pdu_length:
            return None
        if context_id not in self.assoc._accepted_cx:
            return None
        request = read_store_request(context_id, bytes(self.stream.peek(head + size)[head:]))
        if request is not None:
            self.stream.skip(head + size)
            self._left_in_pdu = pdu_length - item_length - 4
        return request

    def _receive_data_set(self, context_id: int, reception: Reception) -> None:
        """The items of a data set (PS3.8 section 9.3.5.1 and annex E), to the last one."""
        last = False
        while not last:
            if not self._left_in_pdu:
                self._left_in_pdu = self._next_data_pdu()
            length, item_context_id, control = struct.unpack(">LBB", self.stream.peek(ITEM_HEADER_BYTES))
            if not 2 <= length <= self._left_in_pdu - 4:
                raise BrokenMessageError("an item of a P-DATA-TF reaches beyond its PDU")
            if item_context_id != context_id or control & COMMAND:
                raise BrokenMessageError("a data set is interrupted by another message")
            self.stream.skip(ITEM_HEADER_BYTES)
            self._left_in_pdu -= length + 4
            self._receive_fragment(length - 2, reception)
            last = bool(control & LAST)
        if self._left_in_pdu:
            raise BrokenMessageError("something follows the last fragment of a data set in its PDU")

    def _receive_fragment(self, size: int, reception: Reception) -> None:
        while size:
            count = self.stream.read_into(reception.room()[:size])
            reception.advance(count)
            size -= count

    def _next_data_pdu(self) -> int:
        self.stream.expect_pdu()
        pdu_type, length = struct.unpack_from(">BxL", self.stream.peek(PDU_HEADER_BYTES))
        if pdu_type != P_DATA_TF:
            raise MessageBrokenOffError(f"a PDU of type 0x{pdu_type:02X} in the middle of a data set")
        if not ITEM_HEADER_BYTES <= length <= self.assoc.acceptor.maximum_length:
            raise BrokenMessageError(f"a P-DATA-TF of {length} bytes")
        self.stream.skip(PDU_HEADER_BYTES)
        return int(length)

    def _is_beyond_measure(self) -> bool:
        pdu_type, length = struct.unpack_from(">BxL", self.stream.peek(PDU_HEADER_BYTES))
        largest = self.assoc.acceptor.maximum_length if pdu_type == P_DATA_TF else LARGEST_CONTROL_PDU
        return bool(length > largest)

    def _is_too_much_for_memory(self) -> bool:
        """Whether a message that pynetdicom puts together in memory grows beyond what any honest one has."""
        pdu_type, length = struct.unpack_from(">BxL", self.stream.peek(PDU_HEADER_BYTES))
        if pdu_type != P_DATA_TF:
            return False
        goes_on = self.assoc.dimse.message is not None
        self._held_by_pynetdicom = length + (self._held_by_pynetdicom if goes_on else 0)
        return bool(self._held_by_pynetdicom > LARGEST_OTHER_MESSAGE)

    def _leave_to_pynetdicom(self) -> None:
        """Wake pynetdicom's other thread: what comes now is for it."""
        if self._stores_alone:
            self._stores_alone = False
            self._run_loop_delay = 0.001
            self.assoc._reactor_checkpoint.set()


def take_over(association: Association, connection: socket.socket, begin_store: BeginStore, timeout_s: float) -> None:
    """Give a new acceptor association this upper layer, before it starts."""
    upper_layer = StorageUpperLayer(association, begin_store)
    association.dul = upper_layer
    upper_layer.stream = ReadAheadSocket(association, connection, pdu_timeout_s=timeout_s)
    association.set_socket(upper_layer.stream)
