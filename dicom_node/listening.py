"""The listening socket: connections become associations of ours, each in threads of its own."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

MORE_THAN_ASSOCIATIONS = 64
"""Connections that may be open beyond the limit of associations: those that are being told that it is reached."""

TakeOver = Callable[[Association, socket.socket], None]


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
            request.settimeout(self.ae.acse_timeout)
            secured = self._tls.wrap_socket(request, server_side=True)
            with self._open_lock:
                self._open.discard(request)
                self._open.add(secured)
            request = secured
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that hangs up while it shakes hands, or speaks no TLS, is none of our errors."""
        with suppress(OSError):
            request.close()

    def serve(self) -> None:
        """Accept connections in a thread until `shutdown`."""
        self.ae._servers.append(self)
        threading.Thread(target=self.serve_forever, args=[0.1], name="accept", daemon=True).start()
