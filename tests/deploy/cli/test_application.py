"""The command line as its users meet it: help, one clear line for each error, and what it shows."""

import fcntl
import json
import os
import pty
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import termios
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pydicom
import pytest
from typer.testing import CliRunner

from config.catalogue import BUNDLED_CATALOGUE
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.received import Call
from db.monitoring.callers import record_calls
from db.results.embeddings import forget_embeddings
from deploy.cli.application import app
from dicom_node.header import read_header
from dicom_node.quarantine import put_in_quarantine
from dicom_node.spool import Spool
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.installation import ECHOWORKER, Installation
from tests.support.servers import StoreSCP
from tests.worker.pipeline import Pipeline
from tests.worker.scripted import ScriptedTowers, scripted_scorer

COMMANDS = (
    "up", "dashboard", "demo", "node", "worker", "beat", "send", "fetch", "studies", "study", "requeue", "close",
    "clip", "explain", "canary", "backup", "restore", "licences", "certificates", "certificates make", "settings",
    "settings docs", "size", "accounts", "accounts add", "accounts role", "accounts disable", "accounts enable",
    "accounts password", "accounts token", "accounts end",
    "queues", "queues pause", "queues resume", "queues history", "devices", "devices use-again",
    "doctor", "callers", "quarantine", "db", "db upgrade", "db downgrade", "db read-only-role", "db docs",
    "db identities",
    "rules", "rules list", "rules test", "rules apply", "rules forwards", "check",
    "discordances", "discordances confirm", "discordances dismiss", "discordances precision", "discordances reviews",
    "search", "similar", "same-patient", "rank", "spool", "spool check", "spool rebuild",
    "reports", "reports add", "reports match", "backup", "restore", "certificates", "certificates make", "size",
)  # fmt: skip


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))  # a PACS that is away
    return made


