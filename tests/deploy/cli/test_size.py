"""`echoworker size`: what it says follows from figures that stand where it says they do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli.application import app
from deploy.sizing import SOURCES, Site, size

ROOT = Path(__file__).parents[3]
QUOTED = {
    "frames of a clip": "at most 16",
    "report, heat map and page": "reports: 18 files, 48,802 to 1,807,906 bytes, 11,729,316 in all",
    "where the model looked": "heat: 6 files, 67,033 to 67,035 bytes",
    "header of an image": "header of an instance: 35,088 bytes",
    "registry": "registry: 683 bytes a study, 8,420 a clip",
    "scoring on a CPU": "9.3 frames/s",
    "preparing": "| 60 clips, 960 frames, wall time, two threads, quiet | 116.0 s | 111.1 s = 0.96 | 1.5 s |",
}


def said(*arguments: str) -> dict[str, Any]:
    run = CliRunner().invoke(app, ["size", *arguments, "--json"], catch_exceptions=False)
    assert run.exit_code == 0
    return dict(json.loads(run.stdout))


def disk_of(sizing: dict[str, Any], kept: str) -> dict[str, float]:
    return next(disk for disk in sizing["disk"] if disk["kept"] == kept)


@pytest.mark.parametrize("name", QUOTED)
def test_a_figure_stands_in_the_document_that_is_named(name: str) -> None:
    (document,) = re.findall(r"docs/[\w-]+\.md", SOURCES[name][1])
    assert QUOTED[name] in (ROOT / document).read_text()


def test_every_source_is_a_document_that_there_is_or_says_what_it_is() -> None:
    for value, source in SOURCES.values():
        assert value
        for document in re.findall(r"docs/[\w-]+\.md", source):
            assert (ROOT / document).is_file()


def test_disk_follows_from_studies_clips_and_days() -> None:
    sizing = said("--studies-per-day", "10", "--clips-per-study", "50", "--mb-per-clip", "4")
    everything, month = disk_of(sizing, "everything"), disk_of(sizing, "pixels_days = 30")
    assert everything["pixels_gb"] == pytest.approx(10 * 365 * 50 * 4 / 1000)
    assert month["pixels_gb"] == pytest.approx(everything["pixels_gb"] * 30 / 365)
    assert month["grows_gb_per_year"] < everything["grows_gb_per_year"] == pytest.approx(everything["total_gb"])
    assert sizing["tensors_gb"] == pytest.approx(10 * 50 * 16 * 224 * 224 * 3 / 1e9)
    twice = said("--studies-per-day", "20", "--clips-per-study", "50", "--mb-per-clip", "4")
    assert disk_of(twice, "everything")["total_gb"] == pytest.approx(2 * everything["total_gb"])


def test_pixels_that_are_kept_for_years_go_on_growing_until_then() -> None:
    (two_years,) = size(Site(studies_per_day=10), [730]).disk
    (for_ever,) = size(Site(studies_per_day=10), [0]).disk
    assert two_years.pixels_gb == for_ever.pixels_gb, "after the first year"
    assert two_years.grows_gb_per_year == for_ever.grows_gb_per_year


def test_workers_keep_up_with_the_busiest_hour_and_a_gpu_that_nobody_measured_is_not_guessed() -> None:
    def workers(*more: str) -> dict[tuple[str, str], int | None]:
        found = said("--studies-per-day", "100", "--clips-per-study", "60", *more)["workers"]
        return {(each["queue"], each["device"]): each["workers"] for each in found}

    # 100 studies in 10 hours, twice as many in the busiest: 20 of 960 frames, 5.33 frames/s of 9.3 at 70 %.
    assert workers()["score", "2 cores"] == 1
    assert workers("--peak", "4")["score", "2 cores"] == 2
    assert workers("--hours-per-day", "2.5")["score", "2 cores"] == 4
    assert workers()["score", "1 GPU"] is None
    assert workers("--gpu-frames-per-s", "1000")["score", "1 GPU"] == 1


def test_the_handbook_shows_what_it_says() -> None:
    run = CliRunner().invoke(app, ["size", "--studies-per-day", "30"], catch_exceptions=False)
    page = (ROOT / "docs" / "sizing.md").read_text()
    assert "".join(run.stdout.split("What it is reckoned from")[0].split()) in "".join(page.split())
    for name, (value, _) in SOURCES.items():
        assert f"| {name} | {value} |" in page
