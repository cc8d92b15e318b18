"""`echoworker clip` as its users meet it."""

import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.clips import LARGE, SMALL, made_clip
from tests.support.commands import echoworker


def clip(*arguments: object) -> subprocess.CompletedProcess[str]:
    return echoworker("clip", *arguments)


def test_a_clip_is_drawn_and_its_facts_are_shown(tmp_path: Path) -> None:
    run = clip(LARGE, "--out", tmp_path / "strip.png")
    assert run.returncode == 0, run.stderr
    assert "640 x 480 pixels, 120 frames" in run.stdout
    with Image.open(tmp_path / "strip.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 6 * 224
        assert sheet.height > 480 + 2 * 224


def test_programs_get_json_alone(tmp_path: Path) -> None:
    run = clip(SMALL, "--json", "--profile", "upstream", "--out", tmp_path / "strip.png")
    facts = json.loads(run.stdout)
    assert facts["clip"]["frame_numbers"] == list(range(1, 30, 2))
    assert facts["profile"].startswith("upstream")
    assert (tmp_path / "strip.png").exists()


def test_a_file_that_gives_no_clip_says_why_and_is_drawn(tmp_path: Path) -> None:
    still = made_clip(tmp_path / "still.dcm", np.zeros((1, 100, 100), np.uint8), "MONOCHROME2")
    run = clip(still, "--out", tmp_path / "still.png")
    assert run.returncode == 0, run.stderr
    assert "a still image" in run.stdout
    assert (tmp_path / "still.png").exists()


def test_a_name_that_says_no_picture_format_is_one_clear_line(tmp_path: Path) -> None:
    run = clip(SMALL, "--out", tmp_path / "strip.dcm")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "ends in .png" in run.stderr
    assert not (tmp_path / "strip.dcm").exists()
