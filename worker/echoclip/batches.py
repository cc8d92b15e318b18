"""Batches as large as the memory allows, across whatever the rows belong to."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from config.errors import DeviceError, DeviceFaultError


class Batches:
    """Runs a model over many rows in full batches; out of memory halves the batch, and is remembered."""

    def __init__(self, size: int) -> None:
        self.size = size
        """The most rows at once. It never grows again: what did not fit once may not fit the next time."""

    def run(self, work: Callable[[Tensor], Tensor], parts: Sequence[Tensor]) -> Tensor:
        """Apply `work`, from n rows to n rows, to all rows of `parts` in their order: [sum of all T, ...].

        A batch takes rows of as many parts as it needs to be full, so that only the last can be smaller.

        Raises
        ------
        DeviceError
            The memory does not take one row.
        DeviceFaultError
            The GPU failed.
        """
        done: list[Tensor] = []
        first, total = 0, sum(len(part) for part in parts)
        while first < total:
            batch = torch.cat(list(_rows(parts, first, first + self.size)))
            result = _unless_out_of_memory(work, batch)
            if result is None:
                self._halve(len(batch))
                continue
            done.append(result)
            first += len(batch)
        return torch.cat(done)

    def _halve(self, tried: int) -> None:
        if tried == 1:
            raise DeviceError(
                "the model runs out of memory on a single picture or text: give this machine more, run fewer workers "
                "on it, or set model.device or model.precision to what needs less"
            )
        self.size = tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what the attempt left in torch's own keeping, in pieces of the wrong size


def _rows(parts: Sequence[Tensor], first: int, end: int) -> Iterator[Tensor]:
    """The slices of `parts` that hold the rows from `first` up to `end` of all."""
    offset = 0
    for part in parts:
        if offset < end and offset + len(part) > first:
            yield part[max(first - offset, 0) : end - offset]
        offset += len(part)


def _unless_out_of_memory(work: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor | None:
    # A function of its own: with its return the exception is gone, and the tensors that its traceback holds.
    try:
        return work(batch)
    except RuntimeError as error:
        if is_out_of_memory(error):
            return None
        if is_device_fault(error):
            # Its text names addresses and kernels; the first line says what happened.
            raise DeviceFaultError(f"the GPU failed: {str(error).strip().partition(chr(10))[0]}") from error
        raise


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether it is torch's lack of memory: a class of its own for GPUs, and words for the CPU's allocator."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def is_device_fault(error: RuntimeError) -> bool:
    """Whether the GPU itself failed, or a library on it: an illegal access, a lost device, a hardware error.

    Of libraries torch says so in words (ATen's CUDA_CHECK of cuDNN and cuBLAS).
    """
    words = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "CUDA driver error")
    return isinstance(error, torch.AcceleratorError) or any(word in str(error) for word in words)
