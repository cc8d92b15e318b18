"""pynetdicom's socket of an association, over a stream that can be looked into before it is read."""

import select
import socket
import ssl
import struct

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from dicom_node.reception.read_ahead import ReadAhead


class ReadAheadSocket(AssociationSocket):
    """The socket of one association. What it receives is in `stream`, and pynetdicom reads it from there as well."""

    def __init__(self, association: Association, connection: socket.socket, *, pdu_timeout_s: float) -> None:
        super().__init__(association, client_socket=connection)
        if isinstance(connection, ssl.SSLSocket):
            # Python's timeouts: of the system's, the ssl module takes no notice, and would wait for ever.
            connection.settimeout(pdu_timeout_s)
        else:
            _set_system_timeouts(connection, pdu_timeout_s)
        self.stream = ReadAhead(self._receive_into, pdu_timeout_s=pdu_timeout_s)

    def has_input(self, wait_s: float) -> bool:
        """Whether something can be read, at the latest after `wait_s`; also true at the end of the stream.

        Raises
        ------
        OSError, ValueError
            Another thread is closing the socket.
        """
        if self.stream.has_buffered:
            return True
        connection = self.socket
        return connection is not None and has_input(connection, wait_s)

    @property
    def ready(self) -> bool:
        """Whether something can be read at once; pynetdicom's reactor asks."""
        if not self.stream.has_buffered and (self.socket is None or self._is_connected is False):
            return False
        try:
            return self.has_input(0)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Exactly so many bytes, fewer at the end of the stream; pynetdicom's own reading."""
        content = bytearray(nr_bytes)
        view, count = memoryview(content), 0
        while count < nr_bytes:
            try:
                count += self.stream.read_into(view[count:])
            except ConnectionResetError:
                break
        view.release()
        return content[:count]

    def _receive_into(self, target: memoryview) -> int:
        connection = self.socket
        return 0 if connection is None else connection.recv_into(target)


def has_input(connection: socket.socket, wait_s: float) -> bool:
    """Whether something can be read from a connection, at the latest after `wait_s`; also true at its end.

    Raises
    ------
    OSError, ValueError
        Another thread is closing the socket.
    """
    if isinstance(connection, ssl.SSLSocket) and connection.pending():
        return True
    poll = select.poll()  # unlike select, for any number of open files
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def _set_system_timeouts(connection: socket.socket, seconds: float) -> None:
    """The system's own timeouts: Python's would ask before each read whether there is something to read."""
    connection.settimeout(None)
    whole, part = divmod(seconds, 1)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(whole), int(part * 1e6)))
