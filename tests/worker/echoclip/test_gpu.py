"""The choices of the GPU path, with a scripted capture in place of CUDA's: graphs themselves need a GPU."""

import pytest
import torch
from torch import Tensor

from worker.echoclip.gpu import OneShape, Tower


def tower(frames: Tensor) -> Tensor:
    """The first sample of each frame."""
    return frames.flatten(1)[:, :1].float()


class Graphs:
    """A capture that notes what it captured, and what was then replayed."""

    def __init__(self, fails_with: RuntimeError | None = None) -> None:
        self.fails_with = fails_with
        self.captured: list[int] = []
        self.replayed: list[int] = []

    def __call__(self, captured: Tower, example: Tensor) -> Tower:
        self.captured.append(len(example))
        if self.fails_with is not None:
            raise self.fails_with

        def replay(frames: Tensor) -> Tensor:
            assert frames.shape == example.shape
            self.replayed.append(len(frames))
            return captured(frames)

        return replay


def frames(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 2, 2, 3)


def test_one_capture_serves_all_batches_and_the_last_is_padded_to_it() -> None:
    graphs = Graphs()
    shaped = OneShape(tower, graphs)
    for count in (8, 8, 3):
        assert torch.equal(shaped(frames(count), 8), tower(frames(count)))
    assert graphs.captured == [8]
    assert graphs.replayed == [8, 8, 8]


def test_a_smaller_batch_size_is_captured_anew() -> None:
    graphs = Graphs()
    shaped = OneShape(tower, graphs)
    shaped(frames(8), 8)
    assert torch.equal(shaped(frames(2), 4), tower(frames(2)))
    assert graphs.captured == [8, 4]


def test_where_a_capture_fails_the_tower_runs_as_it_is_and_no_other_is_tried() -> None:
    graphs = Graphs(fails_with=RuntimeError("operation not permitted when stream is capturing"))
    shaped = OneShape(tower, graphs)
    for count in (8, 3):
        assert torch.equal(shaped(frames(count), 8), tower(frames(count)))
    assert graphs.captured == [8]


def test_a_capture_without_memory_is_a_lack_of_memory() -> None:
    shaped = OneShape(tower, Graphs(fails_with=torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        shaped(frames(8), 8)
