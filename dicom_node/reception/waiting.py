"""Connections that have no association: they have not asked for one yet, or were refused and linger.

Each costs a thread, and nobody knows yet whose it is. There may be so many of one address and so many in all; one more
ends that which has waited longest, of the address that has the most. So a flood crowds itself out, from however many
addresses it comes, and whoever connects meanwhile and asks at once is served.
"""

import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum


class Ended(StrEnum):
    """Why a waiting connection was ended from here."""

    CROWDED_OUT = "too many connections without an association"
    OVERDUE = "asked for no association in time"
    STOPPING = "the node stopped before an association was asked for"


@dataclass
class _Waiting:
    address: str
    since: float
    ended: Ended | None = None


class WaitingConnections:
    """Those of one process, on all its ports."""

    def __init__(self, *, at_most: int, of_one_address: int, longest_s: float) -> None:
        self._at_most = at_most
        self._of_one_address = of_one_address
        self._longest_s = longest_s
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, _Waiting] = {}

    def enter(self, connection: socket.socket, address: str) -> None:
        """A connection was accepted; one that has waited longer may be ended for it."""
        with self._lock:
            self._waiting = {waiting: of for waiting, of in self._waiting.items() if waiting.fileno() != _CLOSED}
            self._waiting[connection] = _Waiting(address=address, since=time.monotonic())
            crowds = Counter(of.address for of in self._waiting.values() if of.ended is None)
            if crowds[address] > self._of_one_address:
                self._end_longest_of(address)
            elif crowds.total() > self._at_most:
                ((largest, _),) = crowds.most_common(1)
                self._end_longest_of(largest)

    def leave(self, connection: socket.socket) -> Ended | None:
        """A connection has its association, or comes to its end; why, when it was ended from here."""
        with self._lock:
            of = self._waiting.pop(connection, None)
            return of.ended if of else None

    def end_overdue(self) -> None:
        """End those that have waited too long, whatever they do meanwhile."""
        oldest = time.monotonic() - self._longest_s
        with self._lock:
            for connection, of in self._waiting.items():
                if of.since < oldest and of.ended is None:
                    self._end(connection, Ended.OVERDUE)

    def end_all(self) -> None:
        """The node stops."""
        with self._lock:
            for connection, of in self._waiting.items():
                if of.ended is None:
                    self._end(connection, Ended.STOPPING)

    def _end_longest_of(self, address: str) -> None:
        crowd = {
            connection: of.since
            for connection, of in self._waiting.items()
            if of.address == address and of.ended is None
        }
        self._end(min(crowd, key=crowd.__getitem__), Ended.CROWDED_OUT)

    def _end(self, connection: socket.socket, why: Ended) -> None:
        """Whoever reads from it meets the end of the stream, and closes it."""
        self._waiting[connection].ended = why
        with suppress(OSError):
            # Not TLS's shutdown, which would take its state from under the thread that reads.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


_CLOSED = -1
"""The file descriptor of a closed socket."""
