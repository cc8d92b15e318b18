"""The weights of an open-clip pack: checked against its architecture, and kept as safetensors whatever they came in."""

import logging
import pickle
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from config.errors import ModelPackError
from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.packs.manifest import CONFIGURATION, WEIGHTS, read_configuration

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable

Shapes = dict[str, tuple[int, ...]]
_WRAPPERS = ("state_dict", "model")
"""Under which training code keeps the weights beside its own state."""
_PREFIXES = ("module.", "_orig_mod.")
"""What torch puts before every name: data parallelism, compilation."""
_NO_WEIGHTS = "position_ids"
"""Counted from 0; older releases of text towers wrote them down."""


def architecture(folder: Path) -> Shapes:
    """Each tensor of the model that a folder's open_clip_config.json describes. Nothing is computed, nothing fetched.

    Raises
    ------
    ModelPackError
        The configuration is missing or not valid, or open_clip cannot build a model from it.
    """
    read_configuration(folder)
    try:
        with torch.device("meta"), _without_warnings():
            model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, device="meta")
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise ModelPackError(
            f"{folder / CONFIGURATION}: open_clip cannot build a model from it: {_first_line(error)}"
        ) from error
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def check_weights(file: Path, expected: Shapes) -> None:
    """See that a safetensors file holds just the tensors of an architecture, and that all its numbers are finite.

    One tensor is in memory at a time.

    Raises
    ------
    ModelPackError
        The file is damaged; or a tensor is missing, is one too many, has another shape or holds what is no number.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            found: Shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
            require_fit(found, expected, file)
            for name in sorted(found):
                if not bool(opened.get_tensor(name).isfinite().all()):
                    raise ModelPackError(f"{file}: tensor {name} holds values that are no finite numbers")
    except SafetensorError as error:
        raise ModelPackError(f"{file}: no whole safetensors file ({_first_line(error)}); fetch it again") from error


def require_fit(found: Shapes, expected: Shapes, file: Path) -> None:
    """See that names and shapes are those of the architecture.

    Raises
    ------
    ModelPackError
        They are not; the message names the first that is not, and says how many more there are.
    """
    faults = [f"tensor {name} is missing" for name in sorted(expected.keys() - found.keys())]
    faults += [f"tensor {name} is none of the model" for name in sorted(found.keys() - expected.keys())]
    faults += [
        f"tensor {name} has the shape {list(found[name])}, the model's has {list(expected[name])}"
        for name in sorted(found.keys() & expected.keys())
        if found[name] != expected[name]
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ModelPackError(f"{file}: does not fit {CONFIGURATION}: {faults[0]}{more}")


def install_weights(source: Path, folder: Path, expected: Shapes) -> None:
    """Put downloaded weights into a pack's folder, as safetensors with the names of the architecture.

    A safetensors file that fits is copied as it is; any other, and a checkpoint of torch, is written anew: the same
    bytes for the same tensors.

    Raises
    ------
    ModelPackError
        The file is damaged, holds more than tensors, or does not fit the architecture.
    """
    target = folder / WEIGHTS
    if source.suffix == ".safetensors" and _names(source) == expected.keys():
        shutil.copyfile(source, target)
    else:
        tensors = _cleaned(_tensors(source), expected)
        require_fit({name: tuple(tensor.shape) for name, tensor in tensors.items()}, expected, source)
        save_file(tensors, target)
    check_weights(target, expected)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """open_clip warns, on the root logger, that a model without weights is random: here it has none on purpose."""

    def keeps_silent(record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING

    logging.getLogger().addFilter(keeps_silent)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(keeps_silent)


def _names(file: Path) -> set[str]:
    try:
        with safe_open(file, framework="pt") as opened:
            return set(opened.keys())
    except SafetensorError as error:
        raise ModelPackError(f"{file}: no whole safetensors file ({_first_line(error)}); fetch it again") from error


def _tensors(file: Path) -> Mapping[str, Tensor]:
    if file.suffix == ".safetensors":
        return load_file(file)
    content = _checkpoint(file)
    while isinstance(content, Mapping) and (wrapper := next((w for w in _WRAPPERS if w in content), None)):
        content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ModelPackError(f"{file}: holds no state_dict, names with their tensors")
    return content


def _checkpoint(file: Path) -> Any:
    """A checkpoint of torch, its numbers alone: whatever else a pickle might do is refused by torch."""
    try:
        try:
            return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the format of before torch 1.6 cannot be mapped; nor can a damaged file
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelPackError(
            f"{file}: damaged, or no checkpoint of tensors alone: it is not read; fetch it again, or as safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelPackError(f"{file}: no whole checkpoint of torch; fetch it again") from error


def _cleaned(tensors: Mapping[str, Tensor], expected: Shapes) -> dict[str, Tensor]:
    """Names as the architecture has them; each tensor with memory of its own, as safetensors needs it."""
    names = dict(zip(tensors, tensors, strict=True))
    for prefix in _PREFIXES:
        if names and all(name.startswith(prefix) for name in names.values()):
            names = {name: shown.removeprefix(prefix) for name, shown in names.items()}
    seen: set[int] = set()
    cleaned: dict[str, Tensor] = {}
    for name, shown in names.items():
        if shown not in expected and shown.endswith(_NO_WEIGHTS):
            continue
        tensor, memory = tensors[name].detach(), tensors[name].untyped_storage().data_ptr()
        cleaned[shown] = tensor.clone(memory_format=torch.contiguous_format) if memory in seen else tensor.contiguous()
        seen.add(memory)
    return cleaned


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
