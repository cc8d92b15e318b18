"""The page of a running node, as real processes: a receiver, the intake, and what answers Prometheus."""

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from config.errors import EchoWorkerError
from dicom_node.calling import echo
from tests.support.installation import ECHOWORKER, Installation
from tests.support.servers import StoreSCP, free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long

ACCEPTED = 'echoworker_associations_total{outcome="accepted"}'


def status_and_text(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@pytest.mark.system
def test_a_node_says_when_it_is_ready_and_counts_who_calls(tmp_path: Path) -> None:
    installation = Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))
    port = free_port()
    site = installation.site.read_text() + f"[monitoring]\nport = {port}\nanswers_kept_s = 0\n"
    installation.site.write_text(site)
    (tmp_path / "data").mkdir()
    installation.registry.upgrade()
    url = f"http://127.0.0.1:{port}"

    def counts_a_call() -> bool:
        try:
            echo(installation.node)
        except EchoWorkerError:
            return False
        lines = status_and_text(f"{url}/metrics")[1].splitlines()
        return any(line.startswith(ACCEPTED) and float(line.split()[-1]) >= 1 for line in lines)

    with installation.log.open("wb") as log:
        command = [ECHOWORKER, "--config", installation.site, "node"]
        node = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    try:
        ready = f"{url}/ready"
        wait_until(lambda: status_and_text(ready)[0] == 200, 120, f"the node to be ready; see {installation.log}")
        wait_until(counts_a_call, 60, "a call to be counted")
    finally:
        node.terminate()
        code = node.wait(120)
    assert code == 0, installation.log.read_text()[-2000:]
    assert status_and_text(f"{url}/health")[0] == 0, "it ends with its node"
