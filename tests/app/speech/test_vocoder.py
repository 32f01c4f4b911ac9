"""The tiled residual blocks compute what Kokoro's own compute, whatever the length and the kernel."""

import warnings

import pytest
import torch
from kokoro.istftnet import AdaINResBlock1

from app.speech import vocoder
from app.speech.vocoder import TiledResidualBlock, fold_weight_norm

pytestmark = pytest.mark.speech

TILE = 128
CHANNELS = 8


def _block(kernel: int) -> torch.nn.Module:
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
    monkeypatch.setattr(vocoder, "_TILE_ELEMENTS", TILE * CHANNELS)


@pytest.mark.parametrize("kernel", [3, 7, 11])
@pytest.mark.parametrize("length", [1, 7, TILE - 1, TILE, TILE + 1, 3 * TILE, 3 * TILE + 5])
def test_tiles_compute_the_same(kernel: int, length: int) -> None:
    """Equal to Kokoro's block within float32's rounding, at, before and beyond the edges of tiles."""
    block = _block(kernel)
    signal, style = torch.randn(1, CHANNELS, length) * 3 + 1, torch.randn(1, 16)
    with torch.inference_mode():
        if length == 1:
            with pytest.raises(ValueError, match="more than 1 spatial element"):
                block(signal, style)  # torch's own norm refuses a single frame, which Kokoro never makes
            return
        expected = block(signal, style)
        fold_weight_norm(block)
        actual = TiledResidualBlock(block)(signal, style)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def test_the_input_is_left_alone() -> None:
    """Kokoro gives the same tensor to several blocks: none may write to it."""
    block = _block(3)
    fold_weight_norm(block)
    signal, style = torch.randn(1, CHANNELS, 3 * TILE), torch.randn(1, 16)
    before = signal.clone()
    with torch.inference_mode():
        TiledResidualBlock(block)(signal, style)
    assert torch.equal(before, signal)


def test_folding_counts_and_changes_nothing() -> None:
    """Each normed weight is folded once, and the block computes what it did."""
    block = _block(7)
    signal, style = torch.randn(1, CHANNELS, 50), torch.randn(1, 16)
    with torch.inference_mode():
        expected = block(signal, style)
        assert fold_weight_norm(block) == 6
        assert fold_weight_norm(block) == 0
        torch.testing.assert_close(block(signal, style), expected)


def test_bfloat16_is_close() -> None:
    """The faster precision stays within its own rounding of the exact result."""
    block = _block(7)
    fold_weight_norm(block)
    signal, style = torch.randn(1, CHANNELS, 300), torch.randn(1, 16)
    with torch.inference_mode():
        exact = TiledResidualBlock(block)(signal, style)
        rough = TiledResidualBlock(block, dtype=torch.bfloat16)(signal, style)
    noise = (rough - exact).square().sum() / exact.square().sum()
    assert 0 < float(noise) < 1e-3
