"""The listening socket: connections become associations of ours, each in threads of its own."""

import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from config.logs import Event, emit, place_of
from config.sections.peers import plain_address
from dicom_node.reception.association_socket import has_input
from dicom_node.reception.waiting import Ended, WaitingConnections
from dicom_node.tls import HandshakeFailure, ListeningContext, handshake_failure

TakeOver = Callable[[Association, socket.socket], None]
TurnedAway = Callable[[str, HandshakeFailure | Ended], None]
"""Told the IP address of a connection that never came to ask for an association, and why."""


FAR_LONGER_S = 24 * 60 * 60.0
"""Than any connection waits: `WaitingConnections` ends it before."""


class ConnectionHandler(RequestHandler):
    """Makes the association of a connection, as pynetdicom does but for what costs time."""

    server: "StorageServer"

    def _create_association(self) -> Association:
        association: Association = super()._create_association()
        # pynetdicom copies every context for every association; negotiation only reads them.
        association.acceptor.supported_contexts = self.server.shared_contexts
        if self.server.take_over is not None:
            self.server.take_over(association, self.request)
        return association


class StorageServer(ThreadedAssociationServer):
    """pynetdicom's server, on a port that several processes share, with the TLS handshake off the accepting thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        ae: AE,
        address: tuple[str, int],
        *,
        handlers: list[Any],
        waiting: WaitingConnections,
        tls: ListeningContext | None,
        shares_port: bool,
    ) -> None:
        self.take_over: TakeOver | None = None
        self.turned_away: TurnedAway | None = None
        self.shared_contexts = ae.supported_contexts
        self._tls = tls
        self._shares_port = shares_port
        self._waiting = waiting
        super().__init__(ae, address, ae.ae_title, [], evt_handlers=handlers, request_handler=ConnectionHandler)

    def server_bind(self) -> None:
        """Share the port with the other receiving processes, if there are any: the system spreads connections."""
        cast(socket.socket, self.socket).setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(self._shares_port))
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept, and no more: a peer that is slow to shake hands must not keep the others waiting."""
        connection, address = cast(socket.socket, self.socket).accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._tls is not None:
            connection = self._tls.current().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, (plain_address(address[0]), address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take every connection; one that waits may be ended for it."""
        self._waiting.enter(request, client_address[0])
        return True

    def service_actions(self) -> None:
        """Between two connections, and at least ten times a second."""
        self._waiting.end_overdue()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own: shake hands where TLS is spoken, and begin the association once it is asked for."""
        try:
            if isinstance(request, ssl.SSLSocket):
                request.settimeout(self.ae.acse_timeout)
                request.do_handshake()
        except OSError as error:
            self._turn_away(request, client_address[0], handshake_failure(error))
            return
        if not self._is_asked(request):
            self._turn_away(request, client_address[0], None)
            return
        request.settimeout(self.ae.network_timeout)  # pynetdicom's reading would wait for ever
        super().finish_request(request, client_address)

    def _is_asked(self, connection: socket.socket) -> bool:
        """Wait for the first byte: an association costs two threads more, and no port scan is worth them."""
        try:
            if not has_input(connection, FAR_LONGER_S):
                return False
            return isinstance(connection, ssl.SSLSocket) or bool(connection.recv(1, socket.MSG_PEEK))
        except (OSError, ValueError):
            return False

    def _turn_away(self, connection: Any, address: str, failure: HandshakeFailure | None) -> None:
        ended = self._waiting.leave(connection)
        if ended is Ended.OVERDUE and failure is not None:
            ended = None
            failure = HandshakeFailure.TOO_SLOW
        self.shutdown_request(connection)
        reason = ended or failure
        if reason is not None and self.turned_away is not None:
            self.turned_away(address, reason)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """No association could be made of a connection: for want of threads, for example. The others go on."""
        error = sys.exception()
        if error is not None:
            emit(Event.ASSOCIATION_BROKEN, host=client_address[0], error=place_of(error))
        with suppress(OSError):
            request.close()

    def serve(self) -> None:
        """Accept connections in a thread until `shutdown`."""
        self.ae._servers.append(self)
        threading.Thread(target=self.serve_forever, args=[0.1], name="accept", daemon=True).start()
