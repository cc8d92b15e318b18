"""`echoworker rescore` as its users meet it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import deploy.cli.rescore
from config.errors import ConfigurationError, RegistryError
from db.states import BatchKind
from deploy.cli.application import app
from tests.support.scored_archive import ScoredArchive, Thresholds


@pytest.fixture(autouse=True)
def _scored_by_untrained() -> None:
    """No pack is loaded here."""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoredArchive:
    made = ScoredArchive(tmp_path)
    monkeypatch.setattr(deploy.cli.rescore, "_worker", lambda _: made.context)
    for _ in range(3):
        made.add(clips=1)
    made.use_model(calibration=Thresholds("c" * 64, {"tavr": -1.0}))
    return made


def rescore(archive: ScoredArchive, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--data", str(archive.folder / "data"), "rescore", *arguments])


def test_from_a_dry_run_to_what_is_current(archive: ScoredArchive) -> None:
    dry = rescore(archive, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "3 studies would be answered by Hashed 0" in dry.output
    assert "another calibration: 3" in dry.output
    assert "3 from kept embeddings, 0 from their pixels" in dry.output
    assert "cannot" not in dry.output
    assert "nothing was re-scored yet" in rescore(archive, "status").output

    begun = rescore(archive, "--canary", "1")
    assert begun.exit_code == 0, begun.output
    assert "re-scoring 1 is CANARY: 2 DUE, 1 SCORED" in begun.output
    assert "re-scoring 1 is SCORED: 3 SCORED" in rescore(archive, "continue", "1").output
    shown = rescore(archive, "show", "1")
    assert "3 UNCALIBRATED > PRESENT" in shown.output
    assert "nothing is current yet: echoworker rescore adopt 1" in shown.output
    facts = json.loads(rescore(archive, "show", "1", "--json").output)
    assert facts["studies"] == {"SCORED": 3}
    assert facts["report"]["tasks"]["tavr"]["answers_changed"] == 3

    assert "re-scoring 1 is ADOPTED: 3 ADOPTED" in rescore(archive, "adopt", "1").output
    (listed,) = json.loads(rescore(archive, "status", "--json").output)
    assert (listed["state"], listed["studies"]) == ("ADOPTED", {"ADOPTED": 3})
    assert "nothing to do" in rescore(archive).output


def test_a_dry_run_says_how_many_cannot_be_answered(archive: ScoredArchive) -> None:
    archive.use_model(digest="1" * 64, embedder="f" * 64)
    dry = rescore(archive, "--dry-run")
    assert "0 from kept embeddings, 0 from their pixels" in dry.output
    assert "3 cannot be answered: neither embeddings of this model nor all pixels are there" in dry.output


def test_nothing_is_left_to_workers_that_would_not_do_it(archive: ScoredArchive) -> None:
    for arguments in (["--leave"], ["adopt", "1", "--leave"]):
        refused = rescore(archive, *arguments)
        assert isinstance(refused.exception, ConfigurationError)
        assert "rescore.enabled is false" in str(refused.exception)
    assert archive.last_batch() is None


def test_a_batch_is_left_paused_resumed_and_discarded(archive: ScoredArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_RESCORE__ENABLED", "true")
    assert "goes on in the window of the workers (01:00-05:00)" in rescore(archive, "--task", "tavr", "--leave").output
    assert "re-scoring 1 is paused" in rescore(archive, "pause", "1").output
    assert "RUNNING, paused" in rescore(archive, "status").output
    assert "re-scoring 1 is SCORED: 3 SCORED" in rescore(archive, "resume", "1").output
    assert list(json.loads(rescore(archive, "show", "1", "--json").output)["report"]["tasks"]) == ["tavr"]
    assert "re-scoring 1 is discarded" in rescore(archive, "discard", "1").output
    assert isinstance(rescore(archive, "resume", "1").exception, RegistryError)
    assert isinstance(rescore(archive, "show", "7").exception, RegistryError)


def test_a_shadow_is_shown_as_a_table_of_agreement(archive: ScoredArchive) -> None:
    archive.use_model(digest="5" * 64)
    batch_id = archive.begin(kind=BatchKind.SHADOW)
    archive.work(batch_id)
    shown = rescore(archive, "show", "1")
    assert "Limits of agreement" in shown.output
    assert "adopt" not in shown.output


@pytest.mark.parametrize("arguments", [["--pack", "a", "--shadow", "b"], ["--task", "no_such_task"]])
def test_wrong_questions_are_refused(archive: ScoredArchive, arguments: list[str]) -> None:
    assert isinstance(rescore(archive, *arguments).exception, ConfigurationError)
