"""From a file of cases to an active calibration, on a registry with kept results and embeddings."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from config.calibration import load_calibration
from config.errors import CalibrationError, ConfigurationError
from config.settings import load_settings
from db.results.runs import ModelIdentity, TaskResult, Verdict
from tests.support.labelled import Labelled
from worker.calibration.active import activate, holding
from worker.calibration.cases import read_cases
from worker.calibration.making import calibrate
from worker.calibration.scored import TaskCases, scored_cases
from worker.calibration.thresholds import ThresholdRule


@pytest.fixture
def labelled(tmp_path: Path) -> Labelled:
    return Labelled(tmp_path / "data")


def axes(*numbers: float, frames: int = 3, width: int = 16) -> torch.Tensor:
    """Frames of length 1 with these first coordinates; what is left of the length is in the last."""
    embeddings = torch.zeros(frames, width)
    embeddings[:, : len(numbers)] = torch.tensor(numbers)
    embeddings[:, -1] = (1 - (embeddings**2).sum(dim=1)).sqrt()
    return embeddings


def device_cases(labelled: Labelled) -> TaskCases:
    task = labelled.catalogue.task("device")
    assert task is not None
    read = read_cases(labelled.cases, [task])
    (cases,) = scored_cases(labelled.source, {"device": task}, read.cases)
    return cases


def test_a_kept_result_of_the_active_model_is_taken(labelled: Labelled) -> None:
    labelled.label(labelled.scored({"device": 0.4}), 1)
    (case,) = device_cases(labelled).scored
    assert (case.score, case.truth) == (0.4, 1)


def test_a_class_that_was_no_answer_since_it_led_by_too_little_is_a_case_like_others(labelled: Labelled) -> None:
    """Else a calibration that is made anew would judge itself by what the one before let through."""
    close = TaskResult(task_id="place", verdict=Verdict.ABSTAINED, score=0.01, threshold=0.02, outcome="right")
    labelled.label(labelled.scored({}, results=(close,)), "left")
    task = labelled.catalogue.task("place")
    assert task is not None
    read = read_cases(labelled.cases, [task])
    ((case,),) = [cases.scored for cases in scored_cases(labelled.source, {"place": task}, read.cases)]
    assert (case.score, case.outcome, case.truth) == (0.01, 1, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ModelIdentity(name="Other", version="1", family="axis", label="RESEARCH", digest="b" * 64)},  # type: ignore[arg-type]
        {"catalogue_digest": "b" * 64},
        {"preprocessing_profile": "upstream-1"},
        {"view_gate": "skip: another"},
    ],
)
def test_a_result_that_was_made_otherwise_is_no_score(labelled: Labelled, changes: dict[str, object]) -> None:
    labelled.label(labelled.scored({"device": 0.4}, **changes), 1)
    cases = device_cases(labelled)
    assert cases.scored == ()
    assert "requeue it, --step prepare" in cases.unanswered[0].reason


def test_without_a_result_the_score_is_made_from_kept_embeddings(labelled: Labelled) -> None:
    labelled.label(labelled.embedded([axes(0.2), axes(0.4)]), 1)
    (case,) = device_cases(labelled).scored
    assert case.score == pytest.approx(0.3, abs=1e-3)


def test_studies_that_cannot_be_used_are_listed_with_the_reason(labelled: Labelled) -> None:
    labelled.label("1.9.9", 1)
    labelled.label(labelled.embedded([axes(0.2)], profile="upstream-1"), 1)
    labelled.label(labelled.embedded([]), 0)
    gone = labelled.embedded([axes(0.2)])
    labelled.label(gone, 0)
    for file in (labelled.spool.root / "embeddings").rglob(f"{gone}/*.safetensors"):
        file.unlink()
    cases = device_cases(labelled)
    assert cases.scored == ()
    reasons = [case.reason for case in cases.unanswered]
    assert "not scored here" in reasons[0]
    assert "profile upstream-1" in reasons[1]
    assert reasons[2] == "no usable clip"
    assert "missing or damaged" in reasons[3]


def test_a_patient_is_known_by_the_file_or_by_the_registry(labelled: Labelled) -> None:
    labelled.label(labelled.scored({"device": 0.1}, patient="4711"), 1)
    labelled.label(labelled.scored({"device": 0.2}, patient="4711"), 1)
    labelled.label(labelled.scored({"device": 0.3}, patient="4711"), 1, group="A")
    labelled.label(labelled.scored({"device": 0.4}), 1)
    cases = device_cases(labelled)
    first, second, named, unknown = cases.groups
    assert first == second
    assert len({first, named, unknown}) == 3
    assert cases.of_no_patient == 1


def make(labelled: Labelled, folder: Path, *task_ids: str) -> Path:
    tasks = {task_id: labelled.catalogue.task(task_id) for task_id in task_ids}
    calibrate(
        labelled.source,
        tasks,  # type: ignore[arg-type]
        cases=labelled.cases,
        rule=ThresholdRule(),
        folder=folder,
        software_version="1",
    )
    return folder


def with_devices(labelled: Labelled, number: int = 40) -> Labelled:
    generator = np.random.default_rng(0)
    for case in range(number):
        truth = case % 2
        labelled.label(
            labelled.scored({"device": 0.2 + 0.1 * truth + 0.02 * generator.normal()}, f"secret-{case}"), truth
        )
    return labelled


def test_a_candidate_has_its_provenance_and_holds_for_what_it_was_made_with(labelled: Labelled, tmp_path: Path) -> None:
    folder = make(with_devices(labelled), tmp_path / "out", "device")
    names = ["calibration.json", "device-reliability.png", "device-roc.png", "report.md"]
    assert sorted(path.name for path in folder.iterdir()) == names
    calibration = load_calibration(folder / "calibration.json")
    assert calibration.model_digest == labelled.model.identity.digest
    assert calibration.truth_sha256 in (folder / "report.md").read_text()
    (found, why_not), *_ = holding(calibration, labelled.model, labelled.catalogue, profile="fast-1")
    assert why_not is None
    assert found.threshold == pytest.approx(0.25, abs=0.02)
    labelled.model.embedder = "f" * 64
    ((_, why_not),) = holding(calibration, labelled.model, labelled.catalogue, profile="fast-1")
    assert "another model" in str(why_not)


def test_no_patient_is_in_what_is_written(labelled: Labelled, tmp_path: Path) -> None:
    folder = make(with_devices(labelled), tmp_path / "out", "device")
    for path in folder.iterdir():
        assert b"secret-" not in path.read_bytes()


def test_measurements_alone_give_a_report_and_no_candidate(labelled: Labelled, tmp_path: Path) -> None:
    for case in range(20):
        labelled.label(labelled.embedded([axes(0, 0, 0, 0.03 * case)]), 3 * case + case % 2)
    folder = make(labelled, tmp_path / "out", "volume")
    assert sorted(path.name for path in folder.iterdir()) == ["report.md", "volume-agreement.png"]
    assert "mean absolute error" in (folder / "report.md").read_text()


def test_too_few_cases_write_nothing(labelled: Labelled, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="at least 10"):
        make(with_devices(labelled, 18), tmp_path / "out", "device")
    assert not (tmp_path / "out").exists()


def test_activating_keeps_the_one_before_and_says_what_is_lost(labelled: Labelled, tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "site")
    first = make(with_devices(labelled), tmp_path / "first", "device")
    activated = activate(settings, first)
    assert (activated.kept, activated.no_longer) == (None, ())
    before = settings.calibration_path.read_bytes()
    other = json.loads(before)
    other["tasks"][0]["task_id"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(other))
    activated = activate(settings, tmp_path / "other.json")
    assert activated.no_longer == ("device",)
    assert activated.kept is not None
    assert activated.kept.read_bytes() == before
    assert load_calibration(settings.calibration_path).task("another")


def test_what_is_not_valid_is_not_activated_and_a_damaged_one_can_be_replaced(
    labelled: Labelled, tmp_path: Path
) -> None:
    settings = load_settings(data_dir=tmp_path / "site")
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(ConfigurationError):
        activate(settings, tmp_path)
    assert not settings.calibration_path.exists()
    settings.calibration_path.parent.mkdir(parents=True)
    settings.calibration_path.write_text("damaged")
    activated = activate(settings, make(with_devices(labelled), tmp_path / "out", "device"))
    assert load_calibration(settings.calibration_path) == activated.calibration


def test_a_file_that_the_settings_name_is_not_overruled(labelled: Labelled, tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "site")
    named = settings.model_copy(update={"model": settings.model.model_copy(update={"calibration": "/srv/site.json"})})
    folder = make(with_devices(labelled), tmp_path / "out", "device")
    with pytest.raises(ConfigurationError, match=r"/srv/site\.json, which is stronger"):
        activate(named, folder)
