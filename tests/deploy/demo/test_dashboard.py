"""The demo stays up for a look until somebody ends it, and says where to look."""

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from config.errors import EchoWorkerError
from config.settings import Settings, load_settings
from dashboard.server import DashboardServer
from db.session import Database
from deploy.demo.dashboard import dashboard_lines, stay_for_looking, wait_for_dashboard
from tests.support.servers import free_port
from tests.support.waiting import wait_until


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PORT", str(free_port()))
    settings = load_settings(data_dir=tmp_path / "data")
    Database.of(settings).upgrade()
    return settings


@pytest.fixture
def system() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_it_waits_for_the_dashboard_and_says_who_may_sign_in(settings: Settings) -> None:
    with pytest.raises(EchoWorkerError, match="did not start"):
        wait_for_dashboard(settings, lambda: None, within_s=0.1)
    server = DashboardServer(settings)
    server.start()
    try:
        wait_for_dashboard(settings, lambda: None, within_s=30)
        where, who = dashboard_lines(settings)
    finally:
        server.stop()
    assert where == f"dashboard http://127.0.0.1:{settings.dashboard.port}"
    password = settings.dashboard.password_file(settings.data_dir).read_text().strip()
    assert who.strip() == f"name admin, password {password}"


def test_it_stays_until_somebody_ends_it(settings: Settings, system: subprocess.Popen[bytes]) -> None:
    settings.dashboard.password_file(settings.data_dir).write_text("secret\n")
    shown, stop = io.StringIO(), threading.Event()
    console = Console(file=shown, width=200)
    looking = threading.Thread(target=stay_for_looking, args=(settings, system, console, stop))
    looking.start()
    wait_until(lambda: "until Ctrl-C" in shown.getvalue(), 10, "the invitation to look")
    assert looking.is_alive()
    stop.set()
    looking.join(10)
    assert not looking.is_alive()
    assert "password secret" in shown.getvalue()


def test_it_says_so_when_the_system_ends_by_itself(settings: Settings, system: subprocess.Popen[bytes]) -> None:
    settings.dashboard.password_file(settings.data_dir).write_text("secret\n")
    system.kill()
    system.wait()
    with pytest.raises(EchoWorkerError, match="has ended"):
        stay_for_looking(settings, system, Console(file=io.StringIO()), threading.Event())
