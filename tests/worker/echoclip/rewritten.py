"""Packs whose files a test has changed, with a manifest that fits them again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from config.labels import ModelLabel
from worker.packs.manifest import CONFIGURATION, WEIGHTS, write_manifest


def rewrite(folder: Path, weights: dict[str, Tensor]) -> None:
    """Give the pack these weights."""
    save_file(weights, folder / WEIGHTS)
    _manifest(folder)


def with_weights(pack: Path, folder: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    """A copy of a pack, at `folder`, in whose weights something is changed."""
    shutil.copytree(pack, folder)
    weights = load_file(pack / WEIGHTS)
    change(weights)
    rewrite(folder, weights)
    return folder


def with_configuration(pack: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a pack, at `folder`, in whose model_cfg something is changed."""
    return with_whole_configuration(pack, folder, lambda configuration: change(configuration["model_cfg"]))


def with_whole_configuration(pack: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The same for its whole configuration."""
    shutil.copytree(pack, folder)
    configuration = json.loads((folder / CONFIGURATION).read_text())
    change(configuration)
    (folder / CONFIGURATION).write_text(json.dumps(configuration))
    _manifest(folder)
    return folder


def _manifest(folder: Path) -> None:
    write_manifest(folder, name="x", version="1", family="x", label=ModelLabel.UNTRAINED, licence="none")
