"""How the DEMO model is made: each clip is looked at, a stopped training goes on, and what comes of it is a pack."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import phantom_clips, train_phantom
from bench.phantom_clips import Frames, frames_of, make_clips, scan_of
from bench.phantom_model import SIDE, WIDTH, new_model, tokenize, write_model
from bench.phantom_moments import truth_of_frames
from bench.train_phantom import CLIPS_AT_ONCE, FRAMES, Training, prepared
from config.labels import ModelLabel
from worker.echoclip.towers import Towers
from worker.packs.folder import load_pack
from worker.packs.manifest import write_manifest
from worker.phantom.acquisition import PhantomView

STEPS = 3


@pytest.fixture(scope="module")
def frames() -> Frames:
    shape = (2 * CLIPS_AT_ONCE, FRAMES, 224, 224, 3)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def training(frames: Frames, **changed: int) -> Training:
    return prepared(frames, **{"seed": 1, "steps": STEPS, **changed}, precision=torch.float32)


@pytest.mark.long
def test_a_training_that_was_stopped_goes_on_as_the_one_that_it_was(
    frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = training(frames)
    whole.run(tmp_path / "whole.pt")

    monkeypatch.setattr(train_phantom, "SAVED_EVERY", 2)
    varied, asked = train_phantom.varied, 0

    def varied_until_stopped(*given: object) -> torch.Tensor:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise KeyboardInterrupt
        return varied(*given)

    with monkeypatch.context() as stopping, pytest.raises(KeyboardInterrupt):
        stopping.setattr(train_phantom, "varied", varied_until_stopped)
        training(frames).run(tmp_path / "stopped.pt")
    resumed = training(frames)
    resumed.resume(tmp_path / "stopped.pt")
    assert resumed.step == 2
    resumed.run(tmp_path / "stopped.pt")
    of_whole = whole.model.state_dict()
    assert all(tensor.equal(of_whole[name]) for name, tensor in resumed.model.state_dict().items())

    for changed in ({"seed": 2}, {"steps": STEPS + 1}):
        with pytest.raises(ValueError, match="this training of"):
            training(frames, **changed).resume(tmp_path / "stopped.pt")
    with pytest.raises(ValueError, match="this training of"):
        training(frames[:CLIPS_AT_ONCE]).resume(tmp_path / "stopped.pt")


def test_each_clip_is_looked_at_once_in_a_round(
    frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered = frames.copy()
    numbered[:, 0, 0, 0, 0] = range(len(numbered))
    varied, seen = train_phantom.varied, list[int]()

    def noted(clips: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
        seen.extend(clips[:, 0, 0, 0, 0].tolist())
        return varied(clips, side, generator)

    monkeypatch.setattr(train_phantom, "varied", noted)
    training(numbered, steps=2).run(tmp_path / "checkpoint.pt")
    assert sorted(seen) == list(range(len(numbered)))


def test_clips_are_kept_and_made_anew_by_another_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_clips(tmp_path, seed=1, clips=2, frames=2, processes=1).copy()
    kept = tmp_path / "frames.npy"
    when = kept.stat().st_mtime_ns
    assert np.array_equal(make_clips(tmp_path, seed=1, clips=2, frames=2, processes=1), made)
    assert kept.stat().st_mtime_ns == when
    monkeypatch.setattr(phantom_clips, "_generator", lambda: "another")
    kept.write_bytes(b"what an earlier generator made")
    assert np.array_equal(make_clips(tmp_path, seed=1, clips=2, frames=2, processes=1), made)


def test_what_a_frame_is_told_of_its_moment_is_what_its_ventricle_does() -> None:
    """The fuller of two frames is the one with the larger black cavity."""
    scan = scan_of(7, 3, frames=FRAMES, view=PhantomView.APICAL_FOUR_CHAMBER)
    assert scan.heart is not None
    scan = replace(scan, heart=replace(scan.heart, ejection_fraction=70.0))
    emptied, volume, _ = truth_of_frames([scan], FRAMES)[0].unbind(-1)
    fullest, emptiest = int(volume.argmax()), int(volume.argmin())
    assert int(emptied.argmin()) == fullest
    assert int(emptied.argmax()) == emptiest
    pictures = frames_of(scan, FRAMES)[..., 0].astype(float)
    assert (pictures[fullest] < 25).sum() > (pictures[emptiest] < 25).sum()
    unseen = scan_of(7, 3, frames=FRAMES, view=PhantomView.ABDOMEN)
    assert truth_of_frames([unseen], FRAMES).isnan().all()


def test_weights_that_are_written_load_as_a_pack_and_keep_the_words_that_they_know(tmp_path: Path) -> None:
    model, known = new_model(1).eval(), ["Left ventricle.", "A wire."]
    write_model(model, tokenize(known), tmp_path)
    write_manifest(tmp_path, name="x", version="1", family="phantom-demo", label=ModelLabel.DEMO, licence="Apache-2.0")
    towers = Towers(load_pack(tmp_path), device="cpu", precision="float32")
    frames = torch.zeros(2, 224, 224, 3, dtype=torch.uint8)
    assert towers.embed_frames(frames).shape == (2, WIDTH)
    assert load_pack(tmp_path).image_size == SIDE
    with torch.inference_mode():
        said = torch.nn.functional.normalize(model.encode_text(tokenize(known)), dim=-1)
    assert torch.allclose(towers.embed_prompts(known), said, atol=2e-2)
