import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import open_clip
import pytest
import torch
from torch import Tensor

from config.catalogue import load_catalogue
from config.errors import ModelPackError
from config.settings import load_settings
from tests.worker.echoclip.rewritten import with_configuration, with_weights
from worker.echoclip.model import model_of
from worker.echoclip.towers import Towers
from worker.echoclip.weights import load_model
from worker.models import Surroundings
from worker.packs.folder import load_pack

CPU = torch.device("cpu")
NAME = "visual.head.proj.weight"


def load(folder: Path, precision: torch.dtype = torch.float32) -> open_clip.CLIP:
    return load_model(load_pack(folder), device=CPU, precision=precision)


@pytest.mark.parametrize(("precision", "name"), [(torch.float32, "fp32"), (torch.bfloat16, "bf16")])
def test_a_loaded_model_is_open_clips_own_to_the_last_bit(
    untrained_folder: Path, precision: torch.dtype, name: str
) -> None:
    """Every weight and every buffer, the text tower's mask among them, in the same numbers."""
    ours = load(untrained_folder, precision)
    theirs = open_clip.create_model(f"local-dir:{untrained_folder}", precision=name, require_pretrained=True).eval()
    expected = dict(theirs.named_parameters()) | dict(theirs.named_buffers())
    actual = dict(ours.named_parameters()) | dict(ours.named_buffers())
    assert actual.keys() == expected.keys()
    assert "attn_mask" in actual
    for path, tensor in expected.items():
        torch.testing.assert_close(actual[path], tensor.detach(), atol=0, rtol=0, msg=path)
    assert not ours.training


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_severities_are_scaled_alike_in_every_precision(
    untrained_folder: Path, tmp_path: Path, precision: Literal["float32", "bfloat16"]
) -> None:
    """ln(100), CLIP's largest, would be 4.594 in bfloat16, and its exp 98.9: other severities on other machines."""

    def scaled_by_100(weights: dict[str, Tensor]) -> None:
        weights["logit_scale"] = torch.tensor(math.log(100))

    pack = load_pack(with_weights(untrained_folder, tmp_path / "pack", scaled_by_100))
    settings = load_settings(data_dir=tmp_path / "data")
    surroundings = Surroundings(settings=settings, catalogue=load_catalogue(), cache=tmp_path)
    model = model_of(pack, Towers(pack, device="cpu", precision=precision), surroundings)
    assert model._logit_scale == pytest.approx(100, rel=1e-6)


def test_weights_kept_in_half_precision_are_float32_in_a_float32_model(untrained_folder: Path, tmp_path: Path) -> None:
    def halve(weights: dict[str, Tensor]) -> None:
        weights[NAME] = weights[NAME].half()

    model = load(with_weights(untrained_folder, tmp_path / "pack", halve))
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda weights: weights.pop(NAME), f"there is no {NAME}"),
        (
            lambda weights: weights.update({NAME: weights[NAME][:10].clone()}),
            f"{NAME} is \\[10, 320\\], not \\[64, 320\\]",
        ),
        (lambda weights: weights.update({"spare": torch.ones(1)}), "nothing takes spare"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    untrained_folder: Path, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], why: str
) -> None:
    folder = with_weights(untrained_folder, tmp_path / "pack", change)
    with pytest.raises(ModelPackError, match=f"open_clip_model.safetensors does not fit open_clip_config.json: {why}"):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model["text_cfg"].update(layers=3),
        lambda model: model["vision_cfg"].update(timm_model_name="convnext_of_nowhere"),
        lambda model: model.update(no_such_setting=1),
        lambda model: model["text_cfg"].update(heads=7),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    untrained_folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    folder = with_configuration(untrained_folder, tmp_path / "pack", change)
    with pytest.raises(ModelPackError, match="does not fit"):
        load(folder)


def test_a_configuration_that_asks_for_pretrained_weights_fetches_nothing(
    untrained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise AssertionError("weights were to be fetched")

    monkeypatch.setattr("timm.models._builder.load_pretrained", fetch)
    folder = with_configuration(
        untrained_folder, tmp_path / "pack", lambda model: model["vision_cfg"].update(timm_model_pretrained=True)
    )
    assert not load(folder).training


def test_open_clips_other_ways_to_build_a_text_tower_load_too(untrained_folder: Path, tmp_path: Path) -> None:
    """`custom_text`, under which open_clip keeps the text tower as a module of its own."""

    def into_a_tower(weights: dict[str, Tensor]) -> None:
        for name in [name for name in weights if not name.startswith(("visual.", "logit_scale"))]:
            weights[f"text.{name}"] = weights.pop(name)

    folder = with_weights(untrained_folder, tmp_path / "weights", into_a_tower)
    folder = with_configuration(folder, tmp_path / "pack", lambda model: model.update(custom_text=True))
    tokens = torch.arange(77)[None]
    with torch.inference_mode():
        torch.testing.assert_close(load(folder).encode_text(tokens), load(untrained_folder).encode_text(tokens))
