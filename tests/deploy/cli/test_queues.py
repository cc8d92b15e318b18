"""`echoworker queues` as an administrator meets it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.settings import load_settings
from db.working.devices import note_failed
from deploy.cli.application import app
from deploy.doctor.queues import gpus, paused_queues
from dicom_node.findings import Doubt
from tests.support.clips import SMALL, as_study_of_its_own
from tests.worker.pipeline import Pipeline, ready


def said(*arguments: str) -> str:
    run = CliRunner().invoke(app, arguments)
    assert run.exception is None, run.exception
    return run.output


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    return Pipeline.create(load_settings())


def test_a_queue_is_paused_shown_so_by_whom_and_why_and_resumed(pipeline: Pipeline, tmp_path: Path) -> None:
    uid = ready(pipeline, as_study_of_its_own(SMALL, tmp_path))
    assert "prepare is paused" in said("queues", "pause", "prepare", "--reason", "new disk", "--by", "k.meyer")
    (prepare, *others) = json.loads(said("queues", "--json"))
    assert [each["queue"] for each in (prepare, *others)] == ["prepare", "score", "report", "deliver", "forward"]
    assert (prepare["waiting"], prepare["running"]) == (1, 0)
    assert prepare["pauses"][0]["paused_by"] == "k.meyer"
    shown = " ".join(said("queues").replace("│", " ").split())
    assert "by k.meyer" in shown
    assert "new disk" in shown
    with pytest.raises(Doubt, match=r"prepare is paused by k\.meyer since .*: new disk: echoworker queues resume"):
        paused_queues(load_settings())
    assert "prepare goes on" in said("queues", "resume", "prepare")
    (pause,) = json.loads(said("queues", "history", "--json"))
    assert pause["paused_by"] == "k.meyer"
    assert "@" in pause["resumed_by"], "who was logged in"
    assert paused_queues(load_settings()) == "none is paused"
    assert pipeline.detail(uid).study.state == "READY"


def test_a_reason_has_to_be_given(pipeline: Pipeline) -> None:
    assert CliRunner().invoke(app, ["queues", "pause", "score"]).exit_code != 0
    assert "no queue was ever paused" in said("queues", "history")


def test_a_gpu_that_is_set_aside_is_shown_and_used_again_by_command(pipeline: Pipeline) -> None:
    assert "no GPU has failed" in said("devices")
    with pipeline.context.database.write() as session:
        note_failed(session, "gpu1", "cuda:0", reason="CUDA error: ECC", now=datetime.now(UTC), at_most=1)
    assert "CUDA error: ECC" in said("devices")
    with pytest.raises(Doubt, match="cuda:0 of gpu1 is set aside after 1 failed checks: CUDA error: ECC: once it is"):
        gpus(load_settings())
    assert "is checked and used" in said("devices", "use-again", "cuda:0", "--host", "gpu1")
    assert gpus(load_settings()) == "none has failed its last check"
