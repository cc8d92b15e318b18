"""Frames through the image tower on a GPU: the next batch is on its way while this one is computed.

Nothing here waits for the GPU: a batch is copied into pinned memory, from there by a stream of its own onto the GPU,
and the tower is a CUDA graph, one launch for a few hundred kernels. A graph has one shape: the last batch is padded to
it. Where a capture fails, the tower runs kernel by kernel.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from worker.echoclip.batches import is_out_of_memory

WARM_UPS = 3
"""Runs before a capture, in which libraries allocate and choose their kernels (PyTorch's notes on CUDA graphs)."""

Tower = Callable[[Tensor], Tensor]
"""From frames uint8 [B, H, W, 3] to embeddings [B, D], both on the device."""


Capture = Callable[[Tower, Tensor], Tower]
"""Makes of a tower, and frames of the right shape, a tower for this shape alone."""


class OneShape:
    """A tower captured for full batches, with everything else padded to them."""

    def __init__(self, tower: Tower, capture: Capture) -> None:
        self._tower = tower
        self._capture = capture
        self._captured: dict[tuple[int, ...], Tower | None] = {}

    def __call__(self, frames: Tensor, size: int) -> Tensor:
        """Embed at most `size` frames, uint8 [B, H, W, 3]: [B, D]."""
        padded = pad(frames, (0, 0, 0, 0, 0, 0, 0, size - len(frames)))
        captured = self._for(padded)
        return self._tower(frames) if captured is None else captured(padded)[: len(frames)]

    def _for(self, padded: Tensor) -> Tower | None:
        shape = tuple(padded.shape)
        if shape not in self._captured:
            self._captured.clear()  # batches only ever become smaller: the memory of the larger graph is free again
            self._captured[shape] = self._try(padded)
        return self._captured[shape]

    def _try(self, example: Tensor) -> Tower | None:
        try:
            return self._capture(self._tower, example)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            return None


def cuda_graph(tower: Tower, example: Tensor) -> Tower:
    """A `Capture`: the tower as one CUDA graph.

    Raises
    ------
    RuntimeError
        The tower does what cannot be captured, or there is no memory for it (torch.OutOfMemoryError).
    """
    frames = example.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            tower(frames)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        embeddings = tower(frames)

    def replay(batch: Tensor) -> Tensor:
        frames.copy_(batch)
        graph.replay()
        return embeddings.clone()

    return replay


class Upload:
    """Copies batches onto the GPU by a stream of its own, out of two pinned buffers in turn."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers: list[Tensor] = [torch.empty(0, dtype=torch.uint8)] * 2
        self._copied = [torch.cuda.Event(), torch.cuda.Event()]
        self._turn = 0

    def __call__(self, frames: Tensor) -> Tensor:
        """Frames uint8 [B, H, W, 3] on the CPU -> on the GPU, ready for the current stream."""
        self._turn = 1 - self._turn
        copied = self._copied[self._turn]
        copied.synchronize()  # of the batch before the last, long done: its buffer is free again
        if self._buffers[self._turn].numel() < frames.numel():
            self._buffers[self._turn] = torch.empty(frames.numel(), dtype=torch.uint8, pin_memory=True)
        pinned = self._buffers[self._turn][: frames.numel()].view(frames.shape).copy_(frames)
        with torch.cuda.stream(self._stream):
            uploaded = pinned.to(self._device, non_blocking=True)
            copied.record(self._stream)
        current = torch.cuda.current_stream(self._device)
        current.wait_event(copied)
        uploaded.record_stream(current)
        return uploaded
