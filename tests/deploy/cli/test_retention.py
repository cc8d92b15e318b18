"""`echoworker retention` as an administrator meets it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from config.settings import load_settings
from db.states import StudyState
from db.tables.studies import Instance, Study
from deploy.cli.application import app
from tests.support.clips import SMALL, as_study_of_its_own
from tests.worker.pipeline import Pipeline, ready


def said(*arguments: str) -> str:
    run = CliRunner().invoke(app, arguments)
    assert run.exception is None, run.exception
    return run.stdout


def said_json(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_KEEP__PIXELS_DAYS", "30")
    return Pipeline.create(load_settings())


@pytest.fixture
def uid(pipeline: Pipeline, tmp_path: Path) -> str:
    """A study that was delivered long ago."""
    uid = ready(pipeline, as_study_of_its_own(SMALL, tmp_path))
    came = datetime.now(UTC) - timedelta(days=31)
    with pipeline.context.database.write() as session:
        session.execute(update(Study).values(state=StudyState.DELIVERED, last_instance_at=came))
        session.execute(update(Instance).values(received_at=came))
    return uid


def test_what_would_go_is_said_then_removed_and_requeue_says_so(pipeline: Pipeline, uid: str) -> None:
    file = pipeline.context.spool.absolute(pipeline.detail(uid).instances[0].spool_path)
    size = file.stat().st_size
    would_go = said_json("retention", "--dry-run", "--list")
    assert would_go["pixels"] == {
        "studies": 1,
        "files": 1,
        "bytes": size,
        "list": [{"study_instance_uid": uid, "files": 1, "bytes": size}],
    }
    assert [would_go[kind]["studies"] for kind in ("tensors", "embeddings")] == [0, 0]
    assert uid in said("retention", "--dry-run", "--list")
    assert file.exists()
    assert said_json("retention", "run")["pixels"]["files"] == 1
    assert not file.exists()
    assert json.loads(said("study", "--json", uid))["instances"][0]["removed_at"]
    refused = CliRunner().invoke(app, ["requeue", uid, "--step", "prepare"])
    assert "the pixels of 1 instances were removed on" in str(refused.exception)
    assert "agree" in said("spool", "check")
    assert said_json("retention", "--dry-run")["pixels"]["studies"] == 0


def test_a_study_that_is_held_keeps_everything_until_it_is_released(pipeline: Pipeline, uid: str) -> None:
    assert "no study is held" in said("retention", "held")
    assert "is held" in said("retention", "hold", uid, "--reason", "trial 7", "--by", "k.meyer")
    (held,) = said_json("retention", "held")
    assert (held["study_instance_uid"], held["held_by"], held["reason"]) == (uid, "k.meyer", "trial 7")
    assert "k.meyer" in said("retention", "held")
    assert said_json("retention", "run")["pixels"]["studies"] == 0
    assert "is released" in said("retention", "release", uid)
    (former,) = said_json("retention", "held", "--all")
    assert "@" in former["released_by"], "who was logged in"
    assert said_json("retention", "run")["pixels"]["studies"] == 1


def test_without_a_word_nothing_is_removed_and_a_hold_needs_a_reason(pipeline: Pipeline, uid: str) -> None:
    assert CliRunner().invoke(app, ["retention"]).exit_code != 0
    assert CliRunner().invoke(app, ["retention", "hold", uid]).exit_code != 0
    assert pipeline.context.spool.absolute(pipeline.detail(uid).instances[0].spool_path).exists()
