"""The end of processes: two signals at once, Ctrl-C in a terminal, a parent that is gone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.logs import Event
from deploy.data_folder import held_alone
from deploy.processes import up
from deploy.processes.children import Child
from tests.support.installation import ECHOWORKER, Installation
from tests.support.processes import descendants
from tests.support.servers import StoreSCP
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long

STOPS_AGAIN_AND_AGAIN = """
from deploy.processes.stopping import stop_on_signals
while True:
    stop = stop_on_signals()
    print("ready", flush=True)
    while not stop.wait(0.0001):
        pass
    print("stopped", flush=True)
    input()  # a second signal may be on its way
"""


def test_two_signals_close_together_stop_a_process_as_one_does() -> None:
    command = [sys.executable, "-P", "-c", STOPS_AGAIN_AND_AGAIN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # A process that hangs is killed, and then says no more.
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        for number in range(1500):
            assert process.stdout.readline() == "ready\n", f"hung after {number} pairs of signals"
            process.send_signal(signal.SIGINT)
            second_at = time.perf_counter() + number % 20 * 10e-6
            while time.perf_counter() < second_at:
                pass
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "stopped\n", f"hung after {number} pairs of signals"
            process.stdin.write("again\n")
            process.stdin.flush()
        watchdog.cancel()
        process.kill()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))  # a PACS that is away


def up_in_a_terminal(installation: Installation) -> subprocess.Popen[bytes]:
    """`echoworker up` as the head of a process group, as a shell runs it."""
    with installation.log.open("wb") as log:
        command = [ECHOWORKER, "--config", str(installation.site), "up"]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def events(installation: Installation) -> list[str]:
    return [json.loads(line)["event"] for line in installation.log.read_text().splitlines()]


@pytest.mark.system
@pytest.mark.parametrize("begun", ["process started", "node listening"])
def test_ctrl_c_stops_everything_without_a_word_of_python(installation: Installation, begun: str) -> None:
    process = up_in_a_terminal(installation)
    wait_until(lambda: begun in installation.log.read_text(), 30, begun)
    children = descendants(process.pid)
    assert children
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 0
    assert not [child for child in children if child.exists()]
    assert "Traceback" not in installation.log.read_text()
    assert "shutting down" in events(installation)


@pytest.mark.system
@pytest.mark.parametrize("command", ["up", "node"])
def test_stopped_is_the_last_word_and_the_data_folder_is_free_with_it(installation: Installation, command: str) -> None:
    line = [ECHOWORKER, "--config", str(installation.site), command]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for text in process.stderr:
            said.append(json.loads(text)["event"])
            if said[-1] == "node listening":
                process.terminate()
            if said[-1] == "stopped":
                with held_alone(installation.folder / "data"):  # whoever starts at this word is not refused
                    break
        assert [*said[said.index("shutting down") :], *process.stderr][-1] == "stopped"
    assert "receiving stopped" in said
    assert process.returncode == 0


UNTIL_STOPPED = """
from deploy.processes.stopping import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
print("stopped" if stop.wait(%d) else "goes on", flush=True)
"""


def test_a_terminal_that_is_closed_stops_it_in_order_and_with_nohup_not_at_all() -> None:
    python = [sys.executable, "-P", "-c"]
    for command, said in (
        (["env", "--default-signal=HUP", *python, UNTIL_STOPPED % 60], "stopped"),  # these tests may run under nohup
        (["nohup", *python, UNTIL_STOPPED % 1], "goes on"),
    ):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == f"{said}\n"
        assert process.returncode == 0


def test_what_takes_its_time_to_end_is_named_and_ended_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "STILL_ENDING_AFTER_S", 0.2)
    ignores = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    slow, quick = Child("worker-score", ()), Child("beat", ())
    for child, code in ((slow, ignores), (quick, "import signal; print(flush=True); signal.pause()")):
        child.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert child.process.stdout is not None
        child.process.stdout.readline()
    with capture_logs() as logs:
        up._stop([slow, quick], within_s=1.0)
    assert [(log["event"], log["process_name"]) for log in logs] == [(Event.STILL_ENDING, "worker-score")]
    assert (slow.process.returncode, quick.process.returncode) == (-signal.SIGKILL, -signal.SIGTERM)


@pytest.mark.system
def test_the_children_of_a_killed_up_end_by_themselves(installation: Installation) -> None:
    process = up_in_a_terminal(installation)
    wait_until(lambda: "node listening" in installation.log.read_text(), 30, "the node to listen")
    children = descendants(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not [child for child in children if child.exists()], 30, "the children to end")


@pytest.mark.system
def test_a_second_up_or_node_on_a_data_folder_is_refused(installation: Installation) -> None:
    process = up_in_a_terminal(installation)
    try:
        wait_until(lambda: "node listening" in installation.log.read_text(), 30, "the node to listen")
        for command in ("up", "node"):
            second = installation.command(command)
            assert second.returncode == 1
            assert f"EchoWorker runs on this folder already (process {process.pid})" in second.stderr
            assert len(second.stderr.strip().splitlines()) == 1
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.system
@pytest.mark.parametrize("asked_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, asked_by: signal.Signals) -> None:
    command = [ECHOWORKER, "demo", "--folder", tmp_path / "demo"]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    log = tmp_path / "demo" / "system.log"
    wait_until(lambda: log.exists() and "node listening" in log.read_text(), 60, "the demo's node to listen")
    children = descendants(demo.pid)
    os.killpg(demo.pid, asked_by)
    _, said = demo.communicate(timeout=60)
    assert (demo.returncode, said) == (1, b"error: the demo was stopped\n")
    assert not [child for child in children if child.exists()]
