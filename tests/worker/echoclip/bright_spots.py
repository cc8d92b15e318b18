"""An image tower so small that its heat maps are known without any code: its features are the brightness of squares."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SIDE, SQUARE = 32, 4
"""Pixels of a picture, and of the square that one place of the last stage sees."""
SQUARES = SIDE // SQUARE


class Brightness(nn.Module):
    """[T, 3, S, S] to the mean brightness, and that of its negative, of each square: [T, 2, S/4, S/4]."""

    def forward(self, images: Tensor) -> Tensor:
        bright = nn.functional.avg_pool2d(images.mean(dim=1, keepdim=True), SQUARE)
        return torch.cat([bright, 1 - bright], dim=1)


class SpotTower(nn.Module):
    """The embedding is (mean of the bright channel, mean of the dark one): each has a direction of its own.

    `importance`, [S/4, S/4], makes it a weighted mean: 1 everywhere is the plain one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.importance = nn.Parameter(torch.ones(SQUARES, SQUARES))
        self.trunk = nn.Module()
        self.trunk.stages = nn.ModuleList([nn.Identity(), Brightness()])

    def forward(self, images: Tensor) -> Tensor:
        for stage in self.trunk.stages:
            images = stage(images)
        return (images * self.importance).mean(dim=(2, 3))


class SpotTowers:
    """`ExplainedTowers` with it."""

    device = torch.device("cpu")
    heat_map_stage = -1

    def __init__(self) -> None:
        self.model = nn.Module()
        self.model.visual = SpotTower()

    def images(self, frames: Tensor) -> Tensor:
        return frames.permute(0, 3, 1, 2).float() / 255


BRIGHT, DARK = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
"""Prompts that ask for either."""


def frame_with_spot(row: int, column: int, brightness: int = 255) -> npt.NDArray[np.uint8]:
    """A black frame with one bright square: uint8 [SIDE, SIDE, 3]."""
    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    frame[row * SQUARE : (row + 1) * SQUARE, column * SQUARE : (column + 1) * SQUARE] = brightness
    return frame
