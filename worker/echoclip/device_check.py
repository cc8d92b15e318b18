"""Is a GPU fit to be used? A computation whose result is known, with memory for a batch of a model."""

import torch

SIZE = 512
ROOM_BYTES = 256 * 2**20
"""What a device has to have left beside the model: a small batch takes as much."""


def gpus() -> list[str]:
    """The GPUs that torch sees, by its names, in its order."""
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def why_unfit(device: str) -> str:
    """Why a device is not fit to be used; empty where it is.

    Whole numbers below 8, so that a product of matrices is exact in every precision that a GPU multiplies in.
    """
    try:
        numbers = torch.arange(SIZE * SIZE, dtype=torch.int64).remainder(8).view(SIZE, SIZE)
        expected = numbers @ numbers
        on_device = numbers.to(device, torch.float32)
        product = (on_device @ on_device).to("cpu", torch.int64)
        torch.empty(ROOM_BYTES, dtype=torch.uint8, device=device)
    except RuntimeError as error:
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return "" if torch.equal(product, expected) else "it computes wrong numbers"
