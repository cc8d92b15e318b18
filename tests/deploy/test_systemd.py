"""The systemd units: what systemd says of them, and that their commands are ours."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.settings import load_settings
from config.steps import QUEUES
from tests.support.command_lines import command_named_by
from tests.support.installation import ECHOWORKER
from tests.support.tools import require_tool

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
INSTALLED = "/opt/echoworker/bin/echoworker"
UNITS = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".service", ".timer", ".target"))
SERVICES = [name for name in UNITS if name.endswith(".service")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The units where our command is that of this environment: systemd looks whether it is there."""
    copy = Path(shutil.copytree(FOLDER, tmp_path / "units"))
    for unit in copy.glob("*.service"):
        unit.write_text(unit.read_text().replace(INSTALLED, ECHOWORKER))
    template = copy / "echoworker-worker@.service"
    for queue in QUEUES:
        shutil.copy(template, copy / f"echoworker-worker@{queue}.service")
    return copy


def test_systemd_finds_nothing_wrong(folder: Path) -> None:
    units = sorted(folder.iterdir())
    named = [unit for unit in units if unit.suffix in (".service", ".timer", ".target") and "@." not in unit.name]
    verify = [require_tool("systemd-analyze"), "verify", "--man=no", *named]
    run = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked_in(folder: Path, name: str) -> None:
    """Of systemd's own measure, 0 is nothing exposed and 10 everything; what is usual is above 9."""
    unit = folder / name.replace("@.", "@score.")
    security = [require_tool("systemd-analyze"), "security", "--offline=yes", "--threshold=20", unit]
    run = subprocess.run(security, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-200:]


def test_the_services_run_commands_that_there_are() -> None:
    lines = [
        line.replace("%i", "score").removeprefix(f"ExecStart={INSTALLED} ").split()
        for name in SERVICES
        for line in (FOLDER / name).read_text().splitlines()
        if line.startswith("ExecStart=")
    ]
    assert {command_named_by(line) for line in lines} == {"up", "node", "worker", "beat", "dashboard", "backup"}


def test_every_part_belongs_to_the_target_and_keeps_out_of_the_way_of_the_whole() -> None:
    parts = [name for name in SERVICES if name not in ("echoworker.service", "echoworker-backup.service")]
    assert "echoworker-dashboard.service" in parts
    for name in parts:
        lines = (FOLDER / name).read_text().splitlines()
        assert {"PartOf=echoworker.target", "WantedBy=echoworker.target", "Conflicts=echoworker.service"} <= set(lines)


def test_what_ends_is_started_again_however_it_ended() -> None:
    """To systemd SIGHUP is a clean end: who sent it to have settings read anew had no node any more."""
    for name in SERVICES:
        if name != "echoworker-backup.service":
            assert "Restart=always" in (FOLDER / name).read_text().splitlines(), name


def test_each_service_gives_longer_to_end_than_it_may_take(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    least = {
        "echoworker-worker@.service": settings.time_limits.stop_s,
        "echoworker-node.service": settings.node.drain_timeout_s + 10 + settings.time_limits.stop_s,
        "echoworker.service": settings.node.drain_timeout_s + 10 + settings.time_limits.stop_s,
    }
    for name, at_least_s in least.items():
        (given,) = re.findall(r"^TimeoutStopSec=(\d+)$", (FOLDER / name).read_text(), re.MULTILINE)
        assert float(given) > at_least_s, name
