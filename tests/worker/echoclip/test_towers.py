from pathlib import Path
from typing import Literal

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from config.errors import ConfigurationError
from tests.support.clips import LARGE
from tests.worker.echoclip.rewritten import rewrite
from worker.echoclip.grad_cam import support_maps
from worker.echoclip.towers import Towers
from worker.echoclip.untrained import NORMALISATION, SMALL, make_untrained_pack
from worker.packs.folder import ModelPack, load_pack
from worker.packs.manifest import WEIGHTS
from worker.pixels.clip import read_clip

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16"}
"""open_clip's names."""
PROMPTS = ["The ejection fraction is 55 %.", "A pacemaker lead is seen.", "MITRACLIP"]


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.from_numpy(read_clip(LARGE).frames)


def test_embeddings_are_those_of_open_clip(towers: Towers, untrained_folder: Path, frames: torch.Tensor) -> None:
    """Against the library's own way: its transform of a PIL image, its towers, its normalisation."""
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{untrained_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{untrained_folder}")
    images = torch.stack([transform(Image.fromarray(frame)) for frame in frames.numpy()])
    torch.testing.assert_close(towers.images(frames), images, atol=1e-5, rtol=0)
    with torch.inference_mode():
        by_image = model.eval().encode_image(images, normalize=True)
        by_text = model.encode_text(tokenizer(PROMPTS), normalize=True)
    torch.testing.assert_close(towers.embed_frames(frames), by_image, atol=1e-6, rtol=0)
    torch.testing.assert_close(towers.embed_prompts(PROMPTS), by_text, atol=1e-6, rtol=0)


def test_a_model_for_smaller_pictures_sees_the_frames_averaged_down(tmp_path: Path, frames: torch.Tensor) -> None:
    half = {**SMALL, "vision_cfg": {**SMALL["vision_cfg"], "image_size": 112}}
    towers = Towers(load_pack(make_untrained_pack(tmp_path / "half", architecture=half)), device="cpu")
    images = towers.images(frames)
    assert images.shape == (len(frames), 3, 112, 112)
    whole = towers.images(frames[:1])[0, :, :2, :3] * torch.tensor(NORMALISATION["std"])[:, None, None]
    seen = whole + torch.tensor(NORMALISATION["mean"])[:, None, None]
    blocks = frames[0, :4, :6].float().reshape(2, 2, 3, 2, 3).mean(dim=(1, 3)) / 255
    torch.testing.assert_close(seen, blocks.permute(2, 0, 1), atol=1e-5, rtol=0)
    assert support_maps(towers, frames[:2].numpy(), towers.embed_prompts(PROMPTS)).shape == (2, 224, 224)


def test_embeddings_have_unit_length(towers: Towers, frames: torch.Tensor) -> None:
    embedded = towers.embed_frames(frames)
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(len(frames)))


def test_neither_the_order_of_clips_nor_their_grouping_changes_an_embedding(
    towers: Towers, frames: torch.Tensor
) -> None:
    """Clips of one, of more than a batch, and of what straddles two batches, together and alone."""
    clips = [frames[:1], frames[1:12], frames[12:14], frames[3:16]]
    together, reversed_order = towers.embed_clips(clips), towers.embed_clips(clips[::-1])[::-1]
    for clip, one, other in zip(clips, together, reversed_order, strict=True):
        alone = towers.embed_frames(clip)
        torch.testing.assert_close(one, alone, atol=1e-6, rtol=0)
        torch.testing.assert_close(other, alone, atol=1e-6, rtol=0)
    assert towers.embed_clips([]) == []


def test_what_takes_a_gradient_can_be_explained(towers: Towers, frames: torch.Tensor) -> None:
    """Grad-CAM asks the model for gradients of what it sees, after frames have been embedded as usual."""
    towers.embed_frames(frames[:1])
    images = towers.images(frames[:1]).requires_grad_()
    towers.model.encode_image(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert not any(weight.requires_grad for weight in towers.model.parameters())


def test_bfloat16_changes_an_embedding_by_little(
    towers: Towers, untrained_pack: ModelPack, frames: torch.Tensor
) -> None:
    halved = Towers(untrained_pack, device="cpu", precision="bfloat16")
    cosines = (halved.embed_frames(frames) * towers.embed_frames(frames)).sum(dim=1)
    assert cosines.min() > 0.999
    assert halved.embed_frames(frames).dtype == torch.float32


@pytest.mark.long
@pytest.mark.system
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_pack_of_echoclips_own_size_goes_through_the_same_code(
    echoclips_size: Path, frames: torch.Tensor, precision: Literal["float32", "bfloat16"]
) -> None:
    """ConvNeXt-Base and a text tower of twelve layers, as open_clip describes them; the weights are random."""
    towers = Towers(load_pack(echoclips_size), device="cpu", precision=precision)
    model = open_clip.create_model(f"local-dir:{echoclips_size}", precision=PRECISIONS[precision]).eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{echoclips_size}")
    images = towers.images(frames[:5]).to(towers.precision)
    with torch.inference_mode():
        by_image = torch.nn.functional.normalize(model.encode_image(images).float(), dim=-1)
        by_text = torch.nn.functional.normalize(model.encode_text(tokenizer(PROMPTS)).float(), dim=-1)
    for embedded, expected in ((towers.embed_frames(frames[:5]), by_image), (towers.embed_prompts(PROMPTS), by_text)):
        assert embedded.shape == expected.shape
        assert embedded.shape[1] == 512
        assert (embedded * expected).sum(dim=1).min() > 0.999
        if precision == "float32":
            torch.testing.assert_close(embedded, expected, atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def echoclips_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_untrained_pack(
        tmp_path_factory.mktemp("packs") / "base", architecture=open_clip.get_model_config("convnext_base")
    )
    assert (folder / WEIGHTS).stat().st_size > 600_000_000
    # Layer scales as training leaves them. Those of a fresh model are 1e-6: its blocks would do next to nothing.
    weights = load_file(folder / WEIGHTS)
    for name in [name for name in weights if name.endswith(".gamma")]:
        weights[name] = torch.linspace(-0.5, 0.5, len(weights[name]))
    rewrite(folder, weights)
    return folder


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_clear_error(untrained_pack: ModelPack) -> None:
    with pytest.raises(ConfigurationError, match="torch finds no GPU"):
        Towers(untrained_pack, device="cuda")


def test_the_prompt_is_read_by_clips_own_tokenizer_in_full(towers: Towers) -> None:
    one, other = towers.embed_prompts(["ejection fraction 55 %", "ejection fraction 56 %"]).numpy()
    assert not np.allclose(one, other, atol=1e-4)
