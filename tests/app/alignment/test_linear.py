"""Linear layers in int8 compute what float32 ones do, within their rounding."""

import pytest
import torch

from app.alignment.linear import quantize_linear_layers

pytestmark = pytest.mark.speech


def test_linear_layers_are_replaced_and_close() -> None:
    """Every linear layer of a network, at any depth, with or without a bias; noise stays below 1%."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 96),
        torch.nn.GELU(),
        torch.nn.Sequential(torch.nn.Linear(96, 32, bias=False)),
    )
    signal = torch.randn(1, 20, 64)
    with torch.inference_mode():
        exact = model(signal)
        replaced = []
        assert quantize_linear_layers(model, on_layer=lambda: replaced.append(model[0])) == 2
        assert len(replaced) == 2
        assert quantize_linear_layers(model) == 0
        rough = model(signal)
    noise = (rough - exact).square().sum() / exact.square().sum()
    assert 0 < float(noise) < 1e-2
