"""A stream of bytes that can be looked into before it is read, and that is read in large pieces."""

import time
from collections.abc import Callable

READ_AHEAD_BYTES = 64 * 1024
"""As far as it can be looked into."""

ReceiveInto = Callable[[memoryview], int]
"""`socket.recv_into`, or what behaves like it: at least one byte, 0 at the end of the stream, OSError when it fails."""


class ReadAhead:
    """What a peer sends, for one reader."""

    def __init__(self, receive_into: ReceiveInto, *, pdu_timeout_s: float) -> None:
        self._receive = receive_into
        self._pdu_timeout_s = pdu_timeout_s
        self._due_at = time.monotonic() + pdu_timeout_s
        self._buffer = memoryview(bytearray(READ_AHEAD_BYTES))
        self._start = self._end = 0

    @property
    def has_buffered(self) -> bool:
        """Whether there are bytes that have come and were not read."""
        return self._start < self._end

    def expect_pdu(self) -> None:
        """A PDU begins: all of it has to come within the timeout, however the peer drips it."""
        self._due_at = time.monotonic() + self._pdu_timeout_s

    def peek(self, count: int) -> memoryview:
        """The next bytes, at most `READ_AHEAD_BYTES`, left where they are; valid until the next call.

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
        if not self.has_buffered:
            self._fill()
        self._start = self._end

    def read_into(self, target: memoryview) -> int:
        """Put the next bytes into `target`, as many as there are, at least one; how many.

        Raises
        ------
        OSError
            The stream ended, or nothing came in time.
        """
        if not self.has_buffered:
            if len(target) >= READ_AHEAD_BYTES:
                return self._receive_into(target)
            self._fill()
        count = min(len(target), self._end - self._start)
        target[:count] = self._buffer[self._start : self._start + count]
        self._start += count
        return count

    def _fill(self) -> None:
        if self._start:
            waiting = self._end - self._start
            self._buffer[:waiting] = self._buffer[self._start : self._end]
            self._start, self._end = 0, waiting
        self._end += self._receive_into(self._buffer[self._end :])

    def _receive_into(self, target: memoryview) -> int:
        count = self._receive(target)
        if not count:
            raise ConnectionResetError("the peer closed the connection")
        if time.monotonic() > self._due_at:
            raise TimeoutError("the PDU did not come in time")
        return count