@pytest.fixture
def study(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> str:
    """A study that was received, prepared, scored and reported on."""
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    pipeline = Pipeline.create(load_settings())
    uid = pipeline.receive(SMALL)
    pipeline.fall_quiet()
    pipeline.run(uid)
    return uid


def test_every_command_has_its_help_and_the_list_shows_them() -> None:
    listed = subprocess.run([ECHOWORKER, "--help"], capture_output=True, text=True, check=True).stdout
    for command in COMMANDS:
        assert command.split()[0] in listed
        run = CliRunner().invoke(app, [*command.split(), "-h"], prog_name="echoworker")
        assert run.exit_code == 0
        assert f"Usage: echoworker {command}" in run.stdout


def test_the_version_is_said() -> None:
    run = subprocess.run([ECHOWORKER, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"EchoWorker {version('echoworker')}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["studies"], "error: no installation at "),
        (["--config", "/nowhere.toml", "studies"], "error: configuration file /nowhere.toml: no such file"),
        (["worker", "--queues", "prepare,bake"], "error: --queues: no queue bake; there are"),
        (["send", "--to", "pacs", str(SMALL)], "error: --to pacs: give HOST:PORT"),
        (["send", "--to", "pacs:99999", str(SMALL)], "error: --to pacs:99999: a port is a number from 1 to 65535"),
        (["send", "--called", "SEVENTEEN-LETTERS", str(SMALL)], "error: --called SEVENTEEN-LETTERS: an AE title has"),
        (["send", "--calling", "BACK\\SLASH", str(SMALL)], "error: --calling BACK\\SLASH: an AE title has"),
        (["send", str(SMALL)], "error: ECHOWORKER at 127.0.0.1:"),
        (["--data", "/proc/nowhere", "up"], "error: /proc/nowhere"),
    ],
    ids=[
        "no-installation",
        "no-file",
        "no-queue",
        "no-address",
        "no-port",
        "long-title",
        "wrong-title",
        "nobody-listens",
        "no-folder",
    ],
)
def test_an_error_is_one_line_and_a_status(installation: Installation, arguments: list[str], said: str) -> None:
    run = installation.command(*arguments)
    assert run.returncode == 1
    assert run.stderr.startswith(said)
    assert len(run.stderr.strip().splitlines()) == 1
    assert "Traceback" not in run.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["studies"],
        ["study", "1.2"],
        ["requeue", "1.2"],
        ["close", "1.2"],
        ["callers"],
        ["quarantine"],
        ["rules", "forwards"],
        ["rules", "apply", "1.2"],
        ["doctor"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_only_looks_makes_no_data_folder(installation: Installation, command: list[str]) -> None:
    run = installation.command(*command)
    assert run.returncode == 1
    assert "no installation at" in run.stdout + run.stderr
    assert not (installation.folder / "data").exists()


def test_a_registry_of_another_version_is_named(installation: Installation) -> None:
    (installation.folder / "data").mkdir()
    sqlite3.connect(installation.folder / "data" / "registry.sqlite3").execute("CREATE TABLE other (id)").close()
    said = "error: the registry's schema is at nothing, this version needs 0020: run echoworker db upgrade"
    assert installation.command("studies").stderr.strip() == said


def test_a_lost_registry_is_made_again_from_the_spool(installation: Installation, tmp_path: Path) -> None:
    spool = Spool(installation.folder / "data" / "spool")
    spool.create()
    received = spool.new_incoming()
    shutil.copy(SMALL, received)
    spool.keep(received, read_header(received))
    assert "echoworker spool rebuild makes one" in installation.command("spool", "check").stderr
    said = installation.command("spool", "rebuild").stdout
    assert said == "0 found; 1 instances wait to be registered: the running node does it within seconds\n"
    agreed = installation.command("spool", "check")
    assert agreed.stdout == "spool and registry agree; 1 instances wait to be registered\n"
    for waiting in spool.unregistered():
        waiting.unlink()
    differing = installation.command("spool", "check")
    assert differing.returncode == 1
    assert "not in the registry" in differing.stdout
    assert installation.command("spool", "rebuild").stdout.startswith("1 found; 1 instances wait")


def test_an_installation_without_studies_says_so(installation: Installation) -> None:
    installation.command("db", "upgrade")
    assert installation.command("studies").stdout == "no studies yet\n"
    assert installation.command("studies", "--state", "failed").stdout == "no study is FAILED\n"
    assert installation.command("callers").stdout == "nobody has called yet\n"
    assert installation.command("callers", "--refused").stdout == "nobody was refused\n"
    assert installation.command("quarantine").stdout == "nothing is in quarantine\n"


def test_what_a_command_makes_is_for_its_owner_alone(installation: Installation) -> None:
    installation.command("db", "upgrade")
    made = [installation.folder / "data", *(installation.folder / "data").rglob("*")]
    assert len(made) > 1
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_model_pack_that_is_none_stops_up_at_its_start(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(installation.folder))
    run = installation.command("up")
    assert (run.returncode, run.stdout) == (1, "")
    folder = installation.folder
    said = f"error: model pack {folder}: has no manifest.json; make it a pack: echoworker packs import {folder}"
    assert run.stderr.strip() == said


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
    assert "UNTRAINED model with random weights: the numbers mean nothing" in " ".join(shown.stdout.split())
    for word in ("Pulmonary artery systolic pressure", "mmHg", "UNCALIBRATED", "catalogue", "pacs", "DUE", "PREPARED"):
        assert word in shown.stdout
    facts = json.loads(installation.command("study", "--json", study).stdout)
    assert facts["state"] == "REPORTED"
    assert facts["run"]["model"]["label"] == "UNTRAINED"
    results = facts["run"]["results"]
    assert [(result["task_id"], result["unit"]) for result in results][:2] == [("lvef", "%"), ("pa_pressure", "mm[Hg]")]
    assert {result["model_label"] for result in results} == {"UNTRAINED"}
    assert [entry["state_after"] for entry in facts["journal"]][-1] == "REPORTED"
    assert [delivery["destination"] for delivery in facts["report"]["deliveries"]] == ["pacs"]
    for time in (facts["run"]["finished_at"], facts["journal"][0]["at"], facts["instances"][0]["received_at"]):
        assert datetime.fromisoformat(time).tzinfo is not None
        assert f"{datetime.fromisoformat(time):%Y-%m-%d}" in shown.stdout


def test_each_result_says_what_kind_of_model_made_it(installation: Installation, study: str) -> None:
    rows = [line for line in installation.command("study", study).stdout.splitlines() if "MEASURED" in line]
    assert len(rows) == 2
    assert all("UNTRAINED" in row for row in rows)


def test_tables_fit_a_terminal_of_80_columns_and_keep_whole_uids_where_they_are_piped(
    installation: Installation, study: str
) -> None:
    assert study in installation.command("studies").stdout
    for command in (("studies",), ("study", study)):
        lines = in_a_terminal(installation, *command)
        assert max(map(len, lines)) <= 80
        shown = "\n".join(lines)
        for word in ("REPORTED", f"{datetime.now(UTC):%Y-%m-%d}"):
            assert word in shown
        cells = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
        assert study in "".join(cells) or study in shown, "folded, not cut"


def test_a_study_is_shown_by_the_questions_that_its_run_answered(
    installation: Installation, study: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changed = tmp_path / "tasks.toml"
    changed.write_text(BUNDLED_CATALOGUE.read_text().replace("Pulmonary artery systolic pressure", "Squeeze"))
    monkeypatch.setenv("ECHOWORKER_MODEL__CATALOGUE", str(changed))
    shown = installation.command("study", study).stdout
    assert "Pulmonary artery systolic pressure" in shown
    assert "Squeeze" not in shown
    (kept,) = (tmp_path / "data" / "spool" / "catalogues").iterdir()
    kept.unlink()
    shown = installation.command("study", study).stdout
    assert "pa_pressure" in shown
    assert "is not in the spool" in " ".join(shown.split())
    assert "mmHg" not in shown
    assert "cosine" not in shown


def test_a_study_is_shown_with_what_the_model_sees_in_each_clip(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    pipeline = Pipeline.create(load_settings())
    context = pipeline.context
    towers = ScriptedTowers(context.catalogue)
    towers.shows = ["apical_four_chamber", "abdomen", {"lung": 0.3, "subcostal": 0.29}]
    context.scorer = scripted_scorer(towers, context.catalogue, context.settings.gate)
    uid = pipeline.receive(*(as_study_of_its_own(SMALL, tmp_path, StudyInstanceUID="1.2.9") for _ in range(3)))
    pipeline.fall_quiet()
    pipeline.run(uid)
    shown = installation.command("study", uid).stdout
    rows = [line for line in shown.splitlines() if "1.2.826.0.1." in line]
    for row, view in zip(rows, ["apical four-chamber view (by 1.000)", "abdomen (by 1.000)", "lung"], strict=True):
        assert view in row
    assert "the model sees no heart: most like abdomen" in rows[1]
    assert "view gate skip: prompts, margin 0.05" in " ".join(shown.split())
    facts = json.loads(installation.command("study", "--json", uid).stdout)
    seen = [(clip["view"], clip["view_score"], clip["skip_reason"], clip["view_note"]) for clip in facts["instances"]]
    assert seen == [
        ("apical_four_chamber", 1, None, None),
        ("abdomen", 1, "the model sees no heart: most like abdomen", None),
        ("lung", pytest.approx(0.3), None, "the model is not sure to see a heart: most like lung or pleura"),
    ]
    known = {"frame_times_ms", "time_origin", "heart_rate", "region", "region_origin", "pixel_spacing_mm", "contents"}
    assert known <= facts["instances"][0].keys()
    assert facts["run"]["view_gate"] == "skip: prompts, margin 0.05"
    (left_out,) = facts["run"]["left_out"]
    assert (left_out["sop_instance_uid"], left_out["view"]["margin"]) == (facts["instances"][1]["sop_instance_uid"], 1)


def test_nothing_of_the_patient_is_shown(installation: Installation, study: str) -> None:
    patient = pydicom.dcmread(SMALL)
    shown = installation.command("study", study).stdout + installation.command("studies").stdout
    assert study in shown
    assert str(patient.PatientName) not in shown
    assert f" {patient.PatientID} " not in shown


def test_close_makes_a_study_ready_that_is_still_being_received(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    uid = Pipeline.create(load_settings()).receive(SMALL)
    assert f"study {uid} is still being received" in installation.command("requeue", uid).stderr
    closed = installation.command("close", uid)
    assert (closed.returncode, closed.stderr) == (0, "")
    assert f"study {uid}: prepare is due" in closed.stdout
    assert "closed by hand" in installation.command("study", uid).stdout
    again = installation.command("close", uid)
    assert (again.returncode, again.stderr.strip()) == (
        1,
        f"error: study {uid} is READY: only one that is RECEIVING can be closed",
    )


def test_callers_and_quarantine_tell_who_was_refused_and_what(installation: Installation) -> None:
    installation.command("db", "upgrade")
    now = datetime.now(UTC)
    with installation.registry.write() as session:
        for title, outcome in (("ECHO1", "accepted"), ("STRANGER", "no peer has this calling AE title")):
            address = "10.1.2.3"
            call = Call(ae_title=title, address=address, outcome=outcome, count=7, first_at=now, last_at=now)
            record_calls(session, [call])
    shown = installation.command("callers").stdout
    for word in (
        "ECHO1",
        "accepted",
        "STRANGER",
        "no peer has this calling AE title",
        "10.1.2.3",
        " 7 ",
        f"{now:%F %T}",
    ):
        assert word in shown
    assert "ECHO1" not in installation.command("callers", "--refused").stdout
    spool = Spool(installation.folder / "data" / "spool")
    spool.create()
    part = spool.new_incoming()
    part.write_bytes(b"0" * 3000)
    kept = put_in_quarantine(spool, part, reason="the data set is cut off", calling_ae_title="ECHO1")
    shown = installation.command("quarantine").stdout
    for word in ("the data set is cut off", "ECHO1", " 3 ", f"{datetime.now(UTC):%F}", kept.name):
        assert word in shown


def test_requeue_says_what_is_due(installation: Installation, study: str) -> None:
    again = installation.command("requeue", study, "--step", "prepare")
    assert again.returncode == 0, again.stderr
    assert f"study {study}: prepare is due; the reaper announces it" in again.stdout
    assert "READY" in installation.command("studies").stdout


def test_a_study_is_scored_again_from_what_is_kept_and_without_it_prepared_first(
    installation: Installation, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"study {study}: score is due" in installation.command("requeue", study, "--step", "score").stdout
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    pipeline = Pipeline.create(load_settings())
    pipeline.run(study, [Step.SCORE, Step.REPORT])  # removes the frames
    with pipeline.context.database.write() as session:
        forget_embeddings(session, study_id=pipeline.id_of(study), revision=1)
    again = installation.command("requeue", study, "--step", "score")
    assert f"study {study}: prepare is due before score, since the prepared frames are removed" in again.stdout


def test_doctor_names_every_fault_with_its_remedy(installation: Installation) -> None:
    run = installation.command("doctor")
    assert run.returncode == 1
    faults = [line for line in run.stdout.splitlines() if line.startswith("FAULT")]
    assert [line.split(":")[0].removeprefix("FAULT").strip() for line in faults] == [
        "data folder",
        "registry",
        "node",
        "peer pacs",
    ]
    assert "no installation at" in faults[0]
    assert "echoworker db upgrade" in faults[1]
    assert "connection refused: nothing listens there; is it running? Start it with echoworker up" in faults[2]


def test_doctor_finishes_its_list_where_the_data_folder_is_a_file(installation: Installation) -> None:
    (installation.folder / "data").write_text("not a folder")
    run = installation.command("doctor")
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1].startswith("FAULT peer pacs")


@pytest.mark.system
def test_up_ends_with_the_reason_when_a_part_of_it_cannot_start(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        run = installation.command("up")
    assert run.returncode == 1
    said = f"error: node: cannot listen on 127.0.0.1:{installation.port}: Address already in use"
    assert run.stderr.strip().splitlines() == [said]


def in_a_terminal(installation: Installation, *command: str) -> list[str]:
    """What a command shows in a terminal of 80 columns, line by line, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [ECHOWORKER, "--config", installation.site, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm", "NO_COLOR": "1"},
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # EIO: the other side is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
