"""Signal processing of one utterance: trim the silence, limit the peaks, fade the ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import EngineDiedError

Samples = NDArray[np.float32]

CEILING = 10 ** (-1 / 20)
"""The highest peak written: -1 dBFS, the headroom that lossy encoders ask for (EBU R 128, s1)."""

_SILENCE = 10 ** (-54 / 20)
"""Below this peak a stretch is silent: some 12 dB under the softest fricative of the engines."""
_FRAME_SECS = 0.005
"""The grain at which silence is looked for."""
_LEAD_SECS, _TAIL_SECS = 0.03, 0.08
"""Silence kept before the first and after the last sound, so that no breath or tail is clipped."""
_FADE_SECS = 0.004
_LOOKAHEAD_SECS = 0.005
"""The limiter lowers its gain over this long before a peak, and raises it over as long after."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The sounding part of an utterance."""

    samples: Samples
    cut_secs: float
    """What was cut from its start: marks move back by this much."""
    tail_secs: float
    """Silence that it still ends with."""


def trimmed(samples: Samples, sample_rate: int) -> Trimmed:
    """
    Cut the silence around speech down to a margin; an utterance without any sound becomes empty.

    Raises EngineDiedError for samples that are no numbers: a model that fails so is to be started anew.
    """
    size = max(1, round(_FRAME_SECS * sample_rate))
    peaks = _peaks(samples, size)
    if not np.isfinite(peaks).all():
        raise EngineDiedError("the engine returned samples that are no numbers")
    sounding = np.flatnonzero(peaks >= _SILENCE)
    if not len(sounding):
        return Trimmed(samples=samples[:0], cut_secs=0.0, tail_secs=0.0)
    first, last = int(sounding[0]) * size, min((int(sounding[-1]) + 1) * size, len(samples))
    start = max(0, first - round(_LEAD_SECS * sample_rate))
    end = min(len(samples), last + round(_TAIL_SECS * sample_rate))
    return Trimmed(
        samples=samples[start:end], cut_secs=start / sample_rate, tail_secs=(end - last) / sample_rate
    )


def _peaks(samples: Samples, size: int) -> Samples:
    """Return the highest magnitude of each `size` samples, the last of fewer, without a copy of them."""
    if not len(samples):
        return samples
    starts = np.arange(0, len(samples), size)
    peaks: Samples = np.maximum(np.maximum.reduceat(samples, starts), -np.minimum.reduceat(samples, starts))
    return peaks


def limited(samples: Samples, sample_rate: int) -> Samples:
    """
    Return `samples` with every peak at CEILING or below; those that have none above are returned as they are.

    A look-ahead limiter: the gain that each sample needs is held over the window around it (a running
    minimum) and smoothed over the same window (a running mean), so that it is reached in time, without a
    step, and never exceeded. It acts within one utterance, which begins and ends in silence, so that a
    stream of them needs no state.
    """
    if max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0))) <= CEILING:
        return samples
    reach = max(1, round(_LOOKAHEAD_SECS * sample_rate))
    needed = np.minimum(1.0, CEILING / np.maximum(np.abs(samples), CEILING))
    held = _running_minimum(np.pad(needed, 2 * reach, constant_values=1.0), 2 * reach + 1)
    sums = np.cumsum(np.concatenate(([0.0], held)))
    gain = (sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)
    result: Samples = np.clip(samples * gain, -CEILING, CEILING).astype(np.float32)
    return result


def _running_minimum(values: NDArray[np.floating], width: int) -> NDArray[np.floating]:
    """Return the minimum of each `width` neighbouring values, by doubling: log2(width) passes."""
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        values = np.minimum(values[:-step], values[step:])
        covered += step
    return values


def faded(samples: Samples, sample_rate: int) -> Samples:
    """Return `samples` with their first and last milliseconds eased from and to zero: joints do not click."""
    size = min(round(_FADE_SECS * sample_rate), len(samples) // 2)
    if size == 0:
        return samples
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)
    result = samples.copy()
    result[:size] *= ramp
    result[-size:] *= ramp[::-1]
    return result
