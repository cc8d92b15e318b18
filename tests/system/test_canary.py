"""`echoworker canary` against the running system: how it comes through, and what is said where it does not."""

import pytest

from tests.support.installation import Installation

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(600)]
STAGES = ["receive", "close", "prepare", "score", "report", "deliver"]


def stages_in(printed: str) -> list[str]:
    return [line.split()[0] for line in printed.splitlines() if line.rstrip().endswith(" s")]


def test_it_comes_through_the_live_system_or_says_where_it_stays(embedded: Installation) -> None:
    with embedded.site.open("a") as site:
        site.write('[canary]\ndestinations = ["pacs"]\n')
    with embedded.up():
        through = embedded.command("canary", "--within", "200")
        said_of_it = embedded.command("doctor").stdout
        embedded.command("queues", "pause", "prepare", "--reason", "a test of the canary")
        held_up = embedded.command("canary", "--within", "12")
    without_a_node = embedded.command("canary")

    assert through.returncode == 0, through.stdout + through.stderr
    assert stages_in(through.stdout) == STAGES
    assert "came through" in through.stdout
    assert "canary: the last one came through" in said_of_it
    uid = next(word for word in through.stdout.replace(",", " ").split() if word.startswith("1.2."))
    assert embedded.detail(uid).study.state == "DELIVERED"  # type: ignore[union-attr]

    assert held_up.returncode == 1
    assert stages_in(held_up.stdout) == STAGES[:2]
    assert "it is READY, waits for prepare" in held_up.stderr

    assert without_a_node.returncode == 1
    assert "connection refused" in without_a_node.stderr
    assert "WARN  canary: one did not come through" in embedded.command("doctor").stdout
