"""The dashboard of the demo: where it is, who may sign in, and that it stays for a look."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable

from rich.console import Console

from config.errors import EchoWorkerError
from config.settings import Settings
from dashboard.access.signing_in import FIRST_NAME

LOOK_EVERY_S = 1.0


def wait_for_dashboard(settings: Settings, pause: Callable[[], None], *, within_s: float) -> None:
    """Until it answers, and its first account is made; `pause` waits for a moment, or raises: the demo is stopped.

    Raises
    ------
    EchoWorkerError
        It does not come.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if settings.dashboard.password_file(settings.data_dir).exists() and _answers(settings):
            return
        pause()
    raise EchoWorkerError("the dashboard did not start; the system's log says why")


def dashboard_lines(settings: Settings) -> tuple[str, ...]:
    """Where it is, and the password that was made up for it."""
    password = settings.dashboard.password_file(settings.data_dir).read_text(encoding="ascii").strip()
    return (f"dashboard {address_of(settings)}", f"          name {FIRST_NAME}, password {password}")


def address_of(settings: Settings) -> str:
    """As a browser on this machine is given it."""
    return f"http://{settings.dashboard.host}:{settings.dashboard.port}"


def stay_for_looking(
    settings: Settings, system: subprocess.Popen[bytes], console: Console, stop: threading.Event
) -> None:
    """Leave the system up until Ctrl-C.

    Raises
    ------
    EchoWorkerError
        It ended by itself.
    """
    console.rule("Look at it")
    for line in dashboard_lines(settings):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print("Discordances are in its second tab. It runs until Ctrl-C.", highlight=False)
    while not stop.wait(LOOK_EVERY_S):
        if system.poll() is not None:
            raise EchoWorkerError("the system has ended; its log says why")


def _answers(settings: Settings) -> bool:
    try:
        socket.create_connection((settings.dashboard.host, settings.dashboard.port), timeout=1).close()
    except OSError:
        return False
    return True
