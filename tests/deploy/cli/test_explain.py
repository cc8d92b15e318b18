"""`echoworker explain` as its users meet it."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from config.catalogue import load_catalogue
from tests.support.clips import SMALL, made_clip
from tests.support.commands import echoworker
from tests.support.heads import head_pack
from worker.echoclip.untrained import SMALL as SMALL_MODEL
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.folder import load_pack


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("installation") / "data"


def explain(data: Path, *arguments: object, pack: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"ECHOWORKER_DATA_DIR": str(data)} | ({"ECHOWORKER_MODEL__PACK": pack} if pack else {})
    return echoworker("explain", *arguments, environment=environment)


def test_an_answer_is_drawn_and_its_facts_are_shown(data: Path, tmp_path: Path) -> None:
    run = explain(data, SMALL, "--task", "lvef", "--out", tmp_path / "heat.png", "--arrays", tmp_path / "heat.npy")
    assert run.returncode == 0, run.stderr
    assert "UNTRAINED" in run.stdout
    assert "the numbers mean nothing" in run.stdout
    assert "Left ventricular ejection fraction (lvef), in the words of the catalogue" in run.stdout
    with Image.open(tmp_path / "heat.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 6 * 224
        assert sheet.height > 3 * 224
    maps = np.load(tmp_path / "heat.npy")
    assert (maps.dtype, maps.shape, maps.min(), maps.max()) == (np.float32, (16, 224, 224), 0, 1)


def test_another_class_in_one_frame(data: Path, tmp_path: Path) -> None:
    choice = ("--task", "mitral_regurgitation", "--grade", "severe", "--frame", 5, "--blur")
    run = explain(data, SMALL, *choice, "--out", tmp_path / "heat.png", "--arrays", tmp_path / "heat.npy")
    assert run.returncode == 0, run.stderr
    assert "Mitral regurgitation: severe" in run.stdout
    assert np.load(tmp_path / "heat.npy").shape == (1, 224, 224)
    with Image.open(tmp_path / "heat.png") as sheet:
        assert sheet.height < 3 * 224


def test_a_file_that_gives_no_clip_says_which_and_why(data: Path, tmp_path: Path) -> None:
    still = made_clip(tmp_path / "still.dcm", np.zeros((1, 100, 100), np.uint8), "MONOCHROME2")
    run = explain(data, still, "--task", "lvef", "--out", tmp_path / "heat.png")
    assert run.returncode == 1
    assert "still.dcm gives the model no clip: a still image" in run.stderr
    assert not (tmp_path / "heat.png").exists()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--task", "lvef"), "say where the heat maps go"),
        (("--task", "lvef", "--arrays", "heat.png"), "ends in .npy"),
        (("--task", "lung", "--out", "heat.png"), "echoworker tasks list"),
    ],
)
def test_a_mistake_is_one_clear_line(data: Path, tmp_path: Path, arguments: tuple[str, ...], fault: str) -> None:
    paths = [tmp_path / each if "." in each else each for each in arguments]
    run = explain(data, SMALL, *paths)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert fault in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_dicom_file_says_which(data: Path, tmp_path: Path) -> None:
    text = tmp_path / "letter.dcm"
    text.write_text("Dear colleague,")
    run = explain(data, text, "--task", "lvef", "--out", tmp_path / "heat.png")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "letter.dcm" in run.stderr
    assert not (tmp_path / "heat.png").exists()


def test_a_pack_whose_tower_has_no_maps_is_one_clear_line(data: Path, tmp_path: Path) -> None:
    without_stages = {**SMALL_MODEL, "vision_cfg": {"layers": 1, "width": 64, "patch_size": 32, "image_size": 224}}
    make_untrained_pack(data / "packs/transformer", architecture=without_stages)
    run = explain(data, SMALL, "--task", "lvef", "--out", tmp_path / "heat.png", pack="transformer")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "no convolutional stages" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_trained_head_is_explained_by_its_weights(data: Path, tmp_path: Path) -> None:
    base = load_pack(make_untrained_pack(data / "packs/base"))
    task = load_catalogue().task("pacemaker")
    assert task is not None
    head_pack(data / "packs/head", base, task, torch.linspace(-1, 1, 64)[None])
    run = explain(data, SMALL, "--task", "pacemaker", "--arrays", tmp_path / "heat.npy", pack="head")
    assert run.returncode == 0, run.stderr
    assert "answered by a trained head" in run.stdout
    assert np.load(tmp_path / "heat.npy").max() == 1
