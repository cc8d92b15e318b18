"""Answers that are kept for a moment: a crowd that asks at once costs as much as one."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Kept(Generic[Answer]):
    """What a function answers, asked at most once in so many seconds, by one thread at a time."""

    def __init__(self, ask: Callable[[], Answer], *, for_s: float) -> None:
        self._ask = ask
        self._for_s = for_s
        self._lock = threading.Lock()
        self._kept: tuple[float, Answer] | None = None

    def get(self) -> Answer:
        """The answer, as old as it may be."""
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] >= self._for_s:
                answer = self._ask()
                self._kept = (time.monotonic(), answer)
            return self._kept[1]
