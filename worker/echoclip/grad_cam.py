"""Heat maps of a prompt: where in a frame the image tower finds what moves its embedding towards that text (Grad-CAM).

Selvaraju et al., "Grad-CAM", ICCV 2017, as EchoCLIP's publication uses it (Christensen et al., Nature Medicine 2024,
there "PromptCAM"). The target is the dot product of the image embedding, as the tower gives it, not yet of length 1,
with the prompt's embedding, of length 1. The features are what the trunk's last stage gives, [C, h, w],
or an earlier one where the pack says so (a small picture leaves the last stage of a small model a few places only).
A channel's weight is the mean over the picture of the target's gradient by that channel; the map is the weighted sum
of the channels, without what is negative, brought up to the picture's size with bicubic interpolation.

With several prompts the target is the mean of their dot products, which is the dot product with their mean.

Two things differ from the published example. Its maps span 0 to 1 in every frame by itself, so that a frame in which
nothing was found glows like any other: ours share one scale for the clip. And what bicubic interpolation puts below
zero is cut off there, not shifted to become the new zero.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.func import functional_call

from config.errors import ModelPackError
from worker.echoclip.batches import Batches
from worker.models import Frames, Maps

FRAMES_AT_ONCE = 8
BLUR = 0.02
"""Standard deviation of the blur, as a part of the map's larger side (the published example)."""


@runtime_checkable
class ExplainedTowers(Protocol):
    """As much of `worker.echoclip.towers.Towers` as a heat map needs."""

    @property
    def model(self) -> nn.Module:
        """With the image tower as `visual`."""

    @property
    def heat_map_stage(self) -> int:
        """The stage of its trunk that maps are read from: -1 is the last."""

    @property
    def device(self) -> torch.device:
        """Where the model is."""

    def images(self, frames: Tensor) -> Tensor:
        """What the image tower is given: uint8 [T, S, S, 3] to float32 [T, 3, s, s], normalised, on the device."""


def heat_maps(towers: ExplainedTowers, frames: Frames, prompt_embeddings: Tensor, *, is_blurred: bool = False) -> Maps:
    """Heat maps of a clip, 0..1: 1 is the hottest place of all its frames, so that they can be compared.

    A frame without any support for the prompts stays 0 everywhere, and so does a clip.

    Parameters
    ----------
    frames
        uint8 [T, S, S, 3], T at least 1, with the channels in the order in which they are embedded.
    prompt_embeddings
        float32 [P, D], L2-normalised, P at least 1: `Towers.embed_prompts` of the prompts to explain.
    is_blurred
        With a Gaussian blur over each map, of `BLUR`.

    Returns
    -------
    Maps
        float32 [T, S, S].

    Raises
    ------
    ModelPackError
        The image tower has no convolutional stages.
    DeviceError
        The memory does not take one frame, or the GPU failed.
    ValueError
        There is no frame, or no prompt.
    """
    return on_one_scale(support_maps(towers, frames, prompt_embeddings, is_blurred=is_blurred))


def support_maps(
    towers: ExplainedTowers, frames: Frames, prompt_embeddings: Tensor, *, is_blurred: bool = False
) -> Maps:
    """The same before they are brought to one scale: 0 or more, so that clips can be compared.

    Computed in float32 whatever precision the towers embed in: a gradient in bfloat16 is off by a percent and more in
    each channel, and hundreds of them are summed here, of both signs.
    """
    if not len(frames):
        raise ValueError("there must be at least one frame")
    if prompt_embeddings.dim() != 2 or not len(prompt_embeddings):
        raise ValueError(f"prompt embeddings must be [P, D], P at least 1, not {list(prompt_embeddings.shape)}")
    visual = _image_tower(towers)
    stage = trunk_stage(towers.model, towers.heat_map_stage)
    # Whatever the caller is in: tensors that are made in inference mode cannot take part in a gradient.
    with torch.inference_mode(mode=False):
        weights = _in_float32(visual)
        target = prompt_embeddings.to(towers.device, torch.float32).mean(dim=0)

        def of_batch(batch: Tensor) -> Tensor:
            return _support(visual, stage, weights, towers.images(batch).float(), target, batch.shape[1]).cpu()

        given = torch.from_numpy(np.array(frames))  # a copy: the file behind it may be mapped, and read-only
        maps: Maps = Batches(FRAMES_AT_ONCE).run(of_batch, [given]).numpy()
    return _blurred(maps) if is_blurred else maps


