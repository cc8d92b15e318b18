"""Heat maps against the definition written a second time, and where the answer is known without any code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from config.errors import ModelPackError
from tests.support.clips import SMALL
from tests.worker.echoclip.bright_spots import BRIGHT, DARK, SIDE, SQUARE, SQUARES, SpotTowers, frame_with_spot
from tests.worker.echoclip.rewritten import with_whole_configuration
from worker import phantom
from worker.echoclip import grad_cam
from worker.echoclip.grad_cam import Maps, heat_maps, on_one_scale, support_maps, trunk_stage
from worker.echoclip.towers import Towers
from worker.models import Frames
from worker.packs.folder import ModelPack, load_pack
from worker.pixels.clip import read_clip

RESIDUAL = {
    "embed_dim": 8,
    "vision_cfg": {"timm_model_name": "resnet10t", "timm_pool": "", "timm_proj": "linear", "image_size": 64},
    "text_cfg": {"context_length": 8, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1},
}
DEMO_PACK = Path(phantom.__file__).parent / "demo_pack"
PROMPTS = ["A wire crosses the ventricle.", "There is a lead."]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return read_clip(SMALL).frames[:4]


@pytest.fixture(scope="module")
def prompts(towers: Towers) -> Tensor:
    return towers.embed_prompts(PROMPTS)


def by_the_definition(
    pack: ModelPack, frames: Frames, prompts: Tensor, weights: torch.dtype = torch.float32, later_stages: int = 0
) -> tuple[Maps, Maps]:
    """In float64, with the whole graph: coarse [T, h, w] and, brought up to the pictures' size, fine [T, S, S].

    `later_stages` is how many there are behind the one that is looked at.

    The model is read by open_clip itself; one frame, and one prompt, after the other. Each gradient is that of a
    number, the dot product.
    """
    model = open_clip.create_model(f"local-dir:{pack.folder}").to(weights).double().eval()
    mean, std = (torch.tensor(v, dtype=torch.float64) for v in (pack.normalisation.mean, pack.normalisation.std))
    coarse = []
    for frame in torch.from_numpy(frames):
        image = ((frame.double() / 255 - mean) / std).permute(2, 0, 1)[None]
        trunk = model.visual.trunk
        looked_at = len(trunk.stages) - later_stages
        seen = trunk.stages[:looked_at](trunk.stem(image))
        embedding = model.visual.head(trunk.forward_head(trunk.norm_pre(trunk.stages[looked_at:](seen))))[0]
        of_prompts = [torch.autograd.grad(embedding @ p.double(), seen, retain_graph=True)[0] for p in prompts]
        gradient = torch.stack(of_prompts).mean(dim=0)[0]
        features = seen[0].detach()
        summed = sum(gradient[channel].mean() * features[channel] for channel in range(len(features)))
        coarse.append(torch.as_tensor(summed).clamp(min=0))
    maps = torch.stack(coarse)
    fine = nn.functional.interpolate(maps[:, None], frames.shape[1:3], mode="bicubic", align_corners=False)[:, 0]
    return maps.numpy(), fine.clamp(min=0).numpy()


def test_maps_are_those_of_the_definition(
    towers: Towers, untrained_pack: ModelPack, frames: Frames, prompts: Tensor
) -> None:
    coarse, expected = by_the_definition(untrained_pack, frames, prompts)
    assert coarse.shape[1:] == (7, 7)
    assert 0 < (coarse > 0).mean() < 1  # so that the negative part is put to the test as well
    support = support_maps(towers, frames, prompts)
    assert support.dtype == np.float32
    assert support.shape == (4, 224, 224)
    np.testing.assert_allclose(support, expected, atol=1e-4 * expected.max(), rtol=0)
    np.testing.assert_allclose(heat_maps(towers, frames, prompts), expected / expected.max(), atol=1e-4, rtol=0)


def test_a_pack_may_have_them_read_from_an_earlier_stage(
    untrained_folder: Path, frames: Frames, prompts: Tensor, tmp_path: Path
) -> None:
    folder = with_whole_configuration(
        untrained_folder, tmp_path / "pack", lambda configuration: configuration.update(heat_map_cfg={"stage": -2})
    )
    pack = load_pack(folder)
    coarse, expected = by_the_definition(pack, frames, prompts, later_stages=1)
    assert coarse.shape[1:] == (14, 14)
    support = support_maps(Towers(pack, device="cpu", precision="float32"), frames, prompts)
    np.testing.assert_allclose(support, expected, atol=1e-4 * expected.max(), rtol=0)


@pytest.mark.parametrize("stage", [0, 3, "last"])
def test_a_stage_is_counted_from_the_end(untrained_folder: Path, tmp_path: Path, stage: object) -> None:
    folder = with_whole_configuration(
        untrained_folder, tmp_path / "pack", lambda configuration: configuration.update(heat_map_cfg={"stage": stage})
    )
    with pytest.raises(ModelPackError, match=r"heat_map_cfg\.stage"):
        load_pack(folder)


def test_towers_in_bfloat16_give_the_maps_of_their_rounded_weights_in_float32(
    untrained_pack: ModelPack, frames: Frames, prompts: Tensor
) -> None:
    halved = Towers(untrained_pack, device="cpu", precision="bfloat16")
    _, expected = by_the_definition(untrained_pack, frames, prompts, torch.bfloat16)
    support = support_maps(halved, frames, prompts)
    assert support.dtype == np.float32
    np.testing.assert_allclose(support, expected, atol=1e-4 * expected.max(), rtol=0)
    assert {tensor.dtype for tensor in halved.model.visual.parameters()} == {torch.bfloat16}


def test_the_model_is_left_as_it_was(towers: Towers, frames: Frames, prompts: Tensor) -> None:
    before = towers.embed_frames(torch.from_numpy(frames))
    with torch.inference_mode():  # as a step of the worker may well be in
        heat_maps(towers, frames, prompts)
    assert towers.embed_frames(torch.from_numpy(frames)).equal(before)
    assert all(tensor.grad is None for tensor in towers.model.parameters())
    assert not trunk_stage(towers.model, -1)._forward_hooks


def test_nothing_before_the_last_stage_is_kept_for_the_gradient(
    towers: Towers, frames: Frames, prompts: Tensor
) -> None:
    """What makes a map cheap, also where the weights would take gradients."""
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        support_maps(towers, frames, prompts)
    assert kept
    assert max(kept) <= 4 * 320 * 7 * 7  # what the last stage gives; the one before gives twice as much


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_batch_does_not_matter(
    towers: Towers, frames: Frames, prompts: Tensor, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = support_maps(towers, frames, prompts)
    monkeypatch.setattr(grad_cam, "FRAMES_AT_ONCE", at_once)
    np.testing.assert_allclose(support_maps(towers, frames, prompts), together, atol=1e-4 * together.max(), rtol=0)


def test_no_more_frames_than_a_batch_are_given_to_the_tower_at_once() -> None:
    towers, seen = SpotTowers(), []
    towers.model.visual.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    heat_maps(towers, np.zeros((19, SIDE, SIDE, 3), np.uint8), BRIGHT)
    assert seen == [8, 8, 3]


def test_the_map_is_hottest_where_the_picture_has_what_the_prompt_asks_for() -> None:
    (asked_for_bright,) = heat_maps(SpotTowers(), frame_with_spot(5, 2)[None], BRIGHT)
    assert at_hottest(asked_for_bright) == (5, 2)
    # Half of bicubic's four samples away from the square there is nothing.
    assert asked_for_bright[: 3 * SQUARE].max() == 0
    (asked_for_dark,) = heat_maps(SpotTowers(), frame_with_spot(5, 2)[None], DARK)
    coldest = np.unravel_index(asked_for_dark.argmin(), asked_for_dark.shape)
    assert (coldest[0] // SQUARE, coldest[1] // SQUARE) == (5, 2)


def test_the_values_are_those_that_can_be_worked_out_by_hand() -> None:
    """The embedding is the mean of 64 squares, so each has the gradient 1/64; a grey spot of 51/255 has 0.2/64."""
    (support,) = support_maps(SpotTowers(), np.full((1, SIDE, SIDE, 3), 51, np.uint8), BRIGHT)
    np.testing.assert_allclose(support, 0.2 / SQUARES**2, rtol=1e-5)
    # Of two prompts, one of them for what is dark, the mean: (0.2 + 0.8) / 2.
    (both,) = support_maps(SpotTowers(), np.full((1, SIDE, SIDE, 3), 51, np.uint8), torch.cat([BRIGHT, DARK]))
    np.testing.assert_allclose(both, 0.5 / SQUARES**2, rtol=1e-5)


def test_a_channel_has_one_weight_the_mean_of_its_gradient_over_the_picture() -> None:
    """The tower looks at its right half alone, and a map shows what it finds there everywhere: so it is defined."""
    towers = SpotTowers()
    with torch.no_grad():
        towers.model.visual.importance[:, : SQUARES // 2] = 0
        towers.model.visual.importance[:, SQUARES // 2 :] = 3
    (support,) = support_maps(towers, np.full((1, SIDE, SIDE, 3), 51, np.uint8), BRIGHT)
    np.testing.assert_allclose(support, 1.5 * 0.2 / SQUARES**2, rtol=1e-5)


def test_what_moves_in_the_picture_moves_in_the_map() -> None:
    left, right = heat_maps(SpotTowers(), np.stack([frame_with_spot(3, 2), frame_with_spot(3, 4)]), BRIGHT)
    np.testing.assert_allclose(right, np.roll(left, 2 * SQUARE, axis=1), atol=1e-6)
    assert left.max() == pytest.approx(1)


def test_frames_share_a_scale_so_that_they_can_be_compared() -> None:
    strong, weak = heat_maps(SpotTowers(), np.stack([frame_with_spot(3, 3, 255), frame_with_spot(3, 3, 51)]), BRIGHT)
    assert strong.max() == 1
    np.testing.assert_allclose(weak, 0.2 * strong, atol=1e-6)


@pytest.mark.parametrize("is_blurred", [False, True])
def test_without_support_a_map_is_zero_everywhere(*, is_blurred: bool) -> None:
    frames = np.stack([frame_with_spot(3, 3)] * 2)
    against = heat_maps(SpotTowers(), frames, -BRIGHT, is_blurred=is_blurred)
    unmoved = heat_maps(SpotTowers(), frames, 0 * BRIGHT, is_blurred=is_blurred)
    assert not against.any()
    assert not unmoved.any()
    assert np.isfinite(unmoved).all()


def test_a_blur_is_a_gaussian_of_a_fiftieth_of_the_side_within_each_frame() -> None:
    frames = np.stack([frame_with_spot(3, 3), np.zeros((SIDE, SIDE, 3), np.uint8)])
    sharp, blurred = (support_maps(SpotTowers(), frames, BRIGHT, is_blurred=blur) for blur in (False, True))
    np.testing.assert_allclose(blurred[0], gaussian_filter(sharp[0].astype(np.float64), 0.64), atol=1e-7)
    assert not blurred[1].any()
    assert heat_maps(SpotTowers(), frames, BRIGHT, is_blurred=True).max() == 1


def test_one_scale_is_that_of_the_largest_value() -> None:
    support = np.array([[[0, 2]], [[8, 4]]], np.float32)
    np.testing.assert_array_equal(on_one_scale(support), [[[0, 0.25]], [[1, 0.5]]])


class Patches(nn.Module):
    """A tower whose last stage gives tokens, as transformers do."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(2)


