import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from config.errors import DeviceError
from worker.echoclip.batches import Batches, is_out_of_memory


class Memory:
    """A model that doubles each row, where `room` rows fit at once."""

    def __init__(self, room: int, error: RuntimeError | None = None) -> None:
        self.room = room
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        self.tried: list[int] = []

    def __call__(self, rows: Tensor) -> Tensor:
        self.tried.append(len(rows))
        if len(rows) > self.room:
            raise self.error
        return rows * 2


def parts(*lengths: int) -> list[Tensor]:
    rows = torch.arange(sum(lengths) * 2.0).view(-1, 2)
    return list(rows.split(list(lengths)))


def test_batches_run_across_the_parts_and_are_full_but_for_the_last() -> None:
    model = Memory(room=100)
    result = Batches(8).run(model, parts(5, 16, 1, 7))
    assert model.tried == [8, 8, 8, 5]
    assert torch.equal(result, torch.cat(parts(5, 16, 1, 7)) * 2)


@given(lengths=st.lists(st.integers(0, 9), min_size=1).filter(any), size=st.integers(1, 20), room=st.integers(1, 20))
def test_every_row_comes_back_once_and_in_its_place(lengths: list[int], size: int, room: int) -> None:
    result = Batches(size).run(Memory(room), parts(*lengths))
    assert torch.equal(result, torch.cat(parts(*lengths)) * 2)


def test_out_of_memory_halves_the_batch_and_the_next_study_starts_there() -> None:
    batches, model = Batches(64), Memory(room=20)
    batches.run(model, parts(100))
    assert model.tried == [64, 32, 16, 16, 16, 16, 16, 16, 4]
    model.tried.clear()
    batches.run(model, parts(20))
    assert model.tried == [16, 4]


def test_a_batch_that_was_not_full_halves_from_what_it_was() -> None:
    model = Memory(room=5)
    Batches(64).run(model, parts(10))
    assert model.tried == [10, 5, 5]


def test_a_single_row_that_does_not_fit_is_a_clear_error() -> None:
    model = Memory(room=0)
    with pytest.raises(DeviceError, match="out of memory on a single picture or text: give this machine more"):
        Batches(4).run(model, parts(4))
    assert model.tried == [4, 2, 1]


def test_another_fault_of_the_model_is_no_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Batches(4).run(Memory(room=0, error=RuntimeError("shapes cannot be multiplied")), parts(4))


def test_the_cpus_own_lack_of_memory_is_known_by_its_words() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    model = Memory(room=2, error=caught.value)
    Batches(4).run(model, parts(4))
    assert model.tried == [4, 2, 2]
