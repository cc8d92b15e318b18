"""`echoworker phantom` as its users meet it."""

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import echoworker
from worker.phantom.truth import StudyKind, read_truths


def phantom(*arguments: object) -> subprocess.CompletedProcess[str]:
    return echoworker("phantom", *arguments)


@pytest.mark.long
def test_studies_are_made_and_listed_with_their_truth(tmp_path: Path) -> None:
    out = tmp_path / "studies"
    kinds = ("--contradicted", 1, "--no-view", 1)
    run = phantom("--studies", 3, "--out", out, "--clips", 1, "--seed", 7, "--style", "meadow", *kinds)
    assert run.returncode == 0, run.stderr
    truths = read_truths(out)
    assert [truth.seed for truth in truths] == [7, 8, 9]
    assert [truth.kind for truth in truths] == [StudyKind.ORDINARY, StudyKind.CONTRADICTED, StudyKind.NO_VIEW]
    (planted,) = truths[1].contradictions
    assert f"{planted.task}: {planted.said}" in run.stdout
    for number, truth in enumerate(truths, start=1):
        assert f"study-{number:04}" in run.stdout
        assert f"{truth.heart.ejection_fraction:.0f} %" in run.stdout
        assert truth.style == "meadow"


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    run = phantom("--studies", 1, "--out", tmp_path)
    assert run.returncode == 1
    assert "holds something already" in run.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    assert "no style acme: there are harbour" in phantom("--studies", 1, "--out", tmp_path, "--style", "acme").stderr
    too_many = phantom("--studies", 2, "--out", tmp_path / "new", "--contradicted", 2, "--no-view", 1)
    assert "more than 2 in all" in too_many.stderr
    assert not (tmp_path / "new").exists()
