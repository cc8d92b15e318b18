"""Workers that a study takes down: what becomes of it, and of them."""

import base64
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.processes import process_name
from config.settings import load_settings
from config.steps import Step
from db.reading.queries import StudyDetail
from db.working.leases import Fault, claim, fail_attempt
from deploy.cli.application import app
from deploy.processes.deaths import give_back, note_death, sweep_crash_files
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.scripted_steps import scripted_worker
from tests.support.waiting import wait_until
from tests.worker.pipeline import Pipeline, ready
from worker.reaper import announce_overdue_steps

SITE = """\
data_dir = "{data}"
[pipeline]
maximum_attempts = 2
retry_after_s = 0.1
lease_s = 600
wake_again_after_s = 600
"""
POISON = """
import ctypes
from datetime import UTC, datetime
from pathlib import Path
from worker.steps.outcome import Outcome

def prepare(context, held):
    how = (Path(__file__).parent / held.study_instance_uid).read_text()
    if how == "segfault":
        ctypes.string_at(0)
    if how == "raises":
        raise KeyError("Doe^Jane")
    return Outcome(record=lambda *_: None)
"""
RUNS = """
from config.settings import load_settings
from deploy.processes.deaths import write_crashes

print(write_crashes(load_settings()).name, flush=True)
input()
"""
"""A worker, as far as its file is concerned."""


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(data=tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    return Pipeline.create(load_settings())


@pytest.mark.long
@pytest.mark.system
def test_a_study_that_takes_its_worker_down_each_time_is_set_aside_with_what_it_died_of(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """Nobody waits for a lease here: it is ten minutes, and so is the patience with a lost message."""
    (tmp_path / "scripts").mkdir()
    studies = {}
    for how, file in {"segfault": LARGE, "raises": SMALL, "well": LARGE}.items():
        studies[how] = ready(pipeline, as_study_of_its_own(file, tmp_path / how))
        (tmp_path / "scripts" / studies[how]).write_text(how)

    def at_rest() -> dict[str, StudyDetail] | None:
        announce_overdue_steps(pipeline.context)
        found = {how: pipeline.detail(uid) for how, uid in studies.items()}
        return None if any(detail.study.state == "READY" for detail in found.values()) else found

    with scripted_worker(tmp_path, tmp_path / "site.toml", POISON, {Step.PREPARE: "prepare"}):
        found = wait_until(at_rest, 120, f"all studies to be set aside or done; see {tmp_path}/worker.log")
    assert {how: detail.study.state for how, detail in found.items()} == {
        "segfault": "FAILED",
        "raises": "FAILED",
        "well": "PREPARED",
    }
    assert found["segfault"].reason == "prepare: its worker was killed by SIGSEGV"
    for how, detail in found.items():
        attempts = [entry for entry in detail.journal if entry.step == Step.PREPARE]
        assert [entry.attempt for entry in attempts] == ([1] if how == "well" else [1, 2])
        assert all(entry.duration_ms is not None for entry in attempts)
        kept = attempts[-1].traceback or ""
        assert ("scripted.py" in kept) == (how in ("segfault", "raises")), kept
        assert "Doe" not in kept
    assert list((tmp_path / "data" / "crashes").iterdir()) == [], "what the journal has needs no file"


@pytest.mark.parametrize(
    ("return_code", "said"),
    [
        (-signal.SIGKILL, "its worker was killed by SIGKILL, as the system does where memory runs out"),
        (-signal.SIGABRT, "its worker was killed by SIGABRT"),
        (3, "its worker ended with status 3"),
    ],
)
def test_the_journal_says_how_a_worker_ended(pipeline: Pipeline, tmp_path: Path, return_code: int, said: str) -> None:
    uid, gone = ready(pipeline, as_study_of_its_own(SMALL, tmp_path)), 2**22 + 1  # no process has this number
    now, settings = datetime.now(UTC), load_settings()
    owner = process_name(gone)
    with pipeline.context.database.write() as session:
        claim(session, pipeline.id_of(uid), Step.PREPARE, owner=owner, now=now, pipeline=settings.pipeline)
    assert note_death(settings, gone, return_code)
    assert pipeline.detail(uid).study.reason == f"prepare: {said}"
    assert not note_death(settings, gone, return_code), "it holds nothing any more"


def test_whoever_looks_after_workers_outlives_a_registry_that_keeps_identities_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_PRIVACY__PATIENT_IDENTITIES", "encrypted")
    monkeypatch.setenv("ECHOWORKER_PRIVACY__KEY", base64.b64encode(b"k" * 32).decode())
    settings = load_settings()
    pipeline = Pipeline.create(settings)
    uid, gone = ready(pipeline, as_study_of_its_own(SMALL, tmp_path)), 2**22 + 1
    with pipeline.context.database.write() as session:
        owner = process_name(gone)
        claim(
            session,
            pipeline.id_of(uid),
            Step.PREPARE,
            owner=owner,
            now=datetime.now(UTC),
            pipeline=settings.pipeline,
        )
    monkeypatch.setenv("ECHOWORKER_PRIVACY__PATIENT_IDENTITIES", "plain")
    assert not note_death(load_settings(), gone, -signal.SIGKILL), "settings that do not fit: nothing is written"
    give_back(load_settings(), gone)
    assert note_death(settings, gone, -signal.SIGKILL)
    assert "SIGKILL" in (pipeline.detail(uid).study.reason or "")


def test_what_dead_workers_have_not_written_into_is_swept(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is killed with its supervisor, or while the registry is away, has nobody to remove its file."""
    crashes, gone = tmp_path / "data" / "crashes", 2**22 + 1
    with subprocess.Popen([sys.executable, "-c", RUNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        runs = Path(worker.stdout.readline().decode().strip())
        crashed = crashes / f"{process_name(gone).replace(':', '-')}.txt"
        crashed.write_text("Fatal Python error")
        # Of another container with this host's name, which ended all at once; and of another host.
        killed, of_another_host = crashes / f"{socket.gethostname()}-0a1b2c3d-17.txt", crashes / "another-host-17.txt"
        for file in (killed, of_another_host):
            file.touch()
        sweep_crash_files(load_settings())
        assert sorted(crashes.iterdir()) == sorted([crashed, runs, of_another_host])
        worker.kill()
        worker.wait(30)
    monkeypatch.setenv("ECHOWORKER_DATABASE__URL", f"sqlite:///{tmp_path}/not-there/registry.sqlite3")
    assert not note_death(load_settings(), worker.pid, -signal.SIGKILL)
    assert note_death(load_settings(), gone, -signal.SIGSEGV), "it was at work on something"
    assert sorted(crashes.iterdir()) == sorted([crashed, of_another_host])


def test_a_container_with_the_same_host_name_and_process_number_counts_for_another(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid, number, settings = ready(pipeline, as_study_of_its_own(SMALL, tmp_path)), 17, load_settings()
    crashes, pipeline_settings = tmp_path / "data" / "crashes", settings.pipeline
    with pipeline.context.database.write() as session:
        owner, now = process_name(number), datetime.now(UTC)
        assert claim(session, pipeline.id_of(uid), Step.PREPARE, owner=owner, now=now, pipeline=pipeline_settings)
    crashes.mkdir()
    of_this_one = crashes / f"{owner.replace(':', '-')}.txt"
    of_this_one.write_text("Fatal Python error")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("config.processes._space", lambda: "0a1b2c3d")
        assert not note_death(settings, number, -signal.SIGKILL), "what died there held nothing"
        give_back(settings, number)
    assert of_this_one.exists()
    assert note_death(settings, number, -signal.SIGKILL)


def test_all_that_failed_at_a_step_is_requeued_by_one_command(pipeline: Pipeline, tmp_path: Path) -> None:
    studies = [ready(pipeline, as_study_of_its_own(SMALL, tmp_path / str(number))) for number in range(3)]
    now = datetime.now(UTC)
    for uid in studies[:2]:
        with pipeline.context.database.write() as session:
            held = claim(
                session, pipeline.id_of(uid), Step.PREPARE, owner="w", now=now, pipeline=load_settings().pipeline
            )
            assert held is not None
            fail_attempt(session, held, reason="none", fault=Fault.LASTING, now=now, pipeline=load_settings().pipeline)
    said = CliRunner().invoke(app, ["requeue", "--failed", "prepare"])
    assert said.output == "2 of 2 studies that failed at prepare are requeued\n"
    for uid in studies:
        assert pipeline.detail(uid).study.state == "READY"
    assert pipeline.detail(studies[0]).study.attempts == 0
    assert CliRunner().invoke(app, ["requeue", "--failed", "score"]).output.startswith("0 of 0")
    neither = CliRunner().invoke(app, ["requeue"])
    assert "name one study by its UID, or all that failed" in str(neither.exception)
