"""What is kept of where a model looked, and what the model itself gives of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.catalogue import load_catalogue
from config.errors import DamagedFileError
from config.settings import load_settings
from db.results.runs import TaskResult, Verdict
from tests.support.clips import SMALL
from worker.echoclip.grad_cam import on_one_scale
from worker.echoclip.model import model_of
from worker.echoclip.towers import Towers
from worker.explaining import explain_clip
from worker.models import Explaining, Surroundings
from worker.packs.folder import ModelPack
from worker.pictures.heat import EDGE, Heat, WhyNoHeat, read_heat, write_heat
from worker.pixels.clip import read_clip


@pytest.fixture
def heat() -> Heat:
    maps = np.random.default_rng(3).random((2, EDGE, EDGE), np.float32)
    return Heat(
        task_id="lvef",
        sop_instance_uid="1.2.3",
        frame_numbers=(1, 5),
        frame_times_ms=(0.0, 133.3),
        region=(1, 2, 300, 200),
        seen=(50, 2, 248, 200),
        maps=maps,
    )


def test_what_is_kept_comes_back(tmp_path: Path, heat: Heat) -> None:
    file = tmp_path / "run.npz"
    write_heat(file, heat)
    back = read_heat(file)
    assert isinstance(back, Heat)
    assert replace(back, maps=heat.maps) == heat
    np.testing.assert_allclose(back.maps, heat.maps, atol=1e-3)
    assert file.stat().st_size < 100_000
    for why in WhyNoHeat:
        write_heat(file, why)
        assert read_heat(file) is why


def test_a_run_of_which_nothing_was_kept_has_none_and_damage_is_said(tmp_path: Path, heat: Heat) -> None:
    file = tmp_path / "run.npz"
    assert read_heat(file) is WhyNoHeat.NOT_KEPT
    write_heat(file, heat)
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"\0" * 500):
        file.write_bytes(damaged)
        with pytest.raises(DamagedFileError, match="damaged"):
            read_heat(file)


def test_the_model_that_scores_shows_what_the_command_shows(
    untrained_pack: ModelPack, towers: Towers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ECHOWORKER_MODEL__DEVICE", "cpu")
    monkeypatch.setenv("ECHOWORKER_MODEL__PRECISION", "float32")
    surroundings = Surroundings(settings=load_settings(), catalogue=load_catalogue(), cache=tmp_path / "cache")
    whole = read_clip(SMALL)
    clip = replace(
        whole, frames=whole.frames[:2], frame_numbers=whole.frame_numbers[:2], frame_times_ms=whole.frame_times_ms[:2]
    )
    explanation = explain_clip(untrained_pack, surroundings, clip, "lvef")
    model = model_of(untrained_pack, towers, surroundings)
    assert isinstance(model, Explaining)
    support = model.support(clip.frames, explanation.result)
    assert support is not None
    np.testing.assert_allclose(on_one_scale(support), explanation.maps, atol=1e-4)
    unanswered = TaskResult(task_id="lvef", verdict=Verdict.ABSTAINED, reason="no usable clip")
    assert model.support(clip.frames, unanswered) is None
