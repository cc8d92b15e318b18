"""`echoworker canary` against the running system: where it comes, what it says, and what it says where it does not."""

import pytest

from tests.support.installation import Installation
from tests.support.servers import Orthanc

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
STAGES = ["receive", "close", "prepare", "score", "report", "deliver"]


def stages_in(printed: str) -> list[str]:
    return [line.split()[0] for line in printed.splitlines() if line.rstrip().endswith(" s")]


def test_it_comes_through_the_live_system_and_is_told_stage_by_stage(embedded: Installation, orthanc: Orthanc) -> None:
    with embedded.site.open("a") as site:
        site.write('[canary]\ndestinations = ["pacs"]\n')
    with embedded.up():
        run = embedded.command("canary")
        doctor = embedded.command("doctor")
    assert run.returncode == 0, run.stdout + run.stderr
    assert stages_in(run.stdout) == STAGES
    assert "came through" in run.stdout
    assert "canary: the last one came through" in doctor.stdout
    uid = next(word for word in run.stdout.replace(",", " ").split() if word.startswith("1.2."))
    assert embedded.detail(uid).study.state == "DELIVERED"  # type: ignore[union-attr]


def test_it_says_why_it_cannot_be_stored(embedded: Installation) -> None:
    with embedded.up():
        pass
    run = embedded.command("canary")
    assert run.returncode == 1
    assert "connection refused" in run.stderr
    doctor = embedded.command("doctor")
    assert "WARN  canary: one did not come through" in doctor.stdout


def test_it_says_where_it_stays(embedded: Installation) -> None:
    with embedded.up():
        embedded.command("queues", "pause", "score", "--reason", "a test of the canary")
        run = embedded.command("canary", "--within", "15")
    assert run.returncode == 1
    assert stages_in(run.stdout) == STAGES[:3]
    assert "it is PREPARED, waits for score" in run.stderr
