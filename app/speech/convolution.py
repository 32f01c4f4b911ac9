"""
Convolutions of the vocoder, each in one arithmetic: float32, bfloat16, or int8 with float32 results.

Signals are (time, channels): the layout that oneDNN computes in. Channels first, it would transpose each
operand, which takes as long as an int8 convolution.
"""

import platform
from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.speech.registry import Precision

_WEIGHT_LEVELS = 127
_SMALL_WEIGHT_LEVELS = 63
"""Twice 255 * 63 fits in 16 bits."""
_SIGNAL_LEVELS = 255
_SMALLEST = torch.finfo(torch.float32).tiny


class Convolution(nn.Module):  # type: ignore[misc]  # torch counts as Any
    """A convolution over time, without padding, of stride 1 and one group."""

    def __init__(self, source: nn.Conv1d) -> None:
        super().__init__()
        bias: Any = source.bias
        self._bias = bias.detach().float()
        self._dilation = [1, source.dilation[0]]

    @abstractmethod
    def forward(self, signal: Tensor, *, into: Tensor) -> None:
        """
        Add the result to `into`.

        `signal` is float32 (time + 2 halos, channels), `into` float32 (time, channels); each row is
        contiguous, and follows the one before.
        """


class FloatConvolution(Convolution):
    """Multiplies in the type of its weights, by torch; sums are float32."""

    def __init__(self, source: nn.Conv1d, dtype: torch.dtype) -> None:
        super().__init__(source)
        weight = source.weight.detach().to(dtype)[:, :, None]
        self._weight = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, signal: Tensor, *, into: Tensor) -> None:
        """See Convolution."""
        image = _image(signal.to(self._weight.dtype))
        result = functional.conv2d(image, self._weight, dilation=self._dilation)
        into += _signal(result)
        into += self._bias


class PackedConvolution(Convolution):
    """
    Multiplies in float32 or bfloat16, by oneDNN with weights laid out once; sums are float32.

    float32 results are added to `into` inside the convolution.
    """

    def __init__(self, source: nn.Conv1d, dtype: torch.dtype) -> None:
        super().__init__(source)
        self._weight: Tensor | None = source.weight.detach().to(dtype)[:, :, None].contiguous()
        self._dtype = dtype
        self._packed: Tensor | None = None

    def forward(self, signal: Tensor, *, into: Tensor) -> None:
        """See Convolution."""
        image = _image(signal.to(self._dtype))
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(  # noqa: SLF001  # torch's compiler calls it too
                self._weight, [0, 0], [1, 1], self._dilation, 1, list(image.shape)
            )
            self._weight = None
        shape = [0, 0], [1, 1], self._dilation, 1
        if self._dtype is torch.float32:
            torch.ops.mkldnn._convolution_pointwise_(
                _image(into), image, self._packed, self._bias, *shape, "add", 1.0, None, [], None
            )
            return
        result = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001
            image, self._packed, None, *shape, "none", [], ""
        )
        into += _signal(result)
        into += self._bias


class Int8Convolution(Convolution):
    """
    Multiplies 8-bit integers, by oneDNN; sums are int32, results float32, added to `into` inside.

    Weights have one scale per output channel. Each call quantizes its signal between its own smallest and
    largest value, so that a quiet tile has as many levels as a loud one.
    """

    def __init__(self, source: nn.Conv1d, *, weight_levels: int) -> None:
        """The weights of an output channel are integers up to `weight_levels`, at most 127."""
        super().__init__(source)
        weight = source.weight.detach().float()[:, :, None]
        self._scales = (weight.abs().amax((1, 2, 3)) / weight_levels).clamp_(min=_SMALLEST)
        levels = torch.round(weight / self._scales[:, None, None, None])
        self._levels: Tensor | None = levels.clamp_(-weight_levels, weight_levels).to(torch.int8)
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self._packed: Tensor | None = None

    def forward(self, signal: Tensor, *, into: Tensor) -> None:
        """See Convolution."""
        low, high = (float(value) for value in torch.aminmax(signal))
        low, high = min(low, 0.0), max(high, 0.0)  # zero, which pads the ends, has a level of its own
        scale = max((high - low) / _SIGNAL_LEVELS, _SMALLEST)
        zero = round(-low / scale)
        image = _image(_levels(torch.quantize_per_tensor(signal, scale, zero, torch.quint8)))
        if self._packed is None:
            self._packed = torch.ops.onednn.qconv_prepack(
                self._levels, self._scales, 1.0, 128, [1, 1], [0, 0], self._dilation, 1, list(image.shape)
            )
            self._levels = None
        torch.ops.onednn.qconv2d_pointwise.binary(
            image, scale, zero, self._packed, self._scales, self._zeros, _image(into), self._bias,
            [1, 1], [0, 0], self._dilation, 1, 1.0, 0, torch.float32, 1.0, 0, "sum", 1.0, "none", [], "",
        )  # fmt: skip


def supports_int8() -> bool:
    """Whether this build of torch has oneDNN's quantized convolutions; builds for ARM may lack them."""
    return hasattr(torch.ops.onednn, "qconv_prepack") and torch.backends.mkldnn.is_available()


@cache
def weight_levels() -> int:
    """
    Return how many levels int8 weights have on either side of zero, tried out on this processor.

    Without VNNI, oneDNN adds pairs of products in 16 bits, which saturate:
    https://uxlfoundation.github.io/oneDNN/dev_guide_int8_computations.html. Weights of 7 bits avoid it.
    """
    source = nn.Conv1d(16, 16, 1)
    nn.init.ones_(source.weight)
    nn.init.zeros_(source.bias)
    into = torch.zeros(16, 16)
    with torch.inference_mode():
        Int8Convolution(source, weight_levels=_WEIGHT_LEVELS)(torch.ones(16, 16), into=into)
    is_exact = bool(torch.allclose(into, torch.full_like(into, 16.0), rtol=0.01))
    return _WEIGHT_LEVELS if is_exact else _SMALL_WEIGHT_LEVELS


def supports_bfloat16() -> bool:
    """Whether oneDNN multiplies bfloat16 on this processor; elsewhere torch emulates it, slowly."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001  # torch's compiler asks it too


def convolution(source: nn.Conv1d, precision: "Precision") -> Convolution:
    """
    Return `source`, which has stride 1 and one group, in a precision.

    Raises ConfigurationError for int8 if torch cannot compute in it.
    """
    if precision == "int8":
        if not supports_int8():
            raise ConfigurationError("SPEECH_PRECISION: this build of torch has no int8 convolutions")
        return Int8Convolution(source, weight_levels=weight_levels())
    dtype = getattr(torch, precision)
    return (PackedConvolution if _packs(dtype) else FloatConvolution)(source, dtype)


def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies in this type on this processor; otherwise packing raises RuntimeError."""
    if platform.machine() != "x86_64" or not torch.backends.mkldnn.is_available():
        return False
    return dtype is torch.float32 or supports_bfloat16()


def _image(signal: Tensor) -> Tensor:
    """Return a view of (time, channels) as an image of one line, (1, channels, 1, time), channels last."""
    return signal.t()[None, :, None]


def _signal(image: Tensor) -> Tensor:
    """Return the view (time, channels) of an image of one line."""
    return image[0, :, 0].t()


def _levels(quantized: Tensor) -> Tensor:
    """Return the integers of a quantized tensor, uint8, without the copy that int_repr makes."""
    return torch.empty(0, dtype=torch.uint8).set_(quantized.untyped_storage(), 0, quantized.shape)
