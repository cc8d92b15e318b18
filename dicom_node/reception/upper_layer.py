"""C-STORE at the speed of the network, inside pynetdicom's upper layer.

pynetdicom decodes every PDU into objects, passes them between two threads that poll each other, and reads the socket
4 KiB at a time: half of what a study costs. Here the thread that reads the socket takes a C-STORE message whole,
straight into the file. Whatever else comes (association, release, abort, C-ECHO, N-ACTION, damage) goes through
pynetdicom as ever: this only looks ahead (`p_data`), and consumes what is its own.

It leans on internals of pynetdicom, so it is used with the versions that its tests ran with, and no other.

The threads of an association
-----------------------------
The connection's thread (`listening`) makes the association and starts it; then it ends. From there on there are two:

- The upper layer's thread, `DULServiceProvider.run_reactor` with the methods below. It alone reads the socket, it alone
  writes to it, and it alone runs the state machine (PS3.8 section 9.2). It reads when something has come, and only in
  states that expect something: Sta2 (the association request), Sta6 and after (messages, release, abort), Sta13.
- The association's thread, `Association.run_reactor`. It gets what pynetdicom has read out of `to_user_queue` and
  `dimse.msg_queue`, answers by way of `to_provider_queue`, and notices that the association is idle, released or
  aborted. It looks every millisecond.

With the first C-STORE the peer **stores alone**: the association's thread is halted at `_reactor_checkpoint`, and the
upper layer's waits for the socket (`WAIT_S` at most, then it looks for work of its own) instead of polling it. It
receives the data set into the file, waits for the disk, and sends the answer, all by itself. That ends, and the
association's thread runs again, with

- any PDU that is no C-STORE: it is left in the stream, and pynetdicom reads it;
- a message that breaks off, is broken, or beyond the limits; the end of the stream; an error of the socket;
- the idle timer, which the association's thread answers with an abort;
- an abort of ours (`Association.abort`), which sets the checkpoint itself;
- an error of this software's own, upon which pynetdicom aborts: the other thread is not to wait for ever.

An abort
--------
*Of the peer's*, in the middle of a data set: what came is discarded, and the A-ABORT is read by pynetdicom. *Of ours*:
`abort` only puts an A-ABORT into `to_provider_queue`; the upper layer's thread sends it once the message that it is
receiving ends. Who cannot wait for that shuts the socket down (`Receiver.stop`, `WaitingConnections`): the one thing
that other threads do with it. Reading then ends at once, with the end of the stream. After an A-ABORT was sent (Sta13)
nothing is parsed any more: what comes is dropped, until the peer closes the connection or the ARTIM timer expires.
"""

import socket
from collections.abc import Callable
from typing import Protocol, cast

import pynetdicom
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_ASSOCIATE

from config.logs import Event, emit, place_of
from dicom_node.reception.association_socket import ReadAheadSocket
from dicom_node.reception.p_data import BrokenMessageError, Limits, MessageBrokenOffError, PDataReader, Sink
from dicom_node.reception.store_messages import StoreRequest, read_store_request, store_response

TESTED_VERSIONS = ("3.0.4",)
FITS = pynetdicom.__version__ in TESTED_VERSIONS
"""Whether the installed pynetdicom is one that this module was tested with."""

WAIT_S = 0.05
"""How long the reactor waits for the peer before it looks whether it is to do something of its own."""


class Reception(Sink, Protocol):
    """One data set on its way to the disk (`dicom_node.reception.receive`)."""

    def finish(self) -> tuple[int, str]:
        """It is complete: the status to answer, and a comment."""

    def abandon(self) -> None:
        """It will never be complete."""


BeginStore = Callable[[Association, StoreRequest], Reception]


