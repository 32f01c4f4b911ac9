"""
Optimizes Kokoro's vocoder: the same arithmetic as its own residual blocks, computed tile by tile.

Nine tenths of Kokoro's work is in the residual blocks of its generator: chains of normalization, activation
(Snake) and convolution over tensors of tens of megabytes. The package runs one operation after the other, and
half of the time goes into moving those tensors between memory and the core. Here, a tile that fits the core's
cache passes through the whole step before the next tile begins. All tiles but the last have the same shape,
which keeps oneDNN's cache of compiled kernels small for any length of speech.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.speech.convolution import convolution

if TYPE_CHECKING:
    from kokoro import KModel

    from app.speech.registry import Precision

_TILE_ELEMENTS = 524_288
"""
Channels times samples: 2 MiB of float32, the fastest of 0.25 to 8 MiB on cores with 1 MiB of L2 cache.
"""


def optimize(model: "KModel", *, precision: "Precision" = "float32") -> None:
    """
    Fold the weight norms of `model` and tile its residual blocks, in place. It must be in evaluation mode.

    `precision` is that of the convolutions; everything between them stays float32. Samples differ from the
    package's own by rounding.
    """
    fold_weight_norm(model)
    generator = cast("Any", model.decoder).generator
    for family in (generator.resblocks, generator.noise_res):
        for index, block in enumerate(family):
            family[index] = TiledResidualBlock(block, precision=precision)


def fold_weight_norm(model: nn.Module) -> int:
    """Compute each weight from its norm and direction once, not at each call; return how many were folded."""
    folded = 0
    for module in model.modules():
        if hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
            folded += 1
    return folded


class TiledResidualBlock(nn.Module):  # type: ignore[misc]  # torch counts as Any
    """Kokoro's AdaINResBlock1 in tiles: `x + conv(snake(norm(conv(snake(norm(x))))))`, three times."""

    def __init__(self, block: nn.Module, *, precision: "Precision" = "float32") -> None:
        super().__init__()
        source = cast("Any", block)
        steps = zip(
            (*source.adain1, *source.adain2),
            (*source.alpha1, *source.alpha2),
            (*source.convs1, *source.convs2),
            strict=True,
        )
        ordered = [_Step(norm, alpha, conv, precision) for norm, alpha, conv in steps]
        half = len(ordered) // 2
        self.first = nn.ModuleList(ordered[:half])
        self.second = nn.ModuleList(ordered[half:])

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map float32 `x` of shape (1, channels, time) and `style` (1, style width) to the shape of `x`."""
        moments = _Moments(x.shape[1])
        signal = x[0]
        for tile in _tiles(signal):
            moments.add(signal[:, tile])
        between = torch.empty_like(signal)
        result = torch.empty_like(signal)
        for first, second in zip(self.first, self.second, strict=True):
            middle = _Moments(x.shape[1])
            first(signal, style, moments, into=between, moments_out=middle)
            moments = _Moments(x.shape[1])
            second(between, style, middle, into=result, moments_out=moments, residual=signal)
            signal = result
        return result[None]


class _Step(nn.Module):  # type: ignore[misc]
    """One step of the chain: adaptive instance norm, Snake, convolution."""

    def __init__(self, norm: Any, alpha: Tensor, conv: nn.Conv1d, precision: "Precision") -> None:
        super().__init__()
        self.style = norm.fc
        self.norm = norm.norm
        self.alpha = nn.Parameter(alpha[0].detach(), requires_grad=False)
        self.convolution = convolution(conv, precision)
        self.halo = conv.dilation[0] * (conv.kernel_size[0] - 1) // 2

    def forward(
        self,
        signal: Tensor,
        style: Tensor,
        moments: "_Moments",
        *,
        into: Tensor,
        moments_out: "_Moments",
        residual: Tensor | None = None,
    ) -> None:
        """Write the result plus `residual` to `into`, all (channels, time); `into` may be `residual`."""
        scale, shift = self._affine(style, moments)
        for tile in _tiles(signal):
            bent = self._snake(signal, tile, scale, shift)
            summand = None if residual is None else residual[:, tile]
            moments_out.add(self.convolution(bent, into=into[:, tile], residual=summand))

    def _affine(self, style: Tensor, moments: "_Moments") -> tuple[Tensor, Tensor]:
        """Return instance norm and style as one scale and one shift per channel, both (channels, 1)."""
        gamma, beta = self.style(style)[0].chunk(2)
        mean, deviation = moments.normalise(self.norm.eps)
        inner = self.norm.weight / deviation
        scale = (1 + gamma) * inner
        shift = (1 + gamma) * (self.norm.bias - mean * inner) + beta
        return scale[:, None], shift[:, None]

    def _snake(self, signal: Tensor, tile: slice, scale: Tensor, shift: Tensor) -> Tensor:
        """Return Snake, `y + sin(alpha y)^2 / alpha`, of the tile and its halo; zeros beyond the ends.

        Source: Ziyin, Hartwig, Ueda, "Neural Networks Fail to Learn Periodic Functions and How to Fix It".
        """
        start, stop = tile.start - self.halo, tile.stop + self.halo
        length = signal.shape[1]
        part = signal[:, max(start, 0) : min(stop, length)]
        bent = torch.addcmul(shift, part, scale)
        wave = torch.mul(bent, self.alpha).sin_()
        wave.mul_(wave)
        bent.addcdiv_(wave, self.alpha)
        if start < 0 or stop > length:
            bent = functional.pad(bent, (max(-start, 0), max(stop - length, 0)))
        return bent


class _Moments:
    """Mean and variance per channel, accumulated tile by tile in float64."""

    def __init__(self, channels: int) -> None:
        self._sum = torch.zeros(channels, dtype=torch.float64)
        self._squares = torch.zeros(channels, dtype=torch.float64)
        self._count = 0

    def add(self, tile: Tensor) -> None:
        self._sum += tile.sum(1)
        self._squares += torch.linalg.vector_norm(tile, dim=1).double().square_()
        self._count += tile.shape[1]

    def normalise(self, epsilon: float) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, float32 of shape (channels,), as in torch's instance norm."""
        mean = self._sum / self._count
        variance = (self._squares / self._count - mean.square()).clamp_(min=0)
        return mean.float(), (variance + epsilon).sqrt_().float()


def _tiles(signal: Tensor) -> Iterator[slice]:
    channels, length = signal.shape
    step = max(_TILE_ELEMENTS // channels, 1)
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