def without_an_image_tower(model: nn.Module) -> None:
    del model.visual


def without_stages(model: nn.Module) -> None:
    del model.visual.trunk


def with_no_stage(model: nn.Module) -> None:
    model.visual.trunk.stages = nn.Sequential()


def with_tokens(model: nn.Module) -> None:
    model.visual.trunk.stages.append(Patches())


@pytest.mark.parametrize("changed", [without_an_image_tower, without_stages, with_no_stage, with_tokens])
def test_a_tower_without_convolutional_stages_is_a_clear_error(changed: Callable[[nn.Module], None]) -> None:
    towers = SpotTowers()
    changed(towers.model)
    with pytest.raises(ModelPackError, match="no heat map can be made of this model"):
        heat_maps(towers, frame_with_spot(3, 3)[None], BRIGHT)


def test_a_stage_that_the_tower_lacks_is_a_clear_error() -> None:
    towers = SpotTowers()
    towers.heat_map_stage = -9
    with pytest.raises(ModelPackError, match=r"has 2 stages, and heat_map_cfg names stage -9"):
        heat_maps(towers, frame_with_spot(3, 3)[None], BRIGHT)


def test_the_stages_of_a_residual_network_are_its_four_layers() -> None:
    model = open_clip.CLIP(**RESIDUAL)
    assert trunk_stage(model, -1) is model.visual.trunk.layer4
    assert trunk_stage(model, -4) is model.visual.trunk.layer1
    with pytest.raises(ModelPackError, match="has 4 stages, and heat_map_cfg names stage -5"):
        trunk_stage(model, -5)


