"""The tiled residual blocks compute what Kokoro's own compute, whatever the length and the kernel."""

import os
import subprocess
import sys
import warnings
from typing import Any

import pytest

from app.speech.registry import Precision

pytestmark = pytest.mark.speech

TILE = 128
CHANNELS = 8


def _block(torch: Any, kernel: int) -> Any:
    from kokoro.istftnet import AdaINResBlock1  # seconds to import

    torch.manual_seed(kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the weight_norm that Kokoro uses
        block = AdaINResBlock1(CHANNELS, kernel, (1, 3, 5), 16).eval()
    for parameter in block.parameters():
        parameter.data.normal_(0, 0.2)
    for alpha in (*block.alpha1, *block.alpha2):
        alpha.data.uniform_(0.5, 2.0)
    return block


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles so short that a small signal has many."""
    from app.speech import vocoder  # imports torch

    monkeypatch.setattr(vocoder, "_TILE_ELEMENTS", TILE * CHANNELS)


@pytest.mark.parametrize("kernel", [3, 7, 11])
@pytest.mark.parametrize("length", [1, 7, TILE - 1, TILE, TILE + 1, 3 * TILE, 3 * TILE + 5])
def test_tiles_compute_the_same(torch: Any, kernel: int, length: int) -> None:
    """Equal to Kokoro's block within float32's rounding, at, before and beyond the edges of tiles."""
    from app.speech.vocoder import TiledResidualBlock, fold_weight_norm

    block = _block(torch, kernel)
    signal, style = torch.randn(1, CHANNELS, length) * 3 + 1, torch.randn(1, 16)
    with torch.inference_mode():
        if length == 1:
            with pytest.raises(ValueError, match="more than 1 spatial element"):
                block(signal, style)  # torch's own norm refuses a single frame, which Kokoro never makes
            return
        expected = block(signal, style)
        fold_weight_norm(block)
        actual = TiledResidualBlock(block)(signal[0].t().contiguous(), style).t()[None]
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def test_the_input_is_left_alone(torch: Any) -> None:
    """Kokoro gives the same tensor to several blocks: none may write to it."""
    from app.speech.vocoder import TiledResidualBlock, fold_weight_norm

    block = _block(torch, 3)
    fold_weight_norm(block)
    signal, style = torch.randn(3 * TILE, CHANNELS), torch.randn(1, 16)
    before = signal.clone()
    with torch.inference_mode():
        TiledResidualBlock(block)(signal, style)
    assert torch.equal(before, signal)


def test_folding_counts_and_changes_nothing(torch: Any) -> None:
    """Each normed weight is folded once, and the block computes what it did."""
    from app.speech.vocoder import fold_weight_norm

    block = _block(torch, 7)
    signal, style = torch.randn(1, CHANNELS, 50), torch.randn(1, 16)
    with torch.inference_mode():
        expected = block(signal, style)
        assert fold_weight_norm(block) == 6
        assert fold_weight_norm(block) == 0
        torch.testing.assert_close(block(signal, style), expected)


@pytest.mark.parametrize(("precision", "most_noise"), [("bfloat16", 1e-3), ("int8", 3e-2)])
def test_lower_precisions_are_close(torch: Any, precision: Precision, most_noise: float) -> None:
    """The faster precisions stay within their own rounding of the exact result."""
    from app.speech.vocoder import TiledResidualBlock, fold_weight_norm

    block = _block(torch, 7)
    fold_weight_norm(block)
    signal, style = torch.randn(300, CHANNELS), torch.randn(1, 16)
    with torch.inference_mode():
        exact = TiledResidualBlock(block)(signal, style)
        rough = TiledResidualBlock(block, precision=precision)(signal, style)
    noise = (rough - exact).square().sum() / exact.square().sum()
    assert 0 < float(noise) < most_noise


@pytest.mark.parametrize("dilation", [1, 3, 5])
@pytest.mark.parametrize("offset", [-40.0, 0.0, 40.0])
def test_an_int8_convolution_is_within_its_rounding(torch: Any, dilation: int, offset: float) -> None:
    """Half a level of each operand bounds the error, also where all values have one sign, and with zeros."""
    from app.speech.convolution import Int8Convolution, weight_levels

    torch.manual_seed(dilation)
    source = torch.nn.Conv1d(CHANNELS, 2 * CHANNELS, 7, dilation=dilation)
    step = Int8Convolution(source, weight_levels=weight_levels())
    for length in (6 * dilation + 1, 64, 200):
        signal = torch.randn(CHANNELS, length) + offset
        with torch.inference_mode():
            expected = source(signal[None])[0]
            actual = torch.zeros_like(expected).t().contiguous()
            step(signal.t().contiguous(), into=actual)
        low, high = min(float(signal.min()), 0.0), max(float(signal.max()), 0.0)
        signal_level = (high - low) / 255
        weight_level = source.weight.detach().abs().amax((1, 2)) / weight_levels()
        bound = source.weight.detach().abs().sum((1, 2)) * signal_level / 2
        bound = bound + weight_level / 2 * (signal.abs().max() + signal_level) * CHANNELS * 7
        assert bool(((actual.t() - expected).abs().amax(1) <= bound).all())


def test_an_int8_convolution_of_silence_is_its_bias(torch: Any) -> None:
    """A tile of zeros has no largest value to divide by."""
    from app.speech.convolution import Int8Convolution, weight_levels

    source = torch.nn.Conv1d(CHANNELS, CHANNELS, 3)
    actual = torch.zeros(8, CHANNELS)
    with torch.inference_mode():
        Int8Convolution(source, weight_levels=weight_levels())(torch.zeros(10, CHANNELS), into=actual)
    torch.testing.assert_close(actual, source.bias.detach().expand(8, CHANNELS))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"float32": 1.0}, "float32"),
        ({"float32": 1.0, "int8": 0.3}, "int8"),
        ({"float32": 1.0, "int8": 0.9}, "float32"),
        ({"float32": 1.0, "bfloat16": 1.5, "int8": 0.3}, "int8"),
        ({"float32": 1.0, "bfloat16": 0.3, "int8": 0.3}, "bfloat16"),
        ({"float32": 1.0, "bfloat16": 0.3, "int8": 0.2}, "int8"),
        ({"float32": 1.0, "bfloat16": 0.3, "int8": 0.9}, "bfloat16"),
    ],
)
def test_auto_takes_what_is_worth_its_noise(seconds: dict[Precision, float], expected: Precision) -> None:
    """A lower precision must be faster by enough to matter, and int8 by more than bfloat16."""
    from app.speech.precision import choose

    assert choose(seconds) == expected


def test_auto_is_measured_on_this_processor() -> None:
    """Whatever the processor, the answer is one of the precisions, and stays the same in a process."""
    from app.speech.precision import fastest_precision

    assert fastest_precision() in {"float32", "bfloat16", "int8"}
    assert fastest_precision() is fastest_precision()


OLDER_PROCESSOR = """
import torch
from torch import nn
from app.speech.convolution import convolution
from app.speech.precision import fastest_precision

assert fastest_precision() != "bfloat16"
source, signal = nn.Conv1d(8, 8, 3), torch.randn(20, 8)
for precision in ("float32", "bfloat16", "int8"):
    into = torch.zeros(18, 8)
    with torch.inference_mode():
        convolution(source, precision)(signal, into=into)
        assert (into.t() - source(signal.t()[None])[0]).abs().max() < 0.1, precision
"""


def test_every_precision_computes_without_avx512() -> None:
    """Where oneDNN has no kernels for bfloat16, torch computes instead, and auto takes another precision."""
    settings = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OLDER_PROCESSOR],
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
