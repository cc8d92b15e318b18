"""What was written into the audit trail a moment ago: a page that refreshes itself is not a look every few seconds."""

import threading
from datetime import datetime, timedelta

MOST_REMEMBERED = 20_000
KEPT_FOR = timedelta(minutes=30)


class Recently:
    """Remembers, for one process, which session looked at what; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[tuple[int, str], datetime] = {}

    def is_new(self, sign_in_id: int, what: str, *, now: datetime, within: timedelta) -> bool:
        """Whether this session has not looked at it within this time, at most `KEPT_FOR`; it has now."""
        key = (sign_in_id, what)
        with self._lock:
            last = self._at.get(key)
            if last is not None and now - within < last <= now:
                return False
            if len(self._at) >= MOST_REMEMBERED:
                self._at = {kept: at for kept, at in self._at.items() if now - at < KEPT_FOR}
            if len(self._at) >= MOST_REMEMBERED:
                self._at.clear()  # written down once more, rather than not at all
            self._at[key] = now
            return True
