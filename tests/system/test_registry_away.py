"""The database is stopped for a whole study: nobody who sends notices, and nothing is missing afterwards."""

from pathlib import Path

import pytest

from dicom_node.send import send_files
from tests.support import servers
from tests.support.clips import SMALL, as_study_of_its_own, study_of
from tests.support.installation import Installation
from tests.support.servers import Orthanc

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]


def test_a_study_received_while_the_database_is_stopped_is_delivered_once_it_is_back(
    tmp_path: Path, orthanc: Orthanc, redis_server: servers.Redis, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cluster = tmp_path_factory.mktemp("stopped")
    with servers.postgresql(cluster) as server:
        url, port = server.create_database("stopped"), server.port
        installation = Installation(tmp_path, orthanc, database_url=url, broker_url=redis_server.url(7))
        assert installation.command("db", "upgrade").returncode == 0
    files = [as_study_of_its_own(SMALL, tmp_path / "sent") for _ in range(2)]
    with installation.up(with_registry=False):
        answers = [answer for file in files for answer in send_files([file], installation.node)]
        assert [answer.status for answer in answers] == [0, 0]
        spool = tmp_path / "data/spool"
        assert len(list((spool / "unregistered").glob("*.dcm"))) == 2
        with servers.postgresql(cluster, port):
            for file in files:
                detail = installation.wait_for(study_of(file), "DELIVERED")
                assert [instance.sop_instance_uid for instance in detail.instances] == [file.stem]
                assert len(orthanc.reports_of(study_of(file))) == 1
            assert list((spool / "unregistered").iterdir()) == []
