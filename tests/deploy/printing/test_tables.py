"""The table of a run's answers, as a reader of the terminal meets it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from config.catalogue import Catalogue, load_catalogue
from config.labels import ModelLabel
from db.results.runs import ModelIdentity, Run, TaskResult, Verdict
from deploy.printing.tables import results_table

NO_THRESHOLD = "no threshold was made with Some model and these prompts"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def run(catalogue: Catalogue) -> Run:
    return Run(
        run_uid="0b6a0f0e-6f8b-4b57-8b52-0a4e35fcb75b",
        study_instance_uid="1.2.3",
        revision=1,
        model=ModelIdentity(name="Some model", version="3", family="some", label=ModelLabel.RESEARCH, digest="0" * 64),
        catalogue_digest=catalogue.digest,
        software_version="0.1.0",
        preprocessing_profile="fast-1",
        finished_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        clips=(),
        results=(
            TaskResult(task_id="tavr", verdict=Verdict.UNCALIBRATED, score=0.21, reason=NO_THRESHOLD),
            TaskResult(task_id="lv_size", verdict=Verdict.UNCALIBRATED, outcome="mild", score=0.9, reason=NO_THRESHOLD),
            TaskResult(task_id="impella_position", verdict=Verdict.ABSTAINED, reason="no Impella pump was found"),
            TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53, spread=4.04),
            TaskResult(
                task_id="mitral_stenosis", verdict=Verdict.CLASSIFIED, outcome="moderate", score=1.8, agreement=0.83
            ),
            TaskResult(
                task_id="pacemaker",
                verdict=Verdict.PRESENT,
                score=0.3052734375,
                threshold=0.29823529411764704,
                agreement=1.0,
            ),
        ),
    )


def shown(run: Run, catalogue: Catalogue | None, width: int = 200) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(results_table(run, catalogue))
    return captured.get().splitlines()


def rows(lines: list[str]) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    return {name: rest for name, *rest in cells}


def test_answers_come_first_each_with_how_far_its_frames_agree(run: Run, catalogue: Catalogue) -> None:
    found = rows(shown(run, catalogue))
    assert list(found.items()) == [
        (
            "Left ventricular ejection fraction",
            ["MEASURED", "RESEARCH", "54.5", "percent", "the frames differ by 4.0 points (standard deviation)"],
        ),
        (
            "Mitral stenosis",
            ["CLASSIFIED", "RESEARCH", "moderate", "", "83 % of the frames, each alone, give this answer"],
        ),
        (
            "Pacemaker or defibrillator lead",
            [
                "PRESENT", "RESEARCH", "0.3053", "cosine",
                "threshold 0.2982; 100 % of the frames, each alone, give this answer",
            ],
        ),
        ("Impella position", ["ABSTAINED", "RESEARCH", "", "", "no Impella pump was found"]),
        ("Transcatheter aortic valve", ["UNCALIBRATED", "RESEARCH", "0.21", "cosine", ""]),
        ("Left ventricular size", ["UNCALIBRATED", "RESEARCH", "", "", "most like mildly enlarged"]),
    ]  # fmt: skip


def test_a_reason_that_many_share_is_said_once(run: Run, catalogue: Catalogue) -> None:
    lines = shown(run, catalogue)
    assert "\n".join(lines).count(NO_THRESHOLD) == 1
    assert lines[-1].strip() == f"UNCALIBRATED (2): {NO_THRESHOLD}"
    alone = replace(run, results=run.results[:1])
    assert rows(shown(alone, catalogue))["Transcatheter aortic valve"][-1] == NO_THRESHOLD


def test_what_has_to_be_known_of_an_answer_stands_beside_it(run: Run, catalogue: Catalogue) -> None:
    doubted = replace(run, results=(replace(run.results[5], reason="the threshold was measured with other frames"),))
    note = rows(shown(doubted, catalogue, width=250))["Pacemaker or defibrillator lead"][-1]
    assert note.endswith("give this answer; the threshold was measured with other frames")


def test_without_the_catalogue_of_the_run_ids_stand_for_names_and_nothing_is_guessed(run: Run) -> None:
    lines = shown(run, None)
    found = rows(lines)
    assert found["mitral_stenosis"][:4] == ["CLASSIFIED", "RESEARCH", "moderate", ""]
    assert found["lv_size"] == ["UNCALIBRATED", "RESEARCH", "", "", ""]
    assert found["lvef"][2:] == ["54.5", "", ""]
    assert "is not in the spool: no names and units" in " ".join(" ".join(lines).split())


def test_a_class_that_a_changed_catalogue_no_longer_has_is_shown_by_its_id(run: Run, catalogue: Catalogue) -> None:
    unknown = replace(run, results=(replace(run.results[4], outcome="catastrophic"),))
    assert rows(shown(unknown, catalogue))["Mitral stenosis"][2] == "catastrophic"
    looks = replace(run, results=(replace(run.results[1], outcome="huge"),))
    assert rows(shown(looks, catalogue))["Left ventricular size"][2:] == ["", "", "most like huge; " + NO_THRESHOLD]


def test_it_fits_a_terminal_of_80_columns(run: Run, catalogue: Catalogue) -> None:
    assert max(map(len, shown(run, catalogue, width=80))) <= 80
