"""A pack's weights become open_clip's model, without being made twice.

`open_clip.create_model` first fills a model with random numbers and then copies the file over them. Here the model is
made on torch's meta device, where tensors have a shape and no memory, and takes the tensors of the file as they are:
mapped, so that a page is read when it is first used, and shared with other processes of the same pack. Nothing is
fetched, whatever the configuration says.
"""

import json
from copy import deepcopy
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from config.errors import DeviceError, ModelPackError
from worker.echoclip.batches import is_device_fault, is_out_of_memory
from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.packs.folder import ModelPack
from worker.packs.manifest import CONFIGURATION, WEIGHTS

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable
from open_clip.model import convert_weights_to_lp  # noqa: E402
from open_clip.transformer import LayerNormFp32  # noqa: E402

LOGIT_SCALE = "logit_scale"
CAUSAL_MASK = "attn_mask"
"""The text tower's mask: open_clip computes it, and keeps it out of the file."""


def load_model(pack: ModelPack, *, device: torch.device, precision: torch.dtype) -> open_clip.CLIP:
    """The model of a pack, as `open_clip.create_model` would make it, in evaluation mode and without gradients.

    In bfloat16 it is open_clip's own `bf16`: the norms of the text tower stay in float32.

    Raises
    ------
    ModelPackError
        The weights do not fit the configuration: each tensor must be there, with its shape, and no other.
    DeviceError
        The device has no memory for it, or fails.
    """
    try:
        return _loaded(pack, device, precision)
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError, AssertionError) as error:
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise DeviceError(f"no memory to load model pack {pack.folder} on {device}: free some of it") from error
        if isinstance(error, RuntimeError) and is_device_fault(error):
            raise DeviceError(f"model pack {pack.folder} cannot be loaded: {device} failed") from error
        raise _does_not_fit(pack, str(error).strip().partition("\n")[0]) from error


def logit_scale_of(pack: ModelPack) -> float:
    """By what a loaded model multiplies cosines: exp of its parameter, as the file has it.

    The model's own is rounded with all others in bfloat16: ln(100) becomes 4.594, and the scale 98.9.
    """
    with safe_open(pack.folder / WEIGHTS, framework="pt") as file:
        return float(file.get_tensor(LOGIT_SCALE).double().exp())


def _loaded(pack: ModelPack, device: torch.device, precision: torch.dtype) -> open_clip.CLIP:
    configuration = _configuration(pack)
    with torch.device("meta"):
        kind = open_clip.CustomTextCLIP if configuration.pop("custom_text", False) else open_clip.CLIP
        model = kind(**configuration, cast_dtype=None if precision == torch.float32 else precision)
    weights = load_file(pack.folder / WEIGHTS, device=str(device))
    misfit = _misfit(model.state_dict(), weights)
    if misfit is not None:
        raise _does_not_fit(pack, misfit)
    model.load_state_dict(weights, assign=True)
    _make_causal_masks(model, device)
    _convert(model, precision, is_timm="timm_model_name" in configuration["vision_cfg"])
    return model.requires_grad_(False).eval()


def _configuration(pack: ModelPack) -> dict[str, Any]:
    configuration: dict[str, Any] = deepcopy(json.loads((pack.folder / CONFIGURATION).read_bytes())["model_cfg"])
    if "timm_model_name" in configuration["vision_cfg"]:
        # Where it is true, as in files of hubs, timm would fetch weights, to be overwritten with the pack's.
        configuration["vision_cfg"]["timm_model_pretrained"] = False
    return configuration


def _misfit(expected: dict[str, Tensor], weights: dict[str, Tensor]) -> str | None:
    """The first tensor that is not as it must be, in words."""
    for name, tensor in expected.items():
        if name not in weights:
            return f"there is no {name}"
        if weights[name].shape != tensor.shape:
            return f"{name} is {list(weights[name].shape)}, not {list(tensor.shape)}"
    surplus = next((name for name in weights if name not in expected), None)
    return f"nothing takes {surplus}" if surplus else None


def _make_causal_masks(model: torch.nn.Module, device: torch.device) -> None:
    """Compute what the file does not hold: minus infinity where a token of the text tower would see a later one."""
    for path, buffer in list(model.named_buffers()):
        if not buffer.is_meta:
            continue
        owner, _, name = path.rpartition(".")
        if name != CAUSAL_MASK:
            raise ValueError(f"it needs {path}, which is not in the file and cannot be computed")
        mask = torch.full(buffer.shape, float("-inf"), device=device).triu_(1)
        model.get_submodule(owner).register_buffer(name, mask, persistent=False)


def _convert(model: torch.nn.Module, precision: torch.dtype, *, is_timm: bool) -> None:
    if precision != torch.float32 and not is_timm:
        convert_weights_to_lp(model, dtype=precision)  # open_clip's own towers: it knows which layers may be
        return
    for module in model.modules():
        kept = torch.float32 if isinstance(module, LayerNormFp32) else precision
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(kept)


def _does_not_fit(pack: ModelPack, why: str) -> ModelPackError:
    return ModelPackError(f"model pack {pack.folder}: {WEIGHTS} does not fit {CONFIGURATION}: {why}")
