"""Where a model runs, and in which numbers."""

import time
from collections.abc import Callable
from functools import cache
from typing import Literal

import torch
from torch.nn.functional import linear

from config.errors import ConfigurationError

Device = str
"""`auto`, or what torch knows: `cpu`, `cuda`, or one of several as `cuda:1`."""
Precision = Literal["auto", "float32", "bfloat16"]

ROUNDS = 6
ENOUGH_FASTER = 1.2
"""Below this bfloat16 is not worth the digits that it costs; processors are far from it on one side or the other."""


def chosen_device(wanted: Device) -> torch.device:
    """The GPU where there is one, unless the CPU, or one of several GPUs, is asked for.

    Raises
    ------
    ConfigurationError
        `cuda` was asked for and there is none.
    """
    if wanted.startswith("cuda:"):
        return torch.device(wanted)
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ConfigurationError(
            "model.device is cuda, but torch finds no GPU: install torch's CUDA build, or use auto"
        )
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def chosen_precision(wanted: Precision, device: torch.device) -> torch.dtype:
    """What is asked for; for `auto`, bfloat16 where this device computes it itself, and faster than float32."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cuda":
        faster = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        faster = processor_has_bfloat16() and bfloat16_is_faster()
    return torch.bfloat16 if faster else torch.float32


def processor_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself: AMX-BF16 or AVX512-BF16 (and what oneDNN counts as such)."""
    return torch.backends.mkldnn.is_available() and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


@cache
def bfloat16_is_faster() -> bool:
    """Measured, once for each process, in about a tenth of a second: having the instruction does not tell.

    With AVX512-BF16 alone AMD's Zen 4 multiplies twice as fast as in float32, and Intel's Sapphire Rapids half as fast
    (docs/performance.md). In turns, and the best of each, so that a busy moment decides nothing.
    """
    multiplications = {dtype: _multiplication(dtype) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(multiplications, float("inf"))
    for _ in range(ROUNDS):
        for dtype, multiply in multiplications.items():
            started = time.perf_counter()
            multiply()
            best[dtype] = min(best[dtype], time.perf_counter() - started)
    return best[torch.float32] > ENOUGH_FASTER * best[torch.bfloat16]


def _multiplication(dtype: torch.dtype) -> Callable[[], object]:
    """A linear layer of ConvNeXt-Base's third stage, on four frames: where most of its time goes."""
    rows, weight = torch.ones(784, 512, dtype=dtype), torch.ones(2048, 512, dtype=dtype)
    return lambda: linear(rows, weight)
