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

_TILE_ELEMENTS = 131_072
"""
Channels times samples: 512 KiB of float32, so that the three tiles of a step stay in 2 MiB of L2 cache.
"""


def optimize(model: "KModel", *, precision: "Precision" = "float32") -> None:
    """
    Fold the weight norms of `model` and tile its generator, in place. It must be in evaluation mode.

    `precision` is that of the convolutions; everything between them stays float32. Samples differ from the
    package's own by rounding.
    """
    fold_weight_norm(model)
    decoder = cast("Any", model.decoder)
    decoder.generator = TiledGenerator(decoder.generator, precision=precision)


def fold_weight_norm(model: nn.Module) -> int:
    """Compute each weight from its norm and direction once, not at each call; return how many were folded."""
    folded = 0
    for module in model.modules():
        if hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
            folded += 1
    return folded


class TiledGenerator(nn.Module):  # type: ignore[misc]  # torch counts as Any
    """Kokoro's Generator with tiled residual blocks; between them, signals are (time, channels)."""

    def __init__(self, generator: nn.Module, *, precision: "Precision" = "float32") -> None:
        super().__init__()
        self.source = source = cast("Any", generator)
        for family in (source.resblocks, source.noise_res):
            for index, block in enumerate(family):
                family[index] = TiledResidualBlock(block, precision=precision)

    def forward(self, x: Tensor, style: Tensor, pitch: Tensor) -> Tensor:
        """
        Return the samples, float32 of shape (1, 1, n).

        `x` are the features, (1, channels, frames); `pitch` is (1, frames) in hertz.
        """
        source = self.source
        harmonics = self._harmonics(pitch)
        for stage, (up, noise_conv, noise_block) in enumerate(
            zip(source.ups, source.noise_convs, source.noise_res, strict=True)
        ):
            noise = noise_block(_rows(noise_conv(harmonics)), style)
            rows = _rows(up(functional.leaky_relu(x, 0.1)))
            if stage == len(source.ups) - 1:
                rows = torch.cat([rows[1:2], rows])  # Generator.reflection_pad
            rows += noise
            first, *others = source.resblocks[stage * source.num_kernels :][: source.num_kernels]
            total = first(rows, style)
            for block in others:
                total += block(rows, style)
            x = (total / source.num_kernels).t()[None]
        x = source.conv_post(functional.leaky_relu(x))
        half = source.post_n_fft // 2 + 1
        return cast("Tensor", source.stft.inverse(x[:, :half].exp(), x[:, half:].sin()))

    def _harmonics(self, pitch: Tensor) -> Tensor:
        """Return spectrum and phase of the harmonic source, (1, bins, frames)."""
        source = self.source
        wave, *_ = source.m_source(source.f0_upsamp(pitch[:, None]).transpose(1, 2))
        return torch.cat(source.stft.transform(wave.transpose(1, 2).squeeze(1)), dim=1)


def _rows(x: Tensor) -> Tensor:
    """Return (1, channels, time) as (time, channels), contiguous."""
    return x[0].t().contiguous()


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

    def forward(self, signal: Tensor, style: Tensor) -> Tensor:
        """Map float32 `signal`, (time, channels), and `style`, (1, style width), to the shape of `signal`."""
        moments = _Moments(signal.shape[1])
        for tile in _tiles(signal):
            moments.add(signal[tile])
        between = torch.empty_like(signal)
        result = signal.clone()
        for first, second in zip(self.first, self.second, strict=True):
            between.zero_()
            moments = first(result, style, moments, into=between)
            moments = second(between, style, moments, into=result)
        return result


