"""pynetdicom's socket, made to be looked into before it is read, and read in large pieces."""

import select
import socket
import ssl
import struct
import time

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

READ_AHEAD_BYTES = 64 * 1024


class ReadAheadSocket(AssociationSocket):
    """A socket that can be looked into before it is read, and reads in large pieces."""

    def __init__(self, association: Association, connection: socket.socket, *, pdu_timeout_s: float) -> None:
        super().__init__(association, client_socket=connection)
        if isinstance(connection, ssl.SSLSocket):
            # Python's timeouts: of the system's, the ssl module takes no notice, and would wait for ever.
            connection.settimeout(pdu_timeout_s)
        else:
            _set_system_timeouts(connection, pdu_timeout_s)
        self._pdu_timeout_s = pdu_timeout_s
        self._due_at = time.monotonic() + pdu_timeout_s
        self._buffer = memoryview(bytearray(READ_AHEAD_BYTES))
        self._start = self._end = 0

    def expect_pdu(self) -> None:
        """A PDU begins: all of it has to come within the timeout, however the peer drips it."""
        self._due_at = time.monotonic() + self._pdu_timeout_s

    def has_input(self, wait_s: float) -> bool:
        """Whether something can be read, at the latest after `wait_s`; also true at the end of the stream."""
        if self._start < self._end:
            return True
        connection = self.socket
        if connection is None:
            return False
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        poll = select.poll()  # unlike select, for any number of open files
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(wait_s * 1000))

    @property
    def ready(self) -> bool:
        """Whether something can be read at once; pynetdicom's reactor asks."""
        if self._start == self._end and (self.socket is None or self._is_connected is False):
            return False
        try:
            return self.has_input(0)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False

    def peek(self, count: int) -> memoryview:
        """The next bytes, left where they are.

        Raises
        ------
        OSError
            The stream ended, or they did not come in time.
        """
        while self._end - self._start < count:
            self._fill()
        return self._buffer[self._start : self._start + count]

    def skip(self, count: int) -> None:
        """Consume what `peek` has shown."""
        self._start += count

    def drop(self) -> None:
        """Forget what has come.

        Raises
        ------
        OSError
            The stream ended.
        """
        if self._start == self._end:
            self._fill()
        self._start = self._end

    def read_into(self, target: memoryview) -> int:
        """Put the next bytes into `target`, as many as there are, at least one; how many.

        Raises
        ------
        OSError
            The stream ended, or nothing came in time.
        """
        if self._start == self._end:
            if len(target) >= READ_AHEAD_BYTES:
                return self._receive_into(target)
            self._fill()
        count = min(len(target), self._end - self._start)
        target[:count] = self._buffer[self._start : self._start + count]
        self._start += count
        return count

    def recv(self, nr_bytes: int) -> bytearray:
        """Exactly so many bytes, fewer at the end of the stream; pynetdicom's own reading."""
        content = bytearray(nr_bytes)
        view, count = memoryview(content), 0
        while count < nr_bytes:
            try:
                count += self.read_into(view[count:])
            except ConnectionResetError:
                break
        view.release()
        return content[:count]

    def _fill(self) -> None:
        if self._start:
            waiting = self._end - self._start
            self._buffer[:waiting] = self._buffer[self._start : self._end]
            self._start, self._end = 0, waiting
        self._end += self._receive_into(self._buffer[self._end :])

    def _receive_into(self, target: memoryview) -> int:
        if self.socket is None:
            raise ConnectionResetError("closed")
        count = self.socket.recv_into(target)
        if not count:
            raise ConnectionResetError("the peer closed the connection")
        if time.monotonic() > self._due_at:
            raise TimeoutError("the PDU did not come in time")
        return count


def _set_system_timeouts(connection: socket.socket, seconds: float) -> None:
    """The system's own timeouts: Python's would ask before each read whether there is something to read."""
    connection.settimeout(None)
    whole, part = divmod(seconds, 1)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(whole), int(part * 1e6)))
