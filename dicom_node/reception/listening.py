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
from dicom_node.tls import HandshakeFailure, handshake_failure

MORE_THAN_ASSOCIATIONS = 64
"""Connections that may be open beyond the limit of associations: those that are being told that it is reached."""

TakeOver = Callable[[Association, socket.socket], None]
HandshakeFailed = Callable[[str, HandshakeFailure], None]
"""Told the caller's IP address, and why there is no secure connection with it."""


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
        self, ae: AE, address: tuple[str, int], *, handlers: list[Any], tls: ssl.SSLContext | None, shares_port: bool
    ) -> None:
        self.take_over: TakeOver | None = None
        self.handshake_failed: HandshakeFailed | None = None
        self.shared_contexts = ae.supported_contexts
        self._tls = tls
        self._shares_port = shares_port
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(ae, address, ae.ae_title, [], evt_handlers=handlers, request_handler=ConnectionHandler)

    def server_bind(self) -> None:
        """Share the port with the other receiving processes, if there are any: the system spreads connections."""
        cast(socket.socket, self.socket).setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(self._shares_port))
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept, and no more: a peer that is slow to shake hands must not keep the others waiting."""
        connection, address = cast(socket.socket, self.socket).accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Hang up on a flood before it costs a thread."""
        with self._open_lock:
            self._open = {connection for connection in self._open if connection.fileno() != -1}
            if len(self._open) >= self.ae.maximum_associations + MORE_THAN_ASSOCIATIONS:
                return False
            self._open.add(request)
        return True

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own: shake hands where TLS is spoken, and begin the association."""
        if self._tls is not None:
            try:
                request = self._shake_hands(request, self._tls)
            except OSError as error:
                if self.handshake_failed is not None:
                    self.handshake_failed(client_address[0], handshake_failure(error))
                return
        request.settimeout(self.ae.network_timeout)  # pynetdicom's reading would wait for ever
        super().finish_request(request, client_address)

    def _shake_hands(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        with self._open_lock:  # it counts while it shakes hands: `connection` is an empty shell from here on
            secured = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._open.discard(connection)
            self._open.add(secured)
        secured.settimeout(self.ae.acse_timeout)
        try:
            secured.do_handshake()
        except OSError:
            secured.close()
            raise
        return secured

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
