"""What compose.yaml starts, started by hand: its commands and files, with servers on this machine in place of names."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.site_authority import SiteAuthority, Wanted
from tests.support.clips import SMALL, as_study_of_its_own, study_of
from tests.support.commands import echoworker
from tests.support.compose import FOLDER, SERVICES, dashboard_health_by_hand, redis_by_hand
from tests.support.installation import ECHOWORKER
from tests.support.servers import Orthanc, PostgreSQL, free_port, running
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long


class Host:
    """This machine in place of the containers: their files with paths and names that are right here."""

    def __init__(self, folder: Path, database_url: str, pack: Path) -> None:
        self.folder = folder
        self.redis_port, self.http_port, dicom_port = free_port(), free_port(), free_port()
        self.pacs = Orthanc(port=dicom_port, http_port=self.http_port)
        self.node_port, self.monitoring_port, self.dashboard_port = free_port(), free_port(), free_port()
        for name in ("database-password", "redis-password"):
            (folder / name).write_text("s3cret/of+base64==\n")
        (made,) = SiteAuthority(folder / "tls").make([Wanted(name="echoworker", hosts=("localhost",))], days=30)
        made.certificate.rename(folder / "dashboard.pem")
        made.private_key.rename(folder / "dashboard.key")
        user = database_url.partition("://")[2].partition("@")[0]
        assert user, "the password is of a user"
        site = (FOLDER / "site.toml").read_text().replace("/run/secrets/", f"{folder}/")
        site = re.sub(r'url = "postgresql.*"', f'url = "{database_url}"', site)
        site = site.replace("redis:6379", f"127.0.0.1:{self.redis_port}")
        site = site.replace('host = "orthanc"\nport = 4242', f'host = "127.0.0.1"\nport = {dicom_port}')
        # The model of the tests says nothing about hearts, and is quick; so is a report without pictures.
        site = site.replace('["DEMO", ', '["UNTRAINED", "DEMO", ').replace(
            "[[peers]]", '[[peers]]\nobjects = ["sr"]', 1
        )
        (folder / "site.toml").write_text(site)
        self.environment = {
            **os.environ,
            "ECHOWORKER_CONFIG": str(folder / "site.toml"),
            "ECHOWORKER_DATA_DIR": str(folder / "data"),
            "ECHOWORKER_NODE__PORT": str(self.node_port),
            "ECHOWORKER_MONITORING__PORT": str(self.monitoring_port),
            "ECHOWORKER_DASHBOARD__PORT": str(self.dashboard_port),
            "ECHOWORKER_MODEL__PACK": str(pack),
            "ECHOWORKER_STUDY__QUIET_PERIOD_S": "1",
            "ECHOWORKER_PIPELINE__REAP_EVERY_S": "1",
        }

    def orthanc(self) -> list[str]:
        """As the compose file has it; with other ports and folders."""
        settings = json.loads((FOLDER / "orthanc.json").read_text())
        settings |= {"DicomPort": self.pacs.port, "HttpPort": self.http_port}
        settings |= {name: str(self.folder / "orthanc") for name in ("StorageDirectory", "IndexDirectory")}
        settings["DicomModalities"]["echoworker"] |= {"Host": "127.0.0.1", "Port": self.node_port}
        (self.folder / "orthanc.json").write_text(json.dumps(settings))
        return [require_tool("Orthanc"), str(self.folder / "orthanc.json")]

    def is_ready(self) -> bool:
        """What the health check of the image says."""
        (code,) = re.findall(r'CMD \["python", "-c", "(.*)"\]$', (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
        check = [require_tool("python3"), "-c", code.replace("9464", str(self.monitoring_port))]
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    def shows_a_dashboard(self) -> bool:
        """What the health check of its container says."""
        return subprocess.run(dashboard_health_by_hand(self.dashboard_port), check=False).returncode == 0

    def run_once(self, *arguments: str) -> str:
        """Run a command of ours that ends by itself; what it printed."""
        run = echoworker(*arguments, folder=self.folder, environment=self.environment)
        assert run.returncode == 0, run.stderr
        return run.stdout

    @contextmanager
    def services(self, *names: str) -> Iterator[None]:
        """Run these until the end of the block, and stop them side by side; what each says is in a file of its own."""
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for name in names:
                environment = self.environment | SERVICES[name].get("environment", {})
                command = [ECHOWORKER, *SERVICES[name]["command"]]
                with (self.folder / f"{name}.log").open("wb") as log:
                    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
                processes.append(process)
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(90)


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_study_goes_from_a_sender_to_a_pacs_that_commits_to_the_results(
    tmp_path: Path, postgresql_server: PostgreSQL, untrained_folder: Path
) -> None:
    host = Host(tmp_path, postgresql_server.create_database("compose_by_hand"), untrained_folder)
    clip = as_study_of_its_own(SMALL, tmp_path / "sent")
    with ExitStack() as started:
        started.enter_context(running(redis_by_hand(tmp_path, host.redis_port), tmp_path))
        (tmp_path / "pacs").mkdir()
        started.enter_context(running(host.orthanc(), tmp_path / "pacs"))
        host.run_once(*SERVICES["schema"]["command"])
        # In the order in which the study needs them: all of them load Python's libraries on the same processors.
        started.enter_context(host.services("node", "prepare", "beat", "maintenance", "score", "deliver", "dashboard"))
        wait_until(host.is_ready, 180, f"the node to be ready; see {tmp_path}")
        sender = ["--aetitle", "TRIAL", "--call", "ECHOWORKER", "127.0.0.1", str(host.node_port), str(clip)]
        subprocess.run([require_tool("dcmsend"), *sender], check=True, capture_output=True)
        uid = study_of(clip)
        wait_until(host.shows_a_dashboard, 180, f"the dashboard to be healthy; see {tmp_path}")
        wait_until(lambda: host.pacs.reports_of(uid), 300, f"the report to be in the PACS; see {tmp_path}")

        def state() -> bool:
            return bool(json.loads(host.run_once("study", "--json", uid))["state"] == "DELIVERED")

        wait_until(state, 120, f"the PACS to commit to the results; see {tmp_path}")
