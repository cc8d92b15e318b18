"""A small model with random weights, for trying the pipeline without a real one. Its answers mean nothing."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from config.labels import ModelLabel
from config.whole_files import unfinished_name
from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.packs.manifest import CONFIGURATION, MANIFEST, WEIGHTS, write_manifest

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable

SEED = 20261124
Architecture = dict[str, Any]

SMALL: Architecture = {
    # The kind of EchoCLIP's towers (timm's ConvNeXt, CLIP's text transformer) at a hundredth of the size.
    "embed_dim": 64,
    "vision_cfg": {"timm_model_name": "convnext_atto", "timm_pool": "", "timm_proj": "linear", "image_size": 224},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
NORMALISATION = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
"""OpenAI CLIP's, as every open_clip model has them unless it says otherwise."""


def make_untrained_pack(folder: Path, *, seed: int = SEED, architecture: Architecture = SMALL) -> Path:
    """Make a pack of random weights at `folder`, labelled UNTRAINED; the same bytes for the same seed.

    It appears under its name only when it is whole, and an existing pack is left as it is: several workers may
    start at once.
    """
    unfinished = unfinished_name(folder)
    unfinished.mkdir(parents=True)
    try:
        _write_files(unfinished, seed, architecture)
        write_manifest(
            unfinished,
            name="EchoWorker untrained",
            version=f"seed {seed}",
            family="untrained",
            label=ModelLabel.UNTRAINED,
            licence="none: random numbers",
        )
        _take_name(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write_files(folder: Path, seed: int, architecture: Architecture) -> None:
    configuration = {"model_cfg": architecture, "preprocess_cfg": NORMALISATION}
    (folder / CONFIGURATION).write_text(json.dumps(configuration, indent=1) + "\n")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(**architecture)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / WEIGHTS)


def _take_name(unfinished: Path, folder: Path) -> None:
    try:
        os.rename(unfinished, folder)  # noqa: PTH104
    except OSError:
        if not (folder / MANIFEST).exists():
            raise  # not another worker's pack: something else is in the way
