"""Steps that hang, and workers that are stopped: real processes, each with a step that a test has written."""

import json
import signal
from pathlib import Path

import pytest

from config.settings import load_settings
from config.steps import Step
from db.reading.queries import StudyDetail
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.scripted_steps import scripted_worker
from tests.support.waiting import wait_until
from tests.worker.pipeline import Pipeline, ready
from worker.reaper import announce_overdue_steps

pytestmark = [pytest.mark.long, pytest.mark.system]

SITE = """\
data_dir = "{data}"
[pipeline]
maximum_attempts = 1
lease_s = 600
wake_again_after_s = 600
[time_limits]
prepare = {{ soft_s = {soft_s}, hard_s = {hard_s} }}
stop_s = {stop_s}
"""
STEPS = """
import itertools, time
from pathlib import Path
from worker.steps.outcome import Outcome

FOLDER = Path(__file__).parent

def prepare(context, held):
    how = (FOLDER / held.study_instance_uid).read_text()
    (FOLDER / "begun").touch()
    if how == "waits":
        while True:
            time.sleep(0.05)
    if how == "holds the interpreter":
        sum(itertools.repeat(0))  # in C, without end, and without a look at signals
    if how == "finishes":
        while not (FOLDER / "go on").exists():
            time.sleep(0.05)
    return Outcome(record=lambda *_: None)
"""


def pipeline_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **limits: float) -> Pipeline:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(data=tmp_path / "data", **limits))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    (tmp_path / "scripts").mkdir()
    return Pipeline.create(load_settings())


def study_that(pipeline: Pipeline, tmp_path: Path, how: str) -> str:
    uid = ready(pipeline, as_study_of_its_own(SMALL, tmp_path / how))
    (tmp_path / "scripts" / uid).write_text(how)
    announce_overdue_steps(pipeline.context)
    return uid


def last_attempt(detail: StudyDetail) -> tuple[str, str | None]:
    entry = [entry for entry in detail.journal if entry.step == Step.PREPARE][-1]
    return entry.reason or "", entry.traceback


def test_a_step_that_hangs_is_ended_in_c_too_and_the_worker_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, soft_s=1, hard_s=4, stop_s=20)
    waits = study_that(pipeline, tmp_path, "waits")
    holds = study_that(pipeline, tmp_path, "holds the interpreter")
    well = study_that(pipeline, tmp_path, "does well")
    with scripted_worker(tmp_path, tmp_path / "site.toml", STEPS, {Step.PREPARE: "prepare"}):
        for uid, state in ((waits, "FAILED"), (holds, "FAILED"), (well, "PREPARED")):
            wait_until(lambda uid=uid, state=state: pipeline.detail(uid).study.state == state, 90, f"{uid}: {state}")
    reason, traceback = last_attempt(pipeline.detail(waits))
    assert reason == "prepare took longer than 1 s: it was broken off (time_limits.prepare.soft_s)"
    assert "scripted.py" in (traceback or "")
    reason, traceback = last_attempt(pipeline.detail(holds))
    assert reason == "prepare: took longer than its hard time limit ([time_limits]): its worker was ended"
    assert "scripted.py" in (traceback or "")
    events = [json.loads(line)["event"] for line in (tmp_path / "worker.log").read_text().splitlines()]
    assert events.count("process started") == 2, "only what cannot be broken off costs a process"


def test_a_stopped_worker_hands_back_what_it_cannot_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, soft_s=500, hard_s=600, stop_s=1)
    uid = study_that(pipeline, tmp_path, "waits")
    with scripted_worker(tmp_path, tmp_path / "site.toml", STEPS, {Step.PREPARE: "prepare"}) as worker:
        wait_until((tmp_path / "scripts" / "begun").exists, 60, "the step to begin")
        assert pipeline.detail(uid).study.lease_token
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    detail = pipeline.detail(uid)
    assert (detail.study.state, detail.study.attempts, detail.study.lease_token) == ("READY", 0, None)
    assert last_attempt(detail)[0] == "prepare: handed back, as its worker was stopped"
    assert pipeline.run(uid, [Step.PREPARE]).study.state == "PREPARED", "nobody waits for the lease"


def test_a_stopped_worker_finishes_what_it_can_and_begins_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, soft_s=500, hard_s=600, stop_s=60)
    finishes = study_that(pipeline, tmp_path, "finishes")
    next_one = study_that(pipeline, tmp_path, "does well")
    with scripted_worker(tmp_path, tmp_path / "site.toml", STEPS, {Step.PREPARE: "prepare"}) as worker:
        wait_until((tmp_path / "scripts" / "begun").exists, 60, "the step to begin")
        waiting = list((tmp_path / "data" / "broker" / "messages").iterdir())
        assert len(waiting) == 1, "a worker holds the message that it works on, and no other"
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: "shutting down" in (tmp_path / "worker.log").read_text(), 60, "it to notice")
        (tmp_path / "scripts" / "go on").touch()
        assert worker.wait(60) == 0
    assert pipeline.detail(finishes).study.state == "PREPARED"
    detail = pipeline.detail(next_one)
    assert (detail.study.state, detail.study.attempts) == ("READY", 0)
    messages = list((tmp_path / "data" / "broker" / "messages").iterdir())
    assert messages or detail.study.announced_at is None, "its message is there, or another one is sent"
