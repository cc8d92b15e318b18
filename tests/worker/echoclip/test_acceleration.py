"""The fast image tower against timm's own forward, on a ConvNeXt of the same make as EchoCLIP's, much smaller."""

from typing import Any

import pytest
import torch
from timm.models.convnext import ConvNeXt
from torch import Tensor, nn

from worker.echoclip.acceleration import accelerated
from worker.echoclip.precision import processor_has_bfloat16

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


class Visual(nn.Module):
    """An image tower as open_clip wraps timm's."""

    def __init__(self, **variation: Any) -> None:
        super().__init__()
        settings = {"depths": (1, 1, 2, 1), "dims": (16, 32, 48, 64), "ls_init_value": 1e-6, "num_classes": 0}
        self.trunk = ConvNeXt(**(settings | variation))
        self.head = nn.Linear(64, 24, bias=False)
        for name, weight in self.named_parameters():
            # Everything as training leaves it: in a fresh model a norm scales by 1 and a block by 1e-6.
            nn.init.normal_(weight, 1 if ".norm" in name and name.endswith("weight") else 0, 0.3)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.head(self.trunk(images))
        return embedded


def tower(**variation: Any) -> Visual:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Visual(**variation)


def images(batch: int = 3) -> Tensor:
    return torch.rand(batch, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 4 - 2


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("scale", [1e-6, None])
def test_it_computes_what_timm_computes(layout: torch.memory_format, scale: float | None) -> None:
    visual = tower(ls_init_value=scale)
    faster = accelerated(visual, torch.float32)
    assert faster is not None
    given = images().contiguous(memory_format=layout)
    with torch.inference_mode():
        torch.testing.assert_close(faster(given), visual(given), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(faster(given[:1]), visual(given[:1]), atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not processor_has_bfloat16(), reason="this processor has no bfloat16")
def test_it_computes_in_bfloat16_as_nearly_as_timm_does() -> None:
    visual, given = tower(), images()
    with torch.inference_mode():
        exact = visual(given)
        visual.to(torch.bfloat16)
        faster = accelerated(visual, torch.bfloat16)
        assert faster is not None
        off = torch.cosine_similarity(faster(given.bfloat16()).float(), exact)
        timms_off = torch.cosine_similarity(visual(given.bfloat16()).float(), exact)
    assert off.min() > timms_off.min() - 1e-3


def test_the_model_that_it_was_made_from_is_as_before_and_shares_what_it_can() -> None:
    visual, given = tower(), images(1)
    before = visual(given)
    faster = accelerated(visual, torch.float32)
    assert faster is not None
    assert torch.equal(visual(given), before)
    assert faster.get_parameter("trunk.stem.0.weight") is visual.trunk.stem[0].weight


@pytest.mark.parametrize(
    "variation",
    [
        {"conv_mlp": True},
        {"use_grn": True, "ls_init_value": None},
        {"act_layer": "gelu_tanh"},
        {"act_layer": "silu"},
    ],
)
def test_another_kind_of_block_is_left_to_timm(variation: dict[str, Any]) -> None:
    assert accelerated(tower(**variation), torch.float32) is None


def test_another_kind_of_tower_is_left_as_it_is() -> None:
    assert accelerated(nn.Sequential(nn.Linear(3, 3)), torch.float32) is None


def test_a_torch_without_the_operators_runs_it_as_timm_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert accelerated(tower(), torch.float32) is None
