"""The compose file, and what of it runs on this machine without an engine."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "containers"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def redis_by_hand(folder: Path, port: int) -> list[str]:
    """The command of the Redis container, with its password in `folder`, on another port."""
    command = _here(SERVICES["redis"]["command"][2].replace("/tmp", "/run/secrets/."), folder)
    return ["sh", "-c", command.replace("printf 'save", f"printf 'port {port}\\nbind 127.0.0.1\\nsave")]


def redis_health_by_hand(folder: Path, port: int) -> list[str]:
    """Likewise, the command that says whether it is healthy."""
    command = _here(SERVICES["redis"]["healthcheck"]["test"][1], folder)
    return ["sh", "-c", command.replace("redis-cli ping", f"redis-cli -p {port} ping")]


def dashboard_health_by_hand(port: int) -> list[str]:
    """The command that says whether the dashboard's container is healthy, on another port."""
    _, _, *rest = SERVICES["dashboard"]["healthcheck"]["test"]
    return [sys.executable, *(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", word) for word in rest)]


def _here(command: str, folder: Path) -> str:
    return command.replace("$$", "$").replace("/run/secrets/", f"{folder}/")
