"""How a synthetic frame is varied each time that it is looked at, so that no model learns a machine by heart.

The frames of a clip are varied alike. Left and right, up and down stay what they are: a heart has them.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

LARGER, SHIFTED, TURNED = 0.06, 0.05, 0.05
"""At most: in parts of its size, in parts of half the picture's side, and in radians."""
GAMMA, TINT, GAIN, BLACK, NOISE = 0.3, 0.2, 0.2, 0.04, 0.03
BLURRED = 0.2
"""How many of the clips."""


def varied(frames: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Vary clips: uint8 [B, T, 224, 224, 3] to float32 [B * T, 3, side, side], 0..1; side is 224 or 112."""
    clips, number = frames.shape[:2]
    pictures = frames.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
    if side < pictures.shape[-1]:
        pictures = functional.avg_pool2d(pictures, pictures.shape[-1] // side)

    def drawn(*shape: int) -> Tensor:
        """-1..1, for each clip, the same for its frames."""
        values = torch.rand(clips, *shape, generator=generator) * 2 - 1
        return values.repeat_interleave(number, dim=0)

    pictures = _moved(pictures, drawn)
    exponent = torch.exp(GAMMA * drawn(1, 1, 1) + TINT * drawn(3, 1, 1) * (drawn(1, 1, 1) > 0))
    pictures = pictures.clamp(min=1e-4).pow(exponent)
    pictures = pictures * (1 + GAIN * drawn(1, 1, 1)) + BLACK * drawn(1, 1, 1)
    blurred = functional.avg_pool2d(pictures, 3, stride=1, padding=1)
    pictures = torch.where(drawn(1, 1, 1) > 1 - 2 * BLURRED, blurred, pictures)
    noise = torch.randn(pictures.shape[0], 1, side, side, generator=generator)
    return (pictures + NOISE * drawn(1, 1, 1).abs() * noise).clamp(0, 1)


def _moved(pictures: Tensor, drawn: Callable[..., Tensor]) -> Tensor:
    turn, larger = TURNED * drawn(), 1 + LARGER * drawn()
    wider = larger * (1 + 0.3 * LARGER * drawn())
    cosine, sine = torch.cos(turn), torch.sin(turn)
    first = torch.stack([cosine * wider, -sine, SHIFTED * drawn()], dim=1)
    second = torch.stack([sine, cosine * larger, SHIFTED * drawn()], dim=1)
    grid = functional.affine_grid(torch.stack([first, second], dim=1), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False)
