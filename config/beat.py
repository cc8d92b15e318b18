"""Beat's clock: it wakes nobody by a queue that nobody empties."""

import time
from typing import Any

from celery.beat import ScheduleEntry, Scheduler

from config.broker import queues_with_room

ASKED_EVERY_S = 60.0
"""Beat adds a dozen wake-ups to a queue meanwhile; each time it would be a connection every few seconds."""


class SparingScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """In memory: what is due every few seconds needs no file, which a bad moment could leave damaged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._had_room_at: dict[str, float] = {}

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send what is due; unless its queue is full, or the broker away, as it comes again soon."""
        queue = self.app.conf.task_routes[entry.task]["queue"]
        now = time.monotonic()
        if now - self._had_room_at.get(queue, -ASKED_EVERY_S) >= ASKED_EVERY_S:
            if not queues_with_room(self.app, [queue]):
                return
            self._had_room_at[queue] = now
        super().apply_entry(entry, producer=producer)
