import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from config.errors import ConfigurationError, ModelPackError
from config.labels import ModelLabel
from tests.support.clips import LARGE
from worker.echoclip.towers import FRAMES_AT_ONCE, Towers
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.folder import ModelPack, load_pack
from worker.packs.manifest import CONFIGURATION, WEIGHTS, write_manifest
from worker.pixels.clip import read_clip

PROMPTS = ["The ejection fraction is 55 %.", "A pacemaker lead is seen.", "MITRACLIP"]


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.from_numpy(read_clip(LARGE).frames)


def test_embeddings_are_those_of_open_clip(
    towers: Towers, untrained_folder: Path, untrained_pack: ModelPack, frames: torch.Tensor
) -> None:
    """Against the library's own way: its transform of a PIL image, its towers, its normalisation."""
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{untrained_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{untrained_folder}")
    images = torch.stack([transform(Image.fromarray(frame)) for frame in frames.numpy()])
    with torch.inference_mode():
        by_image = model.eval().encode_image(images, normalize=True)
        by_text = model.encode_text(tokenizer(PROMPTS), normalize=True)
    torch.testing.assert_close(towers.embed_frames(frames), by_image, atol=1e-5, rtol=0)
    torch.testing.assert_close(towers.embed_prompts(PROMPTS), by_text, atol=1e-5, rtol=0)


def test_embeddings_have_unit_length_and_do_not_depend_on_their_neighbours(
    towers: Towers, frames: torch.Tensor
) -> None:
    many = torch.cat([frames] * 3)
    assert len(many) > FRAMES_AT_ONCE
    embedded = towers.embed_frames(many)
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(len(many)))
    torch.testing.assert_close(embedded[45:46], towers.embed_frames(many[45:46]), atol=1e-5, rtol=0)


def test_bfloat16_changes_an_embedding_by_little(
    towers: Towers, untrained_pack: ModelPack, frames: torch.Tensor
) -> None:
    halved = Towers(untrained_pack, device="cpu", precision="bfloat16")
    cosines = (halved.embed_frames(frames) * towers.embed_frames(frames)).sum(dim=1)
    assert cosines.min() > 0.999
    assert halved.embed_frames(frames).dtype == torch.float32


def test_weights_that_do_not_fit_the_configuration_are_refused(untrained_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(untrained_folder, tmp_path / "pack"))
    configuration = json.loads((folder / CONFIGURATION).read_text())
    configuration["model_cfg"]["text_cfg"]["layers"] = 3
    (folder / CONFIGURATION).write_text(json.dumps(configuration))
    write_manifest(folder, name="x", version="1", family="x", label=ModelLabel.RESEARCH, licence="none")
    with pytest.raises(ModelPackError, match="does not fit"):
        Towers(load_pack(folder), device="cpu")


@pytest.mark.system
def test_a_pack_of_echoclips_own_size_goes_through_the_same_code(tmp_path: Path, frames: torch.Tensor) -> None:
    """ConvNeXt-Base and a text tower of twelve layers, as open_clip describes them; the weights are random."""
    echoclip = open_clip.get_model_config("convnext_base")
    folder = make_untrained_pack(tmp_path / "base", architecture=echoclip)
    towers = Towers(load_pack(folder), device="cpu")
    assert (folder / WEIGHTS).stat().st_size > 600_000_000
    assert towers.embed_frames(frames[:2]).shape == (2, 512)
    assert towers.embed_prompts(PROMPTS).shape == (3, 512)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_clear_error(untrained_pack: ModelPack) -> None:
    with pytest.raises(ConfigurationError, match="torch finds no GPU"):
        Towers(untrained_pack, device="cuda")


def test_the_prompt_is_read_by_clips_own_tokenizer_in_full(towers: Towers) -> None:
    one, other = towers.embed_prompts(["ejection fraction 55 %", "ejection fraction 56 %"]).numpy()
    assert not np.allclose(one, other, atol=1e-4)
