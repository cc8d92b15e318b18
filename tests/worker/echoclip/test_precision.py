"""What `auto` chooses; that a processor is measured at all is seen by its answer alone, as processors differ."""

import pytest
import torch

from config.errors import ConfigurationError
from worker.echoclip import precision
from worker.echoclip.precision import bfloat16_is_faster, chosen_device, chosen_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("has_it", "is_faster", "chosen"),
    [(True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32)],
)
def test_on_a_cpu_auto_is_bfloat16_only_where_the_processor_has_it_and_is_faster_with_it(
    monkeypatch: pytest.MonkeyPatch, has_it: bool, is_faster: bool, chosen: torch.dtype
) -> None:
    monkeypatch.setattr(precision, "processor_has_bfloat16", lambda: has_it)
    monkeypatch.setattr(precision, "bfloat16_is_faster", lambda: is_faster)
    assert chosen_precision("auto", CPU) == chosen


@pytest.mark.parametrize(("native", "chosen"), [(True, torch.bfloat16), (False, torch.float32)])
def test_on_a_gpu_auto_is_bfloat16_where_the_gpu_computes_it_itself(
    monkeypatch: pytest.MonkeyPatch, native: bool, chosen: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native or including_emulation)
    assert chosen_precision("auto", GPU) == chosen


@pytest.mark.parametrize("device", [CPU, GPU])
def test_what_is_asked_for_is_what_one_gets(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    monkeypatch.setattr(precision, "bfloat16_is_faster", lambda: pytest.fail("nothing was to be measured"))
    assert chosen_precision("float32", device) == torch.float32
    assert chosen_precision("bfloat16", device) == torch.bfloat16


@pytest.mark.parametrize(("speed", "faster"), [(2.2, True), (1.1, False), (0.5, False)])
def test_faster_is_what_takes_less_time_by_more_than_a_little(
    monkeypatch: pytest.MonkeyPatch, speed: float, faster: bool
) -> None:
    clock = Clock(monkeypatch)
    costs = {torch.float32: 1.0, torch.bfloat16: 1 / speed}
    monkeypatch.setattr(precision, "_multiplication", lambda dtype: lambda: clock.pass_on(costs[dtype]))
    assert bfloat16_is_faster.__wrapped__() is faster


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(precision.time, "perf_counter", lambda: self.now)

    def pass_on(self, seconds: float) -> None:
        self.now += seconds


def test_a_processor_is_measured_without_a_fault() -> None:
    assert bfloat16_is_faster() in (True, False)


@pytest.mark.parametrize(
    ("wanted", "there", "chosen"), [("auto", True, GPU), ("auto", False, CPU), ("cpu", True, CPU), ("cuda", True, GPU)]
)
def test_auto_takes_the_gpu_that_is_there(
    monkeypatch: pytest.MonkeyPatch, wanted: precision.Device, there: bool, chosen: torch.device
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert chosen_device(wanted) == chosen


def test_a_gpu_that_is_not_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="torch finds no GPU"):
        chosen_device("cuda")