def test_maps_of_the_bundled_residual_network_are_those_of_the_definition() -> None:
    """It has pictures of 112, of frames of 224; its configuration names the last stage but one, of 7 x 7 places."""
    pack = load_pack(DEMO_PACK)
    towers = Towers(pack, device="cpu", precision="float32")
    frames = read_clip(SMALL).frames[:2]
    prompts = towers.embed_prompts(PROMPTS)
    model = open_clip.create_model(f"local-dir:{DEMO_PACK}").double().eval()
    trunk = model.visual.trunk
    mean, std = (torch.tensor(v, dtype=torch.float64) for v in (pack.normalisation.mean, pack.normalisation.std))
    expected = []
    for frame in torch.from_numpy(frames):
        image = ((frame.double() / 255 - mean) / std).permute(2, 0, 1)[None]
        image = nn.functional.avg_pool2d(image, 2)
        stem = trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(image))))
        seen = trunk.layer3(trunk.layer2(trunk.layer1(stem))).detach().requires_grad_()
        embedding = model.visual.head(trunk.forward_head(trunk.layer4(seen)))[0]
        gradient = torch.autograd.grad((embedding @ prompts.double().T).mean(), seen)[0][0]
        features = seen[0].detach()
        summed = sum(gradient[channel].mean() * features[channel] for channel in range(len(features)))
        expected.append(torch.as_tensor(summed).clamp(min=0))
    coarse = torch.stack(expected)[:, None]
    assert coarse.shape[2:] == (7, 7)
    fine = nn.functional.interpolate(coarse, (224, 224), mode="bicubic", align_corners=False)[:, 0].clamp(min=0).numpy()
    assert 0 < (fine > 0).mean() < 1
    np.testing.assert_allclose(support_maps(towers, frames, prompts), fine, atol=1e-4 * fine.max(), rtol=0)


def test_what_cannot_be_explained_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        heat_maps(SpotTowers(), np.zeros((0, SIDE, SIDE, 3), np.uint8), BRIGHT)
    with pytest.raises(ValueError, match="P at least 1"):
        heat_maps(SpotTowers(), frame_with_spot(3, 3)[None], torch.zeros(0, 2))


def test_out_of_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    towers = SpotTowers()
    frames = np.stack([frame_with_spot(number, number) for number in range(6)])
    expected = heat_maps(towers, frames, BRIGHT)
    roomy = towers.images

    def cramped(batch: Tensor) -> Tensor:
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return roomy(batch)

    monkeypatch.setattr(towers, "images", cramped)
    np.testing.assert_array_equal(heat_maps(towers, frames, BRIGHT), expected)


def at_hottest(heat: Maps) -> tuple[int, int]:
    """The square with the largest value."""
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    return int(row) // SQUARE, int(column) // SQUARE