class _Step(nn.Module):  # type: ignore[misc]
    """One step of the chain: adaptive instance norm, Snake, convolution."""

    def __init__(self, norm: Any, alpha: Tensor, conv: nn.Conv1d, precision: "Precision") -> None:
        super().__init__()
        self.style = norm.fc
        self.norm = norm.norm
        self.alpha = nn.Parameter(alpha.detach().flatten(), requires_grad=False)
        self.convolution = convolution(conv, precision)
        self.halo = conv.dilation[0] * (conv.kernel_size[0] - 1) // 2

    def forward(self, signal: Tensor, style: Tensor, moments: "_Moments", *, into: Tensor) -> "_Moments":
        """Add the result to `into`, both (time, channels); return the moments of `into`."""
        snake = _Snake(*self._affine(style, moments), self.alpha, halo=self.halo)
        moments_out = _Moments(signal.shape[1])
        for tile in _tiles(signal):
            self.convolution(snake(signal, tile), into=into[tile])
            moments_out.add(into[tile])
        return moments_out

    def _affine(self, style: Tensor, moments: "_Moments") -> tuple[Tensor, Tensor]:
        """Return instance norm and style as one scale and one shift per channel, both (channels,)."""
        gamma, beta = self.style(style)[0].chunk(2)
        mean, deviation = moments.normalise(self.norm.eps)
        inner = self.norm.weight / deviation
        scale = (1 + gamma) * inner
        shift = (1 + gamma) * (self.norm.bias - mean * inner) + beta
        return scale, shift


class _Snake:
    """
    Snake, `y + sin(alpha y)^2 / alpha`, of `y = scale x + shift`.

    Computed as `y + (1 - cos(2 alpha y)) / (2 alpha)`, which is four passes over a tile: two affine maps of
    x, a cosine, and their sum. Source of Snake: Ziyin, Hartwig, Ueda, "Neural Networks Fail to Learn Periodic
    Functions and How to Fix It".
    """

    def __init__(self, scale: Tensor, shift: Tensor, alpha: Tensor, *, halo: int) -> None:
        """All (channels,); `halo` are the rows on either side of a tile that the convolution needs."""
        half = 0.5 / alpha
        self._line = scale, shift + half
        self._phase = 2 * alpha * scale, 2 * alpha * shift
        self._height = -half
        self._halo = halo
        # allocated once a step: new memory costs more than the arithmetic, for its pages
        self._bent = torch.empty(_rows_of_tile(len(alpha)) + 2 * halo, len(alpha))
        self._wave = torch.empty_like(self._bent)

    def __call__(self, signal: Tensor, tile: slice) -> Tensor:
        """
        Return Snake of the tile and its halo, (time + 2 halos, channels); zeros beyond the ends.

        The next call overwrites the result.
        """
        start, stop, length = tile.start - self._halo, tile.stop + self._halo, len(signal)
        part = signal[max(start, 0) : min(stop, length)]
        before, after = max(-start, 0), max(stop - length, 0)
        bent = self._bent[: stop - start]
        bent[:before] = 0
        bent[len(bent) - after :] = 0
        inner, wave = bent[before : len(bent) - after], self._wave[: len(part)]
        torch.addcmul(self._phase[1], part, self._phase[0], out=wave).cos_()
        torch.addcmul(self._line[1], part, self._line[0], out=inner).addcmul_(wave, self._height)
        return bent


class _Moments:
    """Mean and variance per channel, accumulated tile by tile in float64."""

    def __init__(self, channels: int) -> None:
        self._sum = torch.zeros(channels, dtype=torch.float64)
        self._squares = torch.zeros(channels, dtype=torch.float64)
        self._count = 0

    def add(self, tile: Tensor) -> None:
        """Count the rows of a tile, (time, channels)."""
        self._sum += tile.sum(0)
        self._squares += torch.square(tile).sum(0)
        self._count += len(tile)

    def normalise(self, epsilon: float) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, float32 of shape (channels,), as in torch's instance norm."""
        mean = self._sum / self._count
        variance = (self._squares / self._count - mean.square()).clamp_(min=0)
        return mean.float(), (variance + epsilon).sqrt_().float()


def _tiles(signal: Tensor) -> Iterator[slice]:
    length, channels = signal.shape
    step = _rows_of_tile(channels)
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def _rows_of_tile(channels: int) -> int:
    return max(_TILE_ELEMENTS // channels, 1)
