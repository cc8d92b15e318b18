"""Weights come in many wrappings, and end as the same safetensors; what does not fit is refused by name."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from config.errors import ModelPackError
from worker.packs.manifest import CONFIGURATION, WEIGHTS, sha256_of
from worker.packs.weights import Shapes, architecture, check_weights, install_weights

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def expected(untrained_folder: Path) -> Shapes:
    return architecture(untrained_folder)


@pytest.fixture(scope="module")
def tensors(untrained_folder: Path) -> Tensors:
    return load_file(untrained_folder / WEIGHTS)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda tensors: tensors,
        lambda tensors: {"state_dict": tensors, "epoch": 3, "name": "training"},
        lambda tensors: {"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}},
        lambda tensors: {f"module._orig_mod.{name}": tensor for name, tensor in tensors.items()},
        lambda tensors: {**tensors, "text.position_ids": torch.arange(77)},
    ],
    ids=["plain", "wrapped", "data-parallel", "compiled", "position-ids"],
)
def test_a_checkpoint_becomes_the_same_bytes_however_it_was_wrapped(
    untrained_folder: Path, tmp_path: Path, expected: Shapes, tensors: Tensors, wrapped: Callable[[Tensors], object]
) -> None:
    torch.save(wrapped(tensors), tmp_path / "pytorch_model.bin")
    install_weights(tmp_path / "pytorch_model.bin", tmp_path, expected)
    assert sha256_of(tmp_path / WEIGHTS) == sha256_of(untrained_folder / WEIGHTS)


def test_the_format_of_old_checkpoints_is_read(
    untrained_folder: Path, tmp_path: Path, expected: Shapes, tensors: Tensors
) -> None:
    torch.save(tensors, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    install_weights(tmp_path / "old.bin", tmp_path, expected)
    assert sha256_of(tmp_path / WEIGHTS) == sha256_of(untrained_folder / WEIGHTS)


def test_tensors_that_share_memory_or_are_transposed_are_written_whole(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    torch.save({"one": shared, "tied": shared, "turned": shared.T}, tmp_path / "tied.bin")
    install_weights(tmp_path / "tied.bin", tmp_path, {"one": (2, 3), "tied": (2, 3), "turned": (3, 2)})
    written = load_file(tmp_path / WEIGHTS)
    assert torch.equal(written["one"], shared)
    assert torch.equal(written["tied"], shared)
    assert torch.equal(written["turned"], shared.T)


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda t: t.pop("logit_scale"), "tensor logit_scale is missing$"),
        (lambda t: t.update(surprise=torch.zeros(1)), "tensor surprise is none of the model$"),
        (
            lambda t: t.update(text_projection=torch.zeros(64, 63)),
            r"tensor text_projection has the shape \[64, 63\], the model's has \[64, 64\]$",
        ),
        (lambda t: [t.pop("logit_scale"), t.pop("text_projection")], r"logit_scale is missing \(and 1 more\)"),
        (lambda t: t.update(logit_scale=torch.tensor(float("nan"))), "logit_scale holds values that are no finite"),
    ],
    ids=["missing", "too-many", "shape", "several", "nan"],
)
@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_what_does_not_fit_the_architecture_is_named(
    tmp_path: Path, expected: Shapes, tensors: Tensors, edit: Callable[[Tensors], object], fault: str, suffix: str
) -> None:
    changed = dict(tensors)
    edit(changed)
    source = tmp_path / f"pytorch_model.{suffix}"
    save_file(changed, source) if suffix == "safetensors" else torch.save(changed, source)
    with pytest.raises(ModelPackError, match=fault):
        install_weights(source, tmp_path, expected)


@pytest.mark.parametrize("kept", [0.0, 0.0001, 0.5, 0.999])
@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_a_file_that_is_cut_off_is_refused(
    untrained_folder: Path, tmp_path: Path, expected: Shapes, tensors: Tensors, kept: float, suffix: str
) -> None:
    whole = tmp_path / "whole.bin"
    torch.save(tensors, whole)
    content = (untrained_folder / WEIGHTS if suffix == "safetensors" else whole).read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelPackError, match=f"cut.{suffix}: .*fetch it again"):
        install_weights(tmp_path / f"cut.{suffix}", tmp_path, expected)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path, expected: Shapes) -> None:
    class Malice:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "it-ran",))

    (tmp_path / "evil.bin").write_bytes(pickle.dumps(Malice(), protocol=2))
    torch.save({"logit_scale": Malice()}, tmp_path / "evil-too.bin")
    for name in ("evil.bin", "evil-too.bin"):
        with pytest.raises(ModelPackError, match="no checkpoint of tensors alone: it is not read"):
            install_weights(tmp_path / name, tmp_path, expected)
    assert not (tmp_path / "it-ran").exists()


def test_a_file_without_weights_says_so(tmp_path: Path, expected: Shapes) -> None:
    torch.save({"epoch": 3}, tmp_path / "other.bin")
    with pytest.raises(ModelPackError, match="holds no state_dict"):
        install_weights(tmp_path / "other.bin", tmp_path, expected)


def test_a_configuration_that_open_clip_cannot_build_is_named(untrained_folder: Path, tmp_path: Path) -> None:
    content = (untrained_folder / CONFIGURATION).read_text()
    (tmp_path / CONFIGURATION).write_text(content.replace("convnext_atto", "convnext_of_nobody"))
    with pytest.raises(ModelPackError, match=f"{CONFIGURATION}: open_clip cannot build a model from it"):
        architecture(tmp_path)


def test_the_architecture_is_that_of_the_weights(untrained_folder: Path, expected: Shapes) -> None:
    check_weights(untrained_folder / WEIGHTS, expected)
