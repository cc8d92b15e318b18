"""ConvNeXt on a CPU: its blocks as oneDNN runs them best.

Nearly all multiplications of ConvNeXt are two linear layers in each block. timm leaves them to torch's BLAS, with GELU,
the layer scale and the residual as passes of their own over tensors of up to 100 MB. Here the weights are laid out once
in oneDNN's blocked format, GELU (the exact one, by erf) runs inside the first multiplication, the layer scale is folded
into the second one's weights, and the residual is added in place. The frames come in channels-last order, so that no
permutation copies. docs/performance.md has what each of these is worth.

The operators are those that torch.compile itself uses for linear layers, without its need of a C++ compiler. They are
not a documented interface: where a torch lacks them, or the model is another, it runs as timm wrote it.
"""

from copy import deepcopy
from itertools import chain
from typing import Any, cast

import torch
from timm.layers.activations import GELU
from timm.layers.mlp import Mlp
from timm.models.convnext import ConvNeXt, ConvNeXtBlock
from torch import Tensor, nn

from worker.echoclip.precision import processor_has_bfloat16


def accelerated(visual: nn.Module, precision: torch.dtype) -> nn.Module | None:
    """The same image tower with faster blocks: float or bfloat16 [B, 3, H, W] -> [B, D]; None where it does not apply.

    All but the blocks' linear weights is shared with `visual`, which stays as it is: gradients still go through it.
    """
    if not isinstance(getattr(visual, "trunk", None), ConvNeXt) or not _operators_exist(precision):
        return None
    shared: dict[int, object] = {id(tensor): tensor for tensor in chain(visual.parameters(), visual.buffers())}
    faster: Any = deepcopy(visual, shared)
    if not all(_is_plain(block) for stage in faster.trunk.stages for block in stage.blocks):
        return None
    for stage in faster.trunk.stages:
        stage.blocks = nn.Sequential(*(_Block(block) for block in stage.blocks))
    return cast(nn.Module, faster)


def _operators_exist(precision: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return hasattr(torch.ops.mkldnn, "_reorder_linear_weight") and (
        precision == torch.float32 or processor_has_bfloat16()
    )


def _is_plain(block: nn.Module) -> bool:
    """Whether it computes what `_Block` computes: none of timm's variations."""
    return (
        isinstance(block, ConvNeXtBlock)
        and not block.use_conv_mlp
        and isinstance(block.shortcut, nn.Identity)
        and type(block.mlp) is Mlp
        and isinstance(block.mlp.norm, nn.Identity)
        and _is_exact_gelu(block.mlp.act)
    )


def _is_exact_gelu(activation: nn.Module) -> bool:
    if isinstance(activation, nn.GELU):
        return activation.approximate == "none"
    return isinstance(activation, GELU)


class _Block(nn.Module):
    """timm's ConvNeXtBlock for inference: [B, C, H, W] in channels-last order -> the same."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.conv_dw, self.norm = block.conv_dw, block.norm
        first, second = block.mlp.fc1, block.mlp.fc2
        weight, bias = second.weight, second.bias
        if block.gamma is not None:
            scale = block.gamma.float()
            weight = (scale[:, None] * weight.float()).to(second.weight.dtype)
            bias = (scale * bias.float()).to(second.bias.dtype)
        self.expanding, self.expanding_bias = _laid_out(first.weight), first.bias
        self.projecting, self.projecting_bias = _laid_out(weight), bias

    def forward(self, x: Tensor) -> Tensor:
        rows = self.norm(self.conv_dw(x).permute(0, 2, 3, 1))
        rows = torch.ops.mkldnn._linear_pointwise(rows, self.expanding, self.expanding_bias, "gelu", [], "none")
        rows = torch.ops.mkldnn._linear_pointwise(rows, self.projecting, self.projecting_bias, "none", [], "")
        residual: Tensor = rows.add_(x.permute(0, 2, 3, 1))
        return residual.permute(0, 3, 1, 2)


def _laid_out(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
    return packed
