"""The command line as its users meet it: help, one clear line for each error, and what it shows."""

import json
import socket
import subprocess
from pathlib import Path

import pydicom
import pytest

from tests.support.clips import SMALL
from tests.support.installation import ECHOWORKER, Installation
from tests.support.servers import StoreSCP
from tests.worker.pipeline import Pipeline

COMMANDS = (
    "up", "demo", "node", "worker", "beat", "send", "studies", "study", "requeue", "fetch", "doctor", "db",
    "db upgrade", "rules", "rules list", "rules test", "rules apply", "rules forwards", "spool", "spool check",
    "spool rebuild",
)  # fmt: skip


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))  # a PACS that is away
    return made


@pytest.fixture
def study(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> str:
    """A study that was received, prepared, scored and reported on."""
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    from config.settings import load_settings  # noqa: PLC0415

    pipeline = Pipeline.create(load_settings())
    uid = pipeline.receive(SMALL)
    pipeline.fall_quiet()
    pipeline.run(uid)
    return uid


def test_every_command_has_its_help_and_the_list_shows_them() -> None:
    listed = subprocess.run([ECHOWORKER, "--help"], capture_output=True, text=True, check=True).stdout
    for command in COMMANDS:
        assert command.split()[0] in listed
        run = subprocess.run([ECHOWORKER, *command.split(), "--help"], capture_output=True, text=True, check=True)
        assert "Usage: echoworker" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["studies"], "error: the registry's schema is at nothing, this version needs 0003: run echoworker db upgrade"),
        (["--config", "/nowhere.toml", "studies"], "error: configuration file /nowhere.toml: no such file"),
        (["worker", "--queues", "prepare,bake"], "error: --queues: no queue bake; there are"),
        (["send", "--to", "pacs", str(SMALL)], "error: --to pacs: give HOST:PORT"),
        (["send", str(SMALL)], "error: ECHOWORKER at 127.0.0.1:"),
        (["--data", "/proc/nowhere", "up"], "error: /proc/nowhere"),
    ],
    ids=["no-schema", "no-file", "no-queue", "no-address", "nobody-listens", "no-folder"],
)
def test_an_error_is_one_line_and_a_status(installation: Installation, arguments: list[str], said: str) -> None:
    run = installation.command(*arguments)
    assert run.returncode == 1
    assert run.stderr.startswith(said)
    assert len(run.stderr.strip().splitlines()) == 1
    assert "Traceback" not in run.stdout


def test_a_database_that_is_away_is_one_line_without_its_password(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_DATABASE__URL", "postgresql+psycopg://user:secret@127.0.0.1:1/registry")
    run = installation.command("studies")
    assert run.returncode == 1
    assert len(run.stderr.strip().splitlines()) == 1
    assert run.stderr.startswith("error: the registry cannot be used (OperationalError)")
    assert "secret" not in run.stderr


def test_a_study_that_is_not_there_is_an_error(installation: Installation) -> None:
    assert installation.command("db", "upgrade").returncode == 0
    for command in ("study", "requeue"):
        run = installation.command(command, "1.2.3.4")
        assert (run.returncode, run.stderr.strip()) == (1, "error: study 1.2.3.4 is not in the registry")


def test_a_study_is_shown_with_results_provenance_and_history(installation: Installation, study: str) -> None:
    shown = installation.command("study", study)
    assert shown.returncode == 0, shown.stderr
    assert "UNTRAINED model: random weights, these numbers mean nothing" in shown.stdout
    for word in ("Pulmonary artery systolic pressure", "mmHg", "UNCALIBRATED", "catalogue", "pacs", "DUE", "PREPARED"):
        assert word in shown.stdout
    facts = json.loads(installation.command("study", "--json", study).stdout)
    assert facts["state"] == "REPORTED"
    assert facts["run"]["model"]["label"] == "UNTRAINED"
    assert [result["task_id"] for result in facts["run"]["results"]][:2] == ["lvef", "pa_pressure"]


def test_nothing_of_the_patient_is_shown(installation: Installation, study: str) -> None:
    patient = pydicom.dcmread(SMALL)
    shown = installation.command("study", study).stdout + installation.command("studies").stdout
    assert study in shown
    assert str(patient.PatientName) not in shown
    assert f" {patient.PatientID} " not in shown


def test_requeue_says_what_is_due(installation: Installation, study: str) -> None:
    again = installation.command("requeue", study, "--step", "score")
    assert again.returncode == 0, again.stderr
    assert f"study {study}: prepare is due" in again.stdout, "the prepared frames went with the report"
    assert "READY" in installation.command("studies").stdout


def test_doctor_names_every_fault_with_its_remedy(installation: Installation) -> None:
    run = installation.command("doctor")
    assert run.returncode == 1
    faults = [line for line in run.stdout.splitlines() if line.startswith("FAULT")]
    assert [line.split(":")[0].removeprefix("FAULT").strip() for line in faults] == [
        "registry",
        "node",
        "peer pacs",
    ]
    assert "echoworker db upgrade" in faults[0]
    assert "echoworker up" in faults[1]


@pytest.mark.system
def test_up_ends_with_the_reason_when_a_part_of_it_cannot_start(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        run = installation.command("up")
    assert run.returncode == 1
    assert f"error: node: cannot listen on 127.0.0.1:{installation.port}" in run.stderr
    assert run.stderr.strip().splitlines()[-1] == "error: the node could not start; its own message is above"
