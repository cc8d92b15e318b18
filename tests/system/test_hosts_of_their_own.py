"""Node and workers with a disk each: they have the registry, the broker and a bucket in common, and no file."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from dicom_node.send import send_files
from tests.support.buckets import SECRET, BucketServer
from tests.support.clips import LARGE, SMALL, as_study_of_its_own, study_of
from tests.support.installation import ECHOWORKER, START_TIMEOUT_S, Installation
from tests.support.servers import Orthanc, PostgreSQL, Redis
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]

HOSTS = {"scoring": ("worker", "--queues", "prepare,score"), "reporting": ("worker", "--queues", "report,deliver")}
"""Beside the node's, where beat and the duties run too."""

BUCKET = """\
[bucket]
url = "{server.url}"
endpoint_url = "{server.endpoint_url}"
region = "us-east-1"
key_file = "{server.key_file}"
secret_file = "{server.secret_file}"
timeout_s = 2
"""


class Hosts(Installation):
    """Each with a site file and a data folder of its own."""

    @contextmanager
    def all_up(self, server: BucketServer) -> Iterator[None]:
        assert self.command("db", "upgrade").returncode == 0
        site = self.site.read_text() + BUCKET.format(server=server)
        self.site.write_text(site)
        with ExitStack() as stack:
            for name, command in HOSTS.items():
                own = self.folder / f"{name}.toml"
                own.write_text(site.replace(str(self.folder / "data"), str(self.folder / name)))
                stack.enter_context(self._running(own, *command))
            stack.enter_context(self._running(self.site, "worker", "--queues", "maintenance"))
            stack.enter_context(self._running(self.site, "beat"))
            node = stack.enter_context(self._running(self.site, "node"))
            wait_until(lambda: self._answers(node), START_TIMEOUT_S, "the node to answer C-ECHO")
            yield

    @contextmanager
    def _running(self, site: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [ECHOWORKER, "--config", str(site), *command], stdout=log, stderr=log, cwd=self.folder
            )
        try:
            yield process
        finally:
            process.terminate()
            assert process.wait(60) == 0, self.log.read_text()[-2000:]

    def files_of(self, host: str, study_instance_uid: str) -> set[str]:
        """Which folders of its spool a host has something of a study in, but for its copies."""
        spool = self.folder / host / "spool"
        found = spool.glob(f"*/{study_instance_uid}/**/*.*")
        return {path.relative_to(spool).parts[0] for path in found if path.is_file()}


@pytest.fixture
def hosts(tmp_path: Path, orthanc: Orthanc, postgresql_server: PostgreSQL, redis_server: Redis) -> Hosts:
    redis_server.flush()
    url = postgresql_server.create_database(f"hosts_{uuid.uuid4().hex}")
    return Hosts(tmp_path, orthanc, database_url=url, broker_url=redis_server.url())


def test_a_study_goes_from_host_to_host_through_the_bucket(
    hosts: Hosts, orthanc: Orthanc, bucket_server: BucketServer, tmp_path: Path
) -> None:
    first, second, third = (as_study_of_its_own(file, tmp_path / "sent") for file in (SMALL, LARGE, SMALL))
    with hosts.all_up(bucket_server):
        assert [answer.status for answer in send_files([first], hosts.node)] == [0]
        hosts.wait_for(study_of(first), "DELIVERED")
        assert_delivered(hosts, orthanc, bucket_server, first)

        bucket_server.stop()
        assert [answer.status for answer in send_files([second, third], hosts.node)] == [0, 0]
        wait_until(lambda: "cannot be used to look at" in hosts.log.read_text(), 30, "the intake to say so")
        assert hosts.detail(study_of(second)) is None
        bucket_server.start()
        for file in (second, third):
            hosts.wait_for(study_of(file), "DELIVERED")
            assert_delivered(hosts, orthanc, bucket_server, file)
        assert list((hosts.folder / "data/spool/unregistered").iterdir()) == []
    assert SECRET not in hosts.log.read_text()


def assert_delivered(hosts: Hosts, orthanc: Orthanc, bucket_server: BucketServer, file: Path) -> None:
    uid = study_of(file)
    (content,) = orthanc.reports_of(uid)
    report = pydicom.dcmread(BytesIO(content))
    (source,) = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert source.ReferencedSOPInstanceUID == file.stem
    in_bucket = [name for name in bucket_server.names() if f"/{uid}/" in name]
    assert {name.split("/")[0] for name in in_bucket} >= {"studies", "embeddings", "reports"}
    assert hosts.files_of("data", uid) == {"studies"}
    assert hosts.files_of("scoring", uid) == hosts.files_of("reporting", uid) == set()
