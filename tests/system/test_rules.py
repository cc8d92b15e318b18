"""Routing rules from outside: DCMTK sends, one series is scored, the other is only kept and goes on to another peer."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from db.delivery.forwards import forward_summaries
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.installation import Installation
from tests.support.servers import storescp
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]

RULES = """
[[peers]]
name = "LAB"
ae_title = "STORESCP"
roles = ["forward"]
host = "127.0.0.1"
port = {lab}
[[peers]]
name = "AWAY"
ae_title = "AWAY"
roles = ["forward"]
host = "127.0.0.1"
port = {away}
[[rules]]
name = "stress echo goes to the lab"
series_description = ["*stress*"]
action = "store"
forward_to = ["AWAY", "LAB"]
"""


def send(installation: Installation, *files: Path) -> None:
    command = [require_tool("dcmsend"), "--call", "ECHOWORKER", "--aetitle", "VIVID1", "127.0.0.1"]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    subprocess.run([*command, str(installation.port), *files], check=True, capture_output=True, env=environment)


def on_its_way(installation: Installation) -> dict[str, tuple[int, int]]:
    """How many are due, and delivered, for each peer."""
    with installation.registry.read() as session:
        return {found.peer: (found.due, found.delivered) for found in forward_summaries(session)}


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that takes connections, and then says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_series_that_a_rule_keeps_is_not_scored_and_goes_to_the_lab_past_a_peer_that_hangs(
    installation: Installation, tmp_path: Path, mute: int
) -> None:
    ours = as_study_of_its_own(SMALL, tmp_path / "outside", PatientName="Doe^Jane")
    study = str(pydicom.dcmread(ours).StudyInstanceUID)
    kept = as_study_of_its_own(LARGE, tmp_path / "outside", StudyInstanceUID=study, SeriesDescription="Stress Doe")
    alone = as_study_of_its_own(SMALL, tmp_path / "outside", SeriesDescription="Stress")
    with storescp(tmp_path, options=["--accept-all", "--unique-filenames"]) as lab:
        installation.site.write_text(installation.site.read_text() + RULES.format(lab=lab.port, away=mute))
        with installation.up():
            send(installation, ours, kept, alone)
            wait_until(lambda: on_its_way(installation).get("LAB") == (0, 2), 60, "the lab to have what was kept")
            detail = installation.wait_for(study, "DELIVERED")
            skipped = installation.wait_for(str(pydicom.dcmread(alone).StudyInstanceUID), "SKIPPED")
            wait_until(
                lambda: "peer out of reach" in installation.log.read_text(), 60, "the mute peer to be given time"
            )
        arrived = [str(pydicom.dcmread(file).SOPInstanceUID) for file in lab.folder.iterdir()]
    assert sorted(arrived) == sorted([kept.stem, alone.stem])
    assert on_its_way(installation) == {"LAB": (0, 2), "AWAY": (2, 0)}
    log = [json.loads(line) for line in installation.log.read_text().splitlines() if line.startswith("{")]
    told = [(line["event"], line["destination"]) for line in log if line["process"] == "worker-forward"]
    assert told[0] == ("object sent", "LAB"), "AWAY comes first by name, and hangs for ten seconds"
    assert detail.run is not None
    assert [clip.sop_instance_uid for clip in detail.run.clips] == [ours.stem]
    assert skipped.study.reason == "no instance of this study is to be scored: rule stress echo goes to the lab"
    assert "Doe" not in installation.log.read_text()
