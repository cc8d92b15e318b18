"""Lets timm and open_clip import beside a CPU build of torch.

Both need `import torchvision`, whose released wheel is built for CUDA: beside torch's CPU wheel its compiled library
does not load, and the import fails on the first operator that it registers. We use none of its operators, only its
Python transforms; declaring these two by name is enough.
"""

import importlib.util
from pathlib import Path

import torch

_OPERATORS = ("nms", "qnms")
_declared: list[torch.library.Library] = []
"""Keeps the declaration alive: torch withdraws it with its object."""


def make_torchvision_importable() -> None:
    """Call before the first import of open_clip, timm or torchvision; a matching torchvision is left alone."""
    found = importlib.util.find_spec("torchvision")
    if _declared or found is None or _its_library_loads(found.submodule_search_locations or []):
        return
    library = torch.library.Library("torchvision", "DEF")
    for operator in _OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)


def _its_library_loads(locations: list[str]) -> bool:
    libraries = [path for location in locations for path in Path(location).glob("_C*.so")]
    try:
        for path in libraries:
            torch.ops.load_library(str(path))
    except (OSError, ImportError):
        return False
    return bool(libraries)
