"""Convolutions of the vocoder, each in one arithmetic: float32, bfloat16, or int8 with float32 results."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.speech.registry import Precision

_WEIGHT_LEVELS = 127
_SIGNAL_LEVELS = 255
_SMALLEST = torch.finfo(torch.float32).tiny


class Convolution(nn.Module):  # type: ignore[misc]  # torch counts as Any
    """A convolution over time, without padding."""

    @abstractmethod
    def forward(self, signal: Tensor, *, into: Tensor, residual: Tensor | None = None) -> Tensor:
        """
        Write the result plus `residual` to `into`, and return it; `into` may be `residual`.

        `signal` is float32 (channels, time + 2 halos), the others are float32 (channels, time).
        """


class FloatConvolution(Convolution):
    """Multiplies in the type of its weights; sums are float32."""

    def __init__(self, source: nn.Conv1d, dtype: torch.dtype) -> None:
        super().__init__()
        self._weight = source.weight.detach().to(dtype)
        self._bias = _bias(source)[:, None]
        self._dilation = source.dilation[0]

    def forward(self, signal: Tensor, *, into: Tensor, residual: Tensor | None = None) -> Tensor:
        """See Convolution."""
        result = functional.conv1d(signal[None].to(self._weight.dtype), self._weight, dilation=self._dilation)
        summand = self._bias if residual is None else residual + self._bias
        return torch.add(result[0], summand, out=into)


class Int8Convolution(Convolution):
    """
    Multiplies 8-bit integers, by oneDNN; sums are int32, results float32.

    Weights have one scale per output channel. Each call quantizes its signal between its own smallest and
    largest value, so that a quiet tile has as many levels as a loud one.
    """

    def __init__(self, source: nn.Conv1d) -> None:
        super().__init__()
        weight = source.weight.detach().float()
        self._scales = (weight.abs().amax((1, 2)) / _WEIGHT_LEVELS).clamp_(
            min=torch.finfo(torch.float32).tiny
        )
        levels = torch.round(weight / self._scales[:, None, None]).clamp_(-_WEIGHT_LEVELS, _WEIGHT_LEVELS)
        self._levels: Tensor | None = levels.to(torch.int8)
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self._bias = _bias(source)
        self._dilation = source.dilation[0]
        self._packed: Tensor | None = None

    def forward(self, signal: Tensor, *, into: Tensor, residual: Tensor | None = None) -> Tensor:
        """See Convolution."""
        low, high = (float(value) for value in torch.aminmax(signal))
        low, high = min(low, 0.0), max(high, 0.0)  # zero, which pads the ends, has a level of its own
        scale = max((high - low) / _SIGNAL_LEVELS, _SMALLEST)
        zero = round(-low / scale)
        levels = torch.quantize_per_tensor(signal, scale, zero, torch.quint8).int_repr()[None]
        if self._packed is None:
            self._pack(levels)
        result: Tensor = torch.ops.onednn.qconv_pointwise(
            levels, scale, zero, self._packed, self._scales, self._zeros, self._bias,
            [1], [0], [self._dilation], 1, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        # oneDNN writes one time step after the other; what follows adds along time.
        result = result[0].contiguous()
        return into.copy_(result) if residual is None else torch.add(result, residual, out=into)

    def _pack(self, signal: Tensor) -> None:
        """Lay the weights out for the first signal's shape; oneDNN accepts them for any other."""
        self._packed = torch.ops.onednn.qconv_prepack(
            self._levels, self._scales, 1.0, 128, [1], [0], [self._dilation], 1, list(signal.shape)
        )
        self._levels = None


def supports_int8() -> bool:
    """Whether this build of torch has oneDNN's quantized convolutions; builds for ARM may lack them."""
    return hasattr(torch.ops.onednn, "qconv_prepack") and torch.backends.mkldnn.is_available()


def convolution(source: nn.Conv1d, precision: "Precision") -> Convolution:
    """
    Return `source`, which has stride 1 and one group, in a precision.

    Raises ConfigurationError for int8 if torch cannot compute in it.
    """
    if precision == "int8":
        if not supports_int8():
            raise ConfigurationError("SPEECH_PRECISION: this build of torch has no int8 convolutions")
        return Int8Convolution(source)
    return FloatConvolution(source, getattr(torch, precision))


def _bias(source: nn.Conv1d) -> Tensor:
    bias: Any = source.bias
    return bias.detach().float()
