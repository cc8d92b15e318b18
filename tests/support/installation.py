"""A whole installation in a folder: its settings, its commands, and the running system as real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.errors import EchoWorkerError, StudyNotFoundError
from db.reading.queries import StudyDetail, study_detail
from db.session import Database
from dicom_node.calling import Peer, echo
from tests.support.commands import echoworker
from tests.support.servers import Orthanc, StoreSCP, free_port
from tests.support.waiting import wait_until

ECHOWORKER = str(Path(sys.executable).with_name("echoworker"))
ARE_STOPPED = ("up", "fetch", "reconcile", "rescore")
"""Commands that listen for signals: these are a process's own."""
START_TIMEOUT_S = 60
STUDY_TIMEOUT_S = 90

SITE = """\
data_dir = "{data}"
[node]
port = {port}
[study]
quiet_period_s = 1
[pipeline]
lease_s = 3
retry_after_s = 1
reap_every_s = 1
[database]
url = "{database_url}"
[broker]
url = "{broker_url}"
{broker_files}[[peers]]
roles = ["destination"]
name = "pacs"
host = "127.0.0.1"
port = {pacs_port}
ae_title = "{pacs_ae_title}"
accept_models = ["UNTRAINED"]
objects = ["sr"]
"""


@dataclass
class Installation:
    folder: Path
    pacs: Orthanc | StoreSCP
    database_url: str = ""
    broker_url: str = "filesystem://"
    broker_files: str = ""
    """Lines below it: who we are, and by which certificates."""
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.site = self.folder / "site.toml"
        self.site.write_text(
            SITE.format(
                data=self.folder / "data",
                port=self.port,
                database_url=self.database_url,
                broker_url=self.broker_url,
                broker_files=self.broker_files,
                pacs_port=self.pacs.port,
                pacs_ae_title=self.pacs.ae_title,
            )
        )
        self.log = self.folder / "system.log"
        self.registry = Database(self.database_url or f"sqlite:///{self.folder}/data/registry.sqlite3")

    @property
    def node(self) -> Peer:
        return Peer(host="127.0.0.1", port=self.port, ae_title="ECHOWORKER", calling_ae_title="TEST")

    @contextmanager
    def up(
        self, *, with_registry: bool = True, environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """`echoworker up`, with these variables besides, until the end of the block, which begins when the node
        answers, and when its registry is there unless the test keeps that away. It must end cleanly.
        """
        with self.log.open("ab") as log:
            command = [ECHOWORKER, "--config", str(self.site), "up"]
            variables = {**os.environ, **(environment or {})}
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=variables)
            try:
                wait_until(lambda: self._answers(process), START_TIMEOUT_S, "the node to answer C-ECHO")
                if with_registry:
                    wait_until(self._registry_is_there, START_TIMEOUT_S, "the registry to have its schema")
                yield process
            finally:
                process.terminate()
                code = process.wait(120)
        assert code == 0, self.log.read_text()[-2000:]

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run an `echoworker` command; its outcome, whatever it is."""
        if arguments[0] not in ARE_STOPPED:
            return echoworker("--config", self.site, *arguments, folder=self.folder)
        command = [ECHOWORKER, "--config", self.site, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def detail(self, study_instance_uid: str) -> StudyDetail | None:
        with self.registry.read() as session:
            try:
                return study_detail(session, study_instance_uid)
            except StudyNotFoundError:
                return None

    def wait_for(self, study_instance_uid: str, state: str) -> StudyDetail:
        """The study, once it is in this state."""

        def there() -> StudyDetail | None:
            detail = self.detail(study_instance_uid)
            return detail if detail is not None and detail.study.state == state else None

        return wait_until(there, STUDY_TIMEOUT_S, f"study {study_instance_uid} to be {state}; see {self.log}")

    def events(self) -> list[dict[str, Any]]:
        """What the processes have logged, in the order of its time."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return sorted((json.loads(line) for line in lines), key=lambda event: str(event["timestamp"]))

    def _registry_is_there(self) -> bool:
        """The node receives before the registry has its tables."""
        if not self.registry.is_there:
            return False
        at, needed = self.registry.schema_revisions()
        return at == needed

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.log.read_text()[-2000:]
        try:
            echo(self.node)
        except EchoWorkerError:
            return False
        return True