def on_one_scale(support: Maps) -> Maps:
    """Divided by the largest value of the whole clip; 0 everywhere where that is 0."""
    largest = support.max()
    return support / largest if largest > 0 else np.zeros_like(support)


def trunk_stage(model: nn.Module, number: int) -> nn.Module:
    """A stage of the image tower's trunk, as timm's ConvNeXt has them, or its residual networks: -1 is the last.

    Raises
    ------
    ModelPackError
        The tower is built in another way, as vision transformers are, or has fewer stages.
    """
    visual = getattr(model, "visual", None)
    stages = _stages(getattr(visual, "trunk", None))
    if not stages:
        raise _unsuitable(visual, "its image tower has no convolutional stages")
    if -number > len(stages):
        raise _unsuitable(visual, f"its image tower has {len(stages)} stages, and heat_map_cfg names stage {number}")
    return stages[number]


def _stages(trunk: object) -> Sequence[nn.Module]:
    stages = getattr(trunk, "stages", None)
    if isinstance(stages, nn.Sequential | nn.ModuleList):
        return list(stages)
    layers = (getattr(trunk, f"layer{number}", None) for number in range(1, 5))
    return [layer for layer in layers if isinstance(layer, nn.Module)]


def _support(
    visual: nn.Module, stage: nn.Module, weights: Mapping[str, Tensor], images: Tensor, target: Tensor, edge: int
) -> Tensor:
    """float32 [T, S, S], S the edge, of images [T, 3, s, s]."""
    features, embeddings = _features_and_embeddings(visual, stage, weights, images)
    # Each frame's embedding depends on its own features alone: one gradient serves the whole batch.
    (gradients,) = torch.autograd.grad(embeddings, features, target.expand_as(embeddings))
    channel_weights = gradients.mean(dim=(2, 3), keepdim=True)
    with torch.no_grad():
        coarse = (channel_weights * features).sum(dim=1, keepdim=True).relu()
        fine = nn.functional.interpolate(coarse, (edge, edge), mode="bicubic", align_corners=False)
        return fine[:, 0].clamp(min=0)  # the interpolation overshoots, below zero as well


def _blurred(maps: Maps) -> Maps:
    sigma = BLUR * max(maps.shape[1:])
    blurred: Maps = gaussian_filter(maps, sigma=(0, sigma, sigma))
    return blurred


def _features_and_embeddings(
    visual: nn.Module, stage: nn.Module, weights: Mapping[str, Tensor], images: Tensor
) -> tuple[Tensor, Tensor]:
    """What the stage gives, where the graph begins, and the embeddings [T, D] at its end.

    Neither images nor weights take gradients, so that nothing before the stage's end is kept for them.
    """
    given: list[Tensor] = []

    def begin_graph(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise _unsuitable(visual, "that stage of its image tower gives no picture")
        given.append(output.detach().requires_grad_())
        return given[0]

    hook = stage.register_forward_hook(begin_graph)
    try:
        with torch.enable_grad():
            embeddings: Tensor = functional_call(visual, dict(weights), (images,))
    finally:
        hook.remove()
    return given[0], embeddings


def _in_float32(visual: nn.Module) -> dict[str, Tensor]:
    """Its weights and buffers: themselves where they are float32 already, else copies."""
    named = [*visual.named_parameters(), *visual.named_buffers()]
    return {name: tensor.detach().float() if tensor.is_floating_point() else tensor.detach() for name, tensor in named}


def _image_tower(towers: ExplainedTowers) -> nn.Module:
    visual = getattr(towers.model, "visual", None)
    if not isinstance(visual, nn.Module):
        raise _unsuitable(visual, "it has no image tower")
    return visual


def _unsuitable(visual: object, why: str) -> ModelPackError:
    return ModelPackError(
        f"no heat map can be made of this model ({type(visual).__name__}): {why}; its image tower must be "
        "timm's ConvNeXt, as EchoCLIP's is, or timm's ResNet"
    )
