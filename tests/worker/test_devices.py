"""A GPU that fails: which device is taken in its place, and what becomes of the studies. The GPUs are a test's own."""

from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from config.errors import DeviceError, DeviceFaultError
from config.logs import Event
from config.settings import load_settings
from config.steps import Step
from db.working.devices import failing_devices
from tests.support.clips import SMALL
from tests.worker.pipeline import Pipeline, ready
from tests.worker.scripted import ScriptedTowers, scripted_scorer
from worker.devices import usable_device
from worker.echoclip.batches import Batches, is_device_fault
from worker.echoclip.device_check import why_unfit
from worker.study_scoring import Scorer

LOST = "CUDA error: the device fell off the bus"


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("ECHOWORKER_MODEL__MAXIMUM_DEVICE_FAILURES", "1")
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def chosen(pipeline: Pipeline, failing: dict[str, str], wanted: str = "auto") -> str:
    settings = pipeline.context.settings
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"device": wanted})})
    there = ["cuda:0", "cuda:1"]
    return usable_device(
        settings, pipeline.context.database, there=there, check=lambda device: failing.get(device, ""), host="gpu1"
    )


def test_the_first_gpu_that_passes_its_check_is_taken_and_one_that_failed_is_asked_no_more(pipeline: Pipeline) -> None:
    assert chosen(pipeline, {}) == "cuda:0"
    with capture_logs() as logs:
        assert chosen(pipeline, {"cuda:0": LOST}) == "cuda:1"
    (said,) = logs
    assert (said["event"], said["device"]) == (Event.DEVICE_SET_ASIDE, "cuda:0")
    assert "model" not in said, "which is the name of a model pack"
    assert chosen(pipeline, {}) == "cuda:1", "it is set aside, whatever it would say now"
    with pipeline.context.database.read() as session:
        assert [(row.device, row.reason) for row in failing_devices(session)] == [("cuda:0", LOST)]


def test_without_a_fit_gpu_auto_takes_the_cpu_and_cuda_waits(pipeline: Pipeline) -> None:
    both = {"cuda:0": LOST, "cuda:1": "it computes wrong numbers"}
    assert chosen(pipeline, both) == "cpu"
    with pytest.raises(DeviceError, match=r"no GPU of gpu1 is fit .*cuda:0 is set aside; cuda:1 is.*use-again"):
        chosen(pipeline, {}, wanted="cuda")
    assert chosen(pipeline, {}, wanted="cpu") == ""


def test_the_check_passes_a_device_that_multiplies_and_names_why_another_is_unfit() -> None:
    assert why_unfit("cpu") == ""
    assert why_unfit("meta") != ""


def test_a_fault_of_the_gpu_is_told_from_one_of_the_model() -> None:
    def fails(_: Tensor) -> Tensor:
        raise torch.AcceleratorError(f"{LOST}\nCompile with TORCH_USE_CUDA_DSA")

    with pytest.raises(DeviceFaultError, match=r"^the GPU failed: CUDA error: the device fell off the bus$"):
        Batches(4).run(fails, [torch.zeros(3, 1)])
    assert is_device_fault(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))
    assert not is_device_fault(RuntimeError("shapes cannot be multiplied"))


class Failing(ScriptedTowers):
    """Each try to embed fails as the test says, until there is nothing more to say."""

    def __init__(self, pipeline: Pipeline, errors: list[RuntimeError]) -> None:
        super().__init__(pipeline.context.catalogue)
        self.shows = ["apical_four_chamber"]
        self.errors = errors
        self._batches = Batches(64)

    def embed_clips(self, clips: object) -> list[Tensor]:
        def embed(rows: Tensor) -> Tensor:
            if self.errors:
                raise self.errors.pop(0)
            return super(Failing, self).embed_frames(rows)

        parts = [torch.as_tensor(clip) for clip in clips]  # type: ignore[attr-defined]
        return list(self._batches.run(embed, parts).split([len(part) for part in parts]))


def scored_by(pipeline: Pipeline, errors: list[RuntimeError]) -> Scorer:
    context = pipeline.context
    return scripted_scorer(Failing(pipeline, errors), context.catalogue, context.settings.gate)


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_the_study_is_scored(pipeline: Pipeline) -> None:
    uid = ready(pipeline, SMALL)
    pipeline.run(uid, [Step.PREPARE])
    out_of_memory = [torch.OutOfMemoryError("CUDA out of memory") for _ in range(2)]
    pipeline.context.scorer = scored_by(pipeline, out_of_memory)
    detail = pipeline.run(uid, [Step.SCORE])
    assert out_of_memory == []
    assert detail.study.state == "SCORED"
    assert [entry.attempt for entry in detail.journal if entry.step == Step.SCORE] == [1]


@pytest.mark.parametrize(
    ("errors", "attempts"),
    [
        pytest.param([torch.OutOfMemoryError("CUDA out of memory")] * 99, 0, id="no-memory-for-one-picture"),
        pytest.param([torch.AcceleratorError(LOST)] * 9, 1, id="gpu-fails-on-it"),
    ],
)
def test_a_study_pays_for_a_fault_that_may_be_its_own_and_for_a_lack_of_memory_nothing(
    pipeline: Pipeline, errors: list[RuntimeError], attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = ready(pipeline, SMALL)
    pipeline.run(uid, [Step.PREPARE])
    ended: list[bool] = []
    monkeypatch.setattr(pipeline.context.watch, "end_after_this", lambda: ended.append(True))
    pipeline.context.scorer = scored_by(pipeline, errors)
    detail = pipeline.run(uid, [Step.SCORE])
    assert (detail.study.state, detail.study.attempts) == ("PREPARED", attempts)
    assert detail.study.next_attempt_at is not None
    assert ended == [True], "the next process checks the device before it loads a model onto it"
