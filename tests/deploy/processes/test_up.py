"""The process tree, as real processes."""

import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from config.errors import ConfigurationError, EchoWorkerError
from config.settings import load_settings
from deploy.processes.up import WORKERS, run_all, run_node
from dicom_node.calling import echo
from tests.support.installation import ECHOWORKER, Installation
from tests.support.servers import StoreSCP, free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


@pytest.mark.system
def test_every_part_ends_when_the_system_is_killed_without_a_word(tmp_path: Path) -> None:
    """Else a node would hold the port that the next start needs, and old workers would go on working."""
    installation = Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))

    def node_answers() -> bool:
        try:
            echo(installation.node)
        except EchoWorkerError:
            return False
        return True

    with installation.log.open("wb") as log:
        up = subprocess.Popen([ECHOWORKER, "--config", installation.site, "up"], stdout=log, stderr=log)
    children: list[int] = []
    try:
        wait_until(node_answers, 60, "the node to answer C-ECHO")
        wait_until(lambda: len(children_of(up.pid)) == len(WORKERS) + 2, 60, "receiver, intake and workers to start")
        children = children_of(up.pid)
        up.send_signal(signal.SIGKILL)
        up.wait()
        wait_until(lambda: not any(map(runs, children)), 60, f"every part to end; see {installation.log}")
    finally:
        up.kill()
        for child in filter(runs, children):
            subprocess.run(["kill", "-9", str(child)], check=False)


def test_a_node_starts_beside_a_dashboard_that_is_up_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts, the dashboard is a service of its own; `up` has one, and so does not start where another listens."""
    at_once = threading.Event()
    at_once.set()
    with socket.create_server(("127.0.0.1", 0)) as dashboard:
        port = dashboard.getsockname()[1]
        monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("ECHOWORKER_NODE__PORT", str(free_port()))
        monkeypatch.setenv("ECHOWORKER_DASHBOARD__PORT", str(port))
        run_node(load_settings(), at_once)
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            run_all(load_settings(), at_once)


def test_a_node_listens_by_ipv6_and_minds_who_is_there_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = threading.Event()
    at_once.set()
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_NODE__HOST", "::1")
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", str(free_port()))
    run_node(load_settings(), at_once)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("ECHOWORKER_NODE__PORT", str(port))
        with pytest.raises(ConfigurationError, match=f"cannot listen on ::1:{port}: Address already in use"):
            run_node(load_settings(), at_once)


@pytest.mark.parametrize(("host", "is_refused"), [("127.0.0.1", True), ("::", True), ("127.0.0.2", False)])
def test_two_that_want_one_port_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_refused: bool
) -> None:
    """Either is free while nothing runs; the second would end, and be started again, for ever."""
    at_once, port = threading.Event(), str(free_port())
    at_once.set()
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", port)
    monkeypatch.setenv("ECHOWORKER_MONITORING__HOST", host)
    monkeypatch.setenv("ECHOWORKER_MONITORING__PORT", port)
    if not is_refused:
        run_node(load_settings(), at_once)
        return
    with pytest.raises(ConfigurationError, match=f"node.port and monitoring.port are both {port}"):
        run_node(load_settings(), at_once)
