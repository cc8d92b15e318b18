"""Refused associations, in the audit trail or in the log: each of the first, and of a flood how many more there were.

Whoever can reach the port can be refused as often as it likes; neither must fill the disk for it, nor hide what else
happens in the meantime.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

from db.lifecycle.received import ELSEWHERE
from dicom_node.audit.events import RemoteAE

WINDOW_S = 60.0
ADDRESSES = 100
"""So many addresses are told apart in one window; those of a flood from more are counted together."""


class Refusals:
    """Of one process; safe for several threads."""

    def __init__(self, tell: Callable[[RemoteAE, str], None], *, told_each: int) -> None:
        """Give callers and reasons to `tell`: of an address at most `told_each` in a window, then the sum of others."""
        self._tell = tell
        self._told_each = told_each
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._window_ends_at = time.monotonic() + WINDOW_S

    def note(self, caller: RemoteAE, *, reason: str) -> None:
        """A caller was refused; `reason` is free of PHI."""
        self.sum_up()
        with self._lock:
            is_known = caller.address in self._counts or len(self._counts) < ADDRESSES
            address = caller.address if is_known else ELSEWHERE
            self._counts[address] += 1
            is_told = is_known and self._counts[address] <= self._told_each
        if is_told:
            self._tell(caller, reason)

    def sum_up(self, *, now: bool = False) -> None:
        """Tell what was not told one by one, once the window is over; `now`: whether it is or not."""
        with self._lock:
            if not now and time.monotonic() < self._window_ends_at:
                return
            counts, self._counts = self._counts, Counter()
            self._window_ends_at = time.monotonic() + WINDOW_S
        for address, count in counts.items():
            more = count - (0 if address == ELSEWHERE else self._told_each)
            if more > 0:
                caller = RemoteAE(ae_title="", address=address)
                self._tell(caller, f"{more} more refused within {WINDOW_S:g} s")
