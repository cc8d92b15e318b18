"""What is killed, and how: each kind as often as the others, in an order and at moments that the seed decides."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.chaos_services import House, Service, kill
from tests.support.servers import Redis

DOWN_AT_MOST_S = 4.0
"""How long a server stays away that was killed."""
WORKERS = ("prepare", "score", "deliver", "maintenance")
WAITS_FOR_S = 60.0
"""For a process that is just being started again, to be killed."""


@dataclass
class Killer:
    """Kills one thing after the other; `done` counts by kind what was alive and is dead."""

    house: House
    redis: Redis
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    @property
    def kinds(self) -> dict[str, Callable[[], bool]]:
        """By name, what kills; False where it was not there."""
        parts = {
            "node: receiver": ("node", "receive"),
            "node: intake": ("node", "intake"),
            **{f"worker: {name}": (f"worker-{name}", "work") for name in WORKERS},
        }
        return {
            **{kind: lambda at=at: self._kill_part(*at) for kind, at in parts.items()},  # type: ignore[misc]
            "node: all of it": lambda: self._kill_service(self.house.product["node"]),
            "worker: its supervisor": lambda: self._kill_service(
                self.house.product[f"worker-{self.random.choice(WORKERS)}"]
            ),
            "beat": lambda: self._kill_service(self.house.product["beat"]),
            "Redis: killed, empty after": lambda: self._kill_service(self.house.redis, self._while()),
            "Redis: FLUSHALL": self._flush,
            "PostgreSQL: postmaster killed": lambda: self._kill_service(self.house.postgresql, self._while()),
            "PostgreSQL: immediate stop": lambda: self._kill_service(
                self.house.postgresql, self._while(), signal.SIGQUIT
            ),
        }

    def plan(self, kills: int) -> list[str]:
        """So many kinds, each as often as the others, shuffled."""
        kinds = list(self.kinds)
        planned: list[str] = []
        while len(planned) < kills:
            planned += self.random.sample(kinds, min(len(kinds), kills - len(planned)))
        return planned

    def kill(self, kind: str) -> bool:
        """Kill one, once it is there to be killed."""
        deadline = time.monotonic() + WAITS_FOR_S
        while time.monotonic() < deadline:
            if self.kinds[kind]():
                self.done[kind] += 1
                return True
            time.sleep(0.05)
        self.missed[kind] += 1
        return False

    def _while(self) -> float:
        return self.random.uniform(0.0, DOWN_AT_MOST_S)

    def _kill_part(self, service: str, part: str) -> bool:
        pid = self.house.product[service].part("--part", part)
        return pid is not None and kill(pid)

    def _kill_service(self, service: Service, down_s: float = 0.0, number: signal.Signals = signal.SIGKILL) -> bool:
        process = service.process
        if process is None or process.poll() is not None:
            return False
        service.not_before = time.monotonic() + down_s
        return kill(process.pid, number)

    def _flush(self) -> bool:
        if not self.redis.answers():
            return False
        self.redis.flush()
        return True
