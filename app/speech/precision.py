"""Chooses the precision of the vocoder's convolutions by timing each of them on this processor."""

import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from app.speech import native
from app.speech.convolution import Convolution, convolution, supports_bfloat16, supports_int8

if TYPE_CHECKING:
    from app.speech.registry import Precision

_CHANNELS, _TAPS, _SAMPLES = 256, 7, 512
"""Most of the vocoder's time is in convolutions of this shape; the time is a quarter of a tile's."""
_RUNS = 3
_GAIN = 0.8
"""A lower precision must take at most this share of float32's time: convolutions are half of the whole."""
_NOISE_PREMIUM = 1.2
"""int8, whose noise is 18 dB stronger, must be this many times as fast as bfloat16."""


@cache
def fastest_precision() -> "Precision":
    """Return the precision that `auto` stands for on this processor, measured once in a process."""
    return choose(_measured())


def choose(seconds: "Mapping[Precision, float]") -> "Precision":
    """Return the precision to use for these times of one convolution; float32 must be among them."""
    fast = {name: secs for name, secs in seconds.items() if secs <= _GAIN * seconds["float32"]}
    if "bfloat16" in fast and fast["bfloat16"] <= _NOISE_PREMIUM * fast.get("int8", fast["bfloat16"]):
        return "bfloat16"
    return min(fast, key=fast.__getitem__, default="float32")


def _measured() -> "dict[Precision, float]":
    """Time a convolution in each precision that this processor has instructions for, in seconds."""
    candidates: list[Precision] = ["float32"]
    if native.has_bfloat16() and supports_bfloat16():  # emulated, it takes a hundred times as long
        candidates.append("bfloat16")
    if supports_int8():
        candidates.append("int8")
    generator = torch.Generator().manual_seed(0)
    source = nn.Conv1d(_CHANNELS, _CHANNELS, _TAPS)
    signal = torch.randn(_SAMPLES, _CHANNELS, generator=generator)
    with torch.inference_mode():
        return {name: _fastest_run(convolution(source, name), signal) for name in candidates}


def _fastest_run(step: Convolution, signal: Tensor) -> float:
    into = torch.zeros(_SAMPLES - _TAPS + 1, _CHANNELS)
    step(signal, into=into)  # compiles the kernel
    times = []
    for _ in range(_RUNS):
        started = time.thread_time()
        step(signal, into=into)
        times.append(time.thread_time() - started)
    return min(times)
