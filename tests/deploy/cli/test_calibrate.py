"""`echoworker calibrate` and `probe` as their users meet them, with a model whose scores are known."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

import deploy.cli.calibrate
import worker.calibration.source
import worker.packs.kinds
from config.calibration import load_calibration
from config.errors import CalibrationError, ConfigurationError
from config.labels import ModelLabel
from deploy.cli.application import app
from tests.support.labelled import AxisModel, Labelled, pack_kinds

pytestmark = pytest.mark.long


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Labelled:
    made = Labelled(tmp_path / "data")
    monkeypatch.setenv("ECHOWORKER_MODEL__CATALOGUE", str(made.catalogue_file))
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(made.base.folder))
    monkeypatch.setattr(worker.packs.kinds, "entry_points", pack_kinds)
    return made


def echoworker(labelled: Labelled, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["--data", str(labelled.data_dir), *map(str, arguments)])


def with_devices(labelled: Labelled, number: int = 40) -> Labelled:
    generator = np.random.default_rng(0)
    for case in range(number):
        truth = case % 2
        labelled.label(labelled.scored({"device": 0.2 + 0.1 * truth + 0.02 * generator.normal()}), truth)
    return labelled


def test_a_calibration_is_made_shown_and_activated(labelled: Labelled, tmp_path: Path) -> None:
    with_devices(labelled)
    labelled.label("1.9.9", 1)
    made = echoworker(labelled, "calibrate", labelled.cases, "--task", "device", "--out", tmp_path / "out")
    assert made.exit_code == 0, made.output
    assert "sensitivity" in made.output
    assert "1.9.9: not scored here" in made.output
    assert f"echoworker calibrate activate {tmp_path / 'out'}" in made.output
    assert "no calibration is active" in echoworker(labelled, "calibrate", "show").output

    activated = echoworker(labelled, "calibrate", "activate", tmp_path / "out")
    assert activated.exit_code == 0, activated.output
    assert "for device" in activated.output
    assert "requeue UID --step score" in activated.output
    active = labelled.data_dir / "calibration/active.json"
    assert active.read_bytes() == (tmp_path / "out/calibration.json").read_bytes()

    shown = echoworker(labelled, "calibrate", "show")
    assert shown.exit_code == 0, shown.output
    assert load_calibration(active).digest[:12] in shown.output
    assert "yes" in shown.output


def test_what_does_not_hold_for_the_active_model_is_said(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cases = with_devices(labelled).cases
    echoworker(labelled, "calibrate", cases, "--task", "device", "--out", tmp_path / "out", "--activate")
    other = AxisModel(labelled.catalogue, labelled.base.identity)
    other.embedder = "f" * 64
    monkeypatch.setattr(worker.calibration.source, "load_model_of", lambda *_: other)
    assert "another model" in echoworker(labelled, "calibrate", "show").output


def test_options_may_come_first_and_the_folder_is_in_the_data_folder_by_default(labelled: Labelled) -> None:
    cases = with_devices(labelled).cases
    made = echoworker(labelled, "calibrate", "--task", "device", "--sensitivity", "0.9", "--activate", cases)
    assert made.exit_code == 0, made.output
    (found,) = load_calibration(labelled.data_dir / "calibration/active.json").tasks
    assert (found.rule, found.at_least) == ("sensitivity", 0.9)
    (folder,) = [path for path in (labelled.data_dir / "calibration").iterdir() if path.is_dir()]
    assert (folder / "report.md").exists()


def test_a_task_that_the_catalogue_does_not_have_is_named(labelled: Labelled) -> None:
    made = echoworker(labelled, "calibrate", with_devices(labelled, 2).cases, "--task", "devise")
    assert isinstance(made.exception, ConfigurationError)
    assert "--task devise" in str(made.exception)
    assert "device, grade, place, volume" in str(made.exception)


@pytest.mark.parametrize("command", [("calibrate",), ("probe", "train", "--install")])
@pytest.mark.parametrize("fault", ["task", "file"])
def test_a_wrong_task_or_file_is_refused_before_the_model_is_loaded(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], fault: str
) -> None:
    monkeypatch.setattr(worker.calibration.source, "load_model_of", lambda *_: pytest.fail("the model was loaded"))
    with_devices(labelled, 2)
    if fault == "file":
        labelled.label("1.2.3", "perhaps")
    made = echoworker(labelled, *command, labelled.cases, "--task", "devise" if fault == "task" else "device")
    assert isinstance(made.exception, CalibrationError if fault == "file" else ConfigurationError)
    assert ("line 4: truth 'perhaps'" if fault == "file" else "--task devise") in str(made.exception)


def test_too_few_cases_are_said(labelled: Labelled) -> None:
    made = echoworker(labelled, "calibrate", with_devices(labelled, 6).cases, "--task", "device")
    assert isinstance(made.exception, CalibrationError)
    assert "at least 10" in str(made.exception)


@pytest.mark.parametrize("command", [("calibrate",), ("probe", "train")])
def test_without_its_libraries_it_says_what_to_install(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def found(name: str) -> object:
        return None if name == "sklearn" else importlib.util.find_spec(name)

    monkeypatch.setattr(deploy.cli.calibrate, "find_spec", found)
    made = echoworker(labelled, *command, labelled.cases, "--task", "device")
    assert isinstance(made.exception, ConfigurationError)
    assert "pip install 'echoworker[calibration]'" in str(made.exception)


def test_a_probe_is_trained_and_installed(labelled: Labelled) -> None:
    generator = torch.Generator().manual_seed(0)
    for case in range(40):
        frames = torch.randn(3, 16, generator=generator)
        frames[:, 5] += 2 * (2 * (case % 2) - 1)
        labelled.label(labelled.embedded([torch.nn.functional.normalize(frames, dim=1)]), case % 2)
    made = echoworker(labelled, "probe", "train", labelled.cases, "--task", "device", "--install")
    assert made.exit_code == 0, made.output
    (pack,) = (labelled.data_dir / "packs").glob("device-probe-*")
    assert {"manifest.json", "head.json", "head.safetensors", "report.md"} <= {path.name for path in pack.iterdir()}
    assert f"{ModelLabel.RESEARCH}" in made.output


def test_without_a_model_of_ones_own_there_is_nothing_to_calibrate(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")
    made = echoworker(labelled, "calibrate", with_devices(labelled, 2).cases, "--task", "device")
    assert isinstance(made.exception, ConfigurationError)
    assert "no model pack is active" in str(made.exception)


def test_a_probe_goes_somewhere(labelled: Labelled, tmp_path: Path) -> None:
    for where in ((), ("--install", "--out", tmp_path / "out")):
        made = echoworker(labelled, "probe", "train", labelled.cases, "--task", "device", *where)
        assert isinstance(made.exception, ConfigurationError)
        assert "either --out FOLDER or --install" in str(made.exception)


def test_a_class_without_an_order_is_calibrated_though_it_is_asked_only_below_a_finding(
    labelled: Labelled, tmp_path: Path
) -> None:
    """Who labelled where a device is knows that it is there, whatever the model says of that."""
    labelled.catalogue_file.write_text(
        labelled.catalogue_file.read_text().replace('id = "place"', 'id = "place"\nasked_if = "device"')
    )
    generator = np.random.default_rng(0)
    for case in range(60):
        place = 0.3 + 0.1 * generator.random()
        labelled.label(
            labelled.embedded([torch.tensor([[0, 0, place, *[0.0] * 12, 0.9]]).float()]),
            ["left", "right"][case % 3 > 0],
        )
    made = echoworker(labelled, "calibrate", labelled.cases, "--task", "place", "--out", tmp_path / "out")
    assert made.exit_code == 0, made.output
    assert "share answered" in made.output
    (found,) = load_calibration(tmp_path / "out/calibration.json").tasks
    assert found.threshold is not None
    assert found.cases == 60
    activated = echoworker(labelled, "calibrate", "activate", tmp_path / "out")
    assert activated.exit_code == 0, activated.output
    assert "place" in echoworker(labelled, "calibrate", "show").output