class StorageUpperLayer(DULServiceProvider):
    """pynetdicom's upper layer, which takes C-STORE messages itself."""

    def __init__(self, association: Association, connection: socket.socket, begin_store: BeginStore, limits: Limits):
        """Become the upper layer of a new acceptor association, before it starts."""
        super().__init__(association)
        association.dul = self
        self._connection = ReadAheadSocket(association, connection, pdu_timeout_s=limits.pdu_s)
        association.set_socket(self._connection)
        self.artim_timer.timeout = association.acse_timeout
        self._idle_timer.timeout = association.network_timeout
        self._messages = PDataReader(self._connection.stream, limits)
        self._begin_store = begin_store
        self._stores_alone = False

    def _is_transport_event(self) -> bool:
        try:
            return self._has_come()
        except Exception as error:  # pynetdicom aborts the association, and says to nobody why
            emit(Event.ASSOCIATION_BROKEN, error=place_of(error), calling_ae_title=self.assoc.requestor.ae_title)
            self._leave_to_pynetdicom()
            raise

    def _has_come(self) -> bool:
        if not (self._stores_alone and self.state_machine.current_state == "Sta6"):
            return super()._is_transport_event()
        while self._connection.has_input(WAIT_S):
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
        self._connection.stream.expect_pdu()
        try:
            if self.state_machine.current_state == "Sta13":
                self._connection.stream.drop()
                return
            if self._takes_store():
                return
            self._leave_to_pynetdicom()
            self._messages.require_within_limits(message_goes_on=self.assoc.dimse.message is not None)
            super()._read_pdu_data()
        except BrokenMessageError:
            self.event_queue.put("Evt19")
        except OSError:
            self._leave_to_pynetdicom()
            self.event_queue.put("Evt17")
        if awaits_request and "Evt6" not in self.event_queue.queue:
            # Port scans and half connections: pynetdicom's other thread would wait for a request until its timeout.
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
                self._messages.read_data_set(request.context_id, reception)
            else:
                self._messages.end_message()
        except MessageBrokenOffError as error:
            self._break_off(reception, str(error))
        except BrokenMessageError as error:
            self._break_off(reception, str(error), event="Evt19")
        except OSError:
            self._break_off(reception, "the connection ended, or stalled, in the middle of a data set", event="Evt17")
        else:
            self._answer(request, reception)
        return True

    def _answer(self, request: StoreRequest, reception: Reception) -> None:
        try:
            status, comment = reception.finish()
        except Exception:
            reception.abandon()
            raise
        self._connection.send(store_response(request, status, comment))

    def _next_store_request(self) -> StoreRequest | None:
        """The C-STORE-RQ that comes next, consumed; None, and nothing consumed, when something else does."""
        if self.state_machine.current_state != "Sta6" or self.assoc.dimse.message is not None:
            return None
        command_set = self._messages.peek_command_set(self.assoc._accepted_cx)
        if command_set is None:
            return None
        request = read_store_request(command_set.context_id, command_set.content)
        if request is not None:
            self._messages.take(command_set)
        return request

    def _break_off(self, reception: Reception, reason: str, *, event: str | None = None) -> None:
        reception.abandon()
        emit(Event.ASSOCIATION_BROKEN, reason=reason, calling_ae_title=self.assoc.requestor.ae_title)
        self._leave_to_pynetdicom()
        if event is not None:
            self.event_queue.put(event)

    def _leave_to_pynetdicom(self) -> None:
        """Wake pynetdicom's other thread: what comes now is for it."""
        if self._stores_alone:
            self._stores_alone = False
            self._run_loop_delay = 0.001
            self.assoc._reactor_checkpoint.set()


def take_over(association: Association, connection: socket.socket, begin_store: BeginStore, timeout_s: float) -> None:
    """Give a new acceptor association this upper layer, before it starts; a PDU may take `timeout_s` to come."""
    limits = Limits(data_pdu_bytes=cast(int, association.acceptor.maximum_length), pdu_s=timeout_s)
    StorageUpperLayer(association, connection, begin_store, limits)
