"""What libraries log of brokers and the like, as events of ours: a line each, and the same one once in a while.

Celery says of a broker that is away a traceback for each wake-up that is due: some million lines in a weekend, none of
which a reader of JSON lines can take apart.
"""

import logging
import time
from collections.abc import Callable

AGAIN_AFTER_S = 60.0
"""The same place in a library is quoted so often at most."""
LONGEST = 300


class LibraryLines(logging.Handler):
    """Hands on, to `say`, the name of a library's logger and the first line of what it says, without a traceback."""

    def __init__(self, say: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(level=logging.WARNING)
        self._say, self._clock = say, clock
        self._said_at: dict[tuple[str, int], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        place, now = (record.name, record.lineno), self._clock()
        if now - self._said_at.get(place, -AGAIN_AFTER_S) < AGAIN_AFTER_S:
            return
        self._said_at[place] = now
        try:
            said = record.getMessage()
        except (TypeError, ValueError):  # its words and their arguments do not fit: no reason to end what it does
            said = str(record.msg)
        self._say(record.name, said.strip().partition("\n")[0][:LONGEST])
