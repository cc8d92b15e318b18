from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.worker.echoclip.rewritten import with_configuration
from worker.echoclip.texts import encode_texts
from worker.echoclip.weights import load_model
from worker.packs.folder import ModelPack, load_pack

CPU = torch.device("cpu")
END = 49407
"""CLIP's end of text, the highest of its ids."""


def texts(*lengths: int) -> Tensor:
    """Token rows as CLIP's tokenizer makes them: so many tokens, the end of text, and padding."""
    rows = torch.zeros(len(lengths), 77, dtype=torch.int64)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = torch.randint(1, END, (length,), generator=torch.Generator().manual_seed(length))
        row[length] = END
    return rows


@pytest.mark.parametrize("lengths", [(3,), (1, 20, 7), (76,), (76, 2)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_text_is_encoded_as_open_clip_encodes_its_whole_context(
    untrained_pack: ModelPack, lengths: tuple[int, ...], precision: torch.dtype
) -> None:
    model = load_model(untrained_pack, device=CPU, precision=precision)
    with torch.inference_mode():
        encoded, whole = encode_texts(model, texts(*lengths)), model.encode_text(texts(*lengths))
    within = {"atol": 1e-5, "rtol": 1e-5} if precision == torch.float32 else {"atol": 0.02, "rtol": 0.02}
    torch.testing.assert_close(encoded, whole, **within)


def test_the_padding_is_not_computed(untrained_pack: ModelPack) -> None:
    model = load_model(untrained_pack, device=CPU, precision=torch.float32)
    seen: list[tuple[int, ...]] = []
    model.ln_final.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape[:2])))
    encode_texts(model, texts(3, 11))
    assert seen == [(2, 12)]


@pytest.mark.parametrize("change", [{"no_causal_mask": True}, {"pool_type": "last"}])
def test_a_tower_that_looks_at_every_position_is_given_every_position(
    untrained_folder: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = with_configuration(untrained_folder, tmp_path / "pack", lambda model: model["text_cfg"].update(change))
    model = load_model(load_pack(folder), device=CPU, precision=torch.float32)
    with torch.inference_mode():
        assert torch.equal(encode_texts(model, texts(3, 11)), model.encode_text(texts(3, 11)))
