"""The calibration file: what it must hold, and when it holds for a model."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from config.calibration import load_calibration, site_calibration
from config.errors import ConfigurationError
from config.settings import load_settings

METRIC = {"value": 0.8, "low": 0.7, "high": 0.9}
TASK: dict[str, Any] = {
    "task_id": "device",
    "prompts_digest": "1" * 64,
    "rule": "f1",
    "threshold": 0.25,
    "origin": "highest F1 on 40 cases",
    "cases": 40,
    "patients": 38,
    "cases_of": {"absent": 20, "present": 20},
    "metrics": {"F1": METRIC},
}
CONTENT: dict[str, Any] = {
    "format": 1,
    "model_name": "Axis",
    "model_digest": "2" * 64,
    "model_label": "RESEARCH",
    "embedder": "3" * 64,
    "preprocessing_profile": "fast-1",
    "catalogue_digest": "4" * 64,
    "software_version": "1",
    "made_at": "2026-11-24T12:00:00Z",
    "truth_sha256": "5" * 64,
    "tasks": [TASK],
}
ASKED = {"embedder": "3" * 64, "prompts_digest": "1" * 64, "profile": "fast-1"}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "site.json"
    path.write_text(json.dumps(content))
    return path


def test_what_is_written_is_read_again_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    calibration = load_calibration(written(tmp_path, CONTENT))
    assert calibration.digest == hashlib.sha256((tmp_path / "site.json").read_bytes()).hexdigest()
    (tmp_path / "again.json").write_bytes(calibration.content())
    again = load_calibration(tmp_path / "again.json")
    assert again.model_copy(update={"digest": calibration.digest}) == calibration
    assert b"digest" in calibration.content()
    assert calibration.digest.encode() not in calibration.content()


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_threshold_is_a_number(tmp_path: Path, number: float) -> None:
    """Nothing is above one that is none: every finding would be ABSENT, and calibrated."""
    with pytest.raises(ConfigurationError, match="threshold: Input should be a finite number"):
        load_calibration(written(tmp_path, {**CONTENT, "tasks": [{**TASK, "threshold": number}]}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"embedder": "9" * 64}, "another model"),
        ({"prompts_digest": "9" * 64}, "other prompts"),
        ({"profile": "upstream-1"}, "frames of profile fast-1"),
    ],
)
def test_it_holds_for_the_model_prompts_and_frames_that_it_was_made_with(
    tmp_path: Path, changed: dict[str, str], said: str | None
) -> None:
    calibration = load_calibration(written(tmp_path, CONTENT))
    asked = {**ASKED, **changed}
    why_not = calibration.why_not("device", **asked)
    found = calibration.holding_for("device", **asked)
    if said is None:
        assert why_not is None
        assert found is not None
        assert found.threshold == 0.25
    else:
        assert said in str(why_not)
        assert found is None


def test_it_says_nothing_of_other_tasks(tmp_path: Path) -> None:
    calibration = load_calibration(written(tmp_path, CONTENT))
    assert calibration.holding_for("grade", **ASKED) is None
    assert "does not have the task" in str(calibration.why_not("grade", **ASKED))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({**CONTENT, "tasks": [{**TASK, "threshold": "high"}]}, "task 'device', threshold"),
        ({**CONTENT, "tasks": [{**TASK, "threshold": None}]}, "task 'device'.*not neither"),
        ({**CONTENT, "tasks": [{**TASK, "cut_points": [1, 2]}]}, "task 'device'.*not both"),
        ({**CONTENT, "tasks": [{**TASK, "threshold": None, "cut_points": [2, 1]}]}, "task 'device'.*ascend"),
        ({**CONTENT, "tasks": [{**TASK, "rule": "luck"}]}, "task 'device', rule"),
        ({**CONTENT, "tasks": [TASK, TASK]}, "more than once: device"),
        ({**CONTENT, "tasks": []}, "tasks"),
        ({**CONTENT, "format": 2}, "format"),
        ({**CONTENT, "colour": 1}, "colour"),
        ({**CONTENT, "made_at": "2026-11-24T12:00:00"}, "made_at"),
        ([], "no object"),
    ],
)
def test_a_mistake_is_a_message_that_names_the_file_and_the_task(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"site.json: .*{said}"):
        load_calibration(written(tmp_path, content))


def test_what_is_no_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_bytes(b"\xff{")
    with pytest.raises(ConfigurationError, match=r"site\.json: not valid JSON"):
        load_calibration(tmp_path / "site.json")


def test_a_site_has_the_activated_calibration_or_the_one_that_it_names_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(data_dir=tmp_path)
    assert site_calibration(settings) is None
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration/active.json").write_text(json.dumps(CONTENT))
    active = site_calibration(settings)
    assert active is not None
    named = written(tmp_path, {**CONTENT, "model_name": "Named"})
    monkeypatch.setenv("ECHOWORKER_MODEL__CALIBRATION", str(named))
    found = site_calibration(load_settings(data_dir=tmp_path))
    assert found is not None
    assert found.model_name == "Named"
    named.unlink()
    with pytest.raises(ConfigurationError, match=r"site\.json"):
        site_calibration(load_settings(data_dir=tmp_path))
