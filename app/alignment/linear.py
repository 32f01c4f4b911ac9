"""Linear layers of the aligner's network in 8-bit integers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

_LEVELS = 127


class Int8Linear(nn.Module):  # type: ignore[misc]  # torch counts as Any
    """
    A linear layer that multiplies 8-bit integers; results are float32.

    Weights have one scale per output, each call's input has one of its own (torch calls it dynamic).
    """

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        weight = source.weight.detach().float()
        scales = (weight.abs().amax(1) / _LEVELS).clamp_(min=torch.finfo(torch.float32).tiny).double()
        zeros = torch.zeros(len(weight), dtype=torch.long)
        levels = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(levels, source.bias)

    def forward(self, signal: Tensor) -> Tensor:
        """Map float32 of shape (..., inputs) to (..., outputs)."""
        result: Tensor = torch.ops.quantized.linear_dynamic(signal, self._packed)
        return result


def quantize_linear_layers(model: nn.Module, *, on_layer: Callable[[], None] = lambda: None) -> int:
    """
    Replace the linear layers in `model` by ones in int8, in place; return how many.

    Calls `on_layer` after each, when its float32 weights are read no more.
    """
    replaced = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, Int8Linear(child))
                on_layer()
                replaced += 1
    return replaced
