"""The small CLIP that learns from synthetic clips, and how it gets from its weights to a pack's files."""

import json
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors.torch import save_file
from torch import Tensor

from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.packs.manifest import CONFIGURATION, WEIGHTS

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable

CLIP: TypeAlias = open_clip.CLIP

WIDTH = 64
"""Of an embedding."""
SIDE = 112
"""Of a picture: half of what clips are prepared as, for a quarter of the time to learn from it."""
ARCHITECTURE = {
    "embed_dim": WIDTH,
    "vision_cfg": {
        "timm_model_name": "resnet10t",
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": SIDE,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 48, "heads": 2, "layers": 2},
}
"""timm's smallest residual network that learns well from nothing, and CLIP's text transformer with its own tokens.

EchoCLIP's image tower is a ConvNeXt. The smallest of these was tried first: it has to learn within an hour, and a step
takes it twice as long."""
NORMALISATION = {"mean": [0.1] * 3, "std": [0.15] * 3}
"""About that of the clips. CLIP's own is that of photographs: most of an ultrasound picture is black, and would be a
constant with a little on it."""
HEAT_MAP_STAGE = -2
"""Of four. The last has 4 x 4 places, and what is between them is guessed; this one has 7 x 7, and of all four the heat
lies most on the device that is asked for (70 hearts, seeds 2400000/0 to 2400000/69, of the held-out machine)."""


def new_model(seed: int) -> CLIP:
    """Random weights, in training mode."""
    torch.manual_seed(seed)
    ready: CLIP = open_clip.CLIP(**ARCHITECTURE).to(memory_format=torch.channels_last).train()
    return ready


def tokenize(texts: list[str]) -> Tensor:
    """As the tokenizer of the pack will: int64 [S, 77]."""
    tokens: Tensor = open_clip.SimpleTokenizer(context_length=77)(texts)
    return tokens


def normalised(pictures: Tensor) -> Tensor:
    """What the image tower takes, of pictures 0..1: float32 [N, 3, H, W], channels last."""
    mean, std = (torch.tensor(NORMALISATION[name])[:, None, None] for name in ("mean", "std"))
    return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)


def write_model(model: CLIP, tokens: Tensor, folder: Path) -> None:
    """Configuration and weights of a pack, in half precision.

    The rows of tokens that stand in no sentence were never trained: as zeros they take no room in a compressed wheel.
    """
    configuration = {
        "model_cfg": ARCHITECTURE,
        "preprocess_cfg": NORMALISATION,
        "heat_map_cfg": {"stage": HEAT_MAP_STAGE},
    }
    (folder / CONFIGURATION).write_text(json.dumps(configuration, indent=1) + "\n")
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    table = weights["token_embedding.weight"]
    used = torch.zeros(len(table), dtype=torch.bool)
    used[tokens.unique()] = True
    table[~used] = 0
    halved = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in weights.items()
    }
    save_file(halved, folder / WEIGHTS)
