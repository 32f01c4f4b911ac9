"""Signal processing of one utterance: trim silence, limit peaks, fade the ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import EngineDiedError

Samples = NDArray[np.float32]
"""Mono audio, shape (n,), full scale at 1.0."""

CEILING = 10 ** (-1 / 20)
"""The highest true peak written: -1 dBTP, the headroom that lossy encoders need (EBU R 128 s1)."""

_SILENCE = 10 ** (-54 / 20)
"""Frames with a lower peak count as silence: about 12 dB below the softest fricative of the engines."""
_FRAME_SECS = 0.005
"""Length of the frames that are tested for silence."""
LEAD_SECS, TAIL_SECS = 0.03, 0.08
"""Silence kept before the first and after the last sound, so that breaths and decays are not cut off."""
_FADE_SECS = 0.004
_LOOKAHEAD_SECS = 0.005
"""Attack and release time of the limiter."""
_LIMIT = CEILING * 10 ** (-0.1 / 20)
"""The limiter's target, slightly lower, because changing the gain moves peaks between samples."""
_OVERSAMPLING = 4
_TAPS = 16
_HIGHEST_OVERSHOOT = 2.0
"""Bound on true peak / highest sample: more than the sum of the weights' magnitudes."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """An utterance without its leading and trailing silence."""

    samples: Samples
    cut_secs: float
    """Seconds removed from the start: subtract this from the times of marks."""
    tail_secs: float
    """Seconds of silence left at the end."""


def trim_silence(
    samples: Samples, sample_rate: int, *, lead_secs: float = LEAD_SECS, tail_secs: float = TAIL_SECS
) -> Trimmed:
    """
    Cut the silence before and after speech to `lead_secs` and `tail_secs`.

    Returns no samples if there is no sound.

    Raises EngineDiedError if samples are NaN or infinite: the model is broken and must be restarted.
    """
    size = max(1, round(_FRAME_SECS * sample_rate))
    peaks = _peaks(samples, size)
    if not np.isfinite(peaks).all():
        raise EngineDiedError("the engine returned samples that are not finite numbers")
    sounding = np.flatnonzero(peaks >= _SILENCE)
    if not len(sounding):
        return Trimmed(samples=samples[:0], cut_secs=0.0, tail_secs=0.0)
    first, last = int(sounding[0]) * size, min((int(sounding[-1]) + 1) * size, len(samples))
    start = max(0, first - round(lead_secs * sample_rate))
    end = min(len(samples), last + round(tail_secs * sample_rate))
    return Trimmed(
        samples=samples[start:end], cut_secs=start / sample_rate, tail_secs=(end - last) / sample_rate
    )


def _peaks(samples: Samples, size: int) -> Samples:
    """Return the peak magnitude of each frame of `size` samples, without copying them."""
    if not len(samples):
        return samples
    starts = np.arange(0, len(samples), size)
    peaks: Samples = np.maximum(np.maximum.reduceat(samples, starts), -np.minimum.reduceat(samples, starts))
    return peaks


def amplify(samples: Samples, gain: float) -> Samples:
    """Return `samples` times `gain`, a factor."""
    return samples if gain == 1.0 else samples * np.float32(gain)


def limit_peaks(samples: Samples, sample_rate: int) -> Samples:
    """
    Return `samples` with every true peak at or below CEILING. Returns the input itself if no peak is higher.

    A look-ahead limiter: a running minimum holds the gain each sample needs over the window around it, and
    a running mean over the same window smooths it. The gain therefore changes without steps and is low
    enough at every peak. Utterances begin and end in silence, so no state is kept between them.
    """
    highest = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
    if highest * _HIGHEST_OVERSHOOT <= CEILING:
        return samples
    peaks = true_peaks(samples)
    if float(peaks.max(initial=0.0)) <= CEILING:
        return samples
    reach = max(1, round(_LOOKAHEAD_SECS * sample_rate))
    needed = np.minimum(1.0, _LIMIT / np.maximum(peaks, _LIMIT))
    held = _running_minimum(np.pad(needed, 2 * reach, constant_values=1.0), 2 * reach + 1)
    sums = np.cumsum(np.concatenate(([0.0], held)))
    gain = (sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)
    result: Samples = np.clip(samples * gain, -CEILING, CEILING).astype(np.float32)
    return result


def true_peaks(samples: Samples) -> Samples:
    """
    Return the highest magnitude of the signal from each sample to the next, shape (n,).

    Interpolates three points between samples, as ITU-R BS.1770-4, annex 2, does (4 times oversampling), by a
    windowed sinc. Adds up shifted arrays instead of calling a convolution, whose result depends on the CPU.
    """
    peaks: Samples = np.abs(samples)
    padded = np.pad(samples, _TAPS // 2)
    for phase in range(1, _OVERSAMPLING):
        point = np.zeros_like(samples)
        for tap, weight in enumerate(_sinc(phase / _OVERSAMPLING)):
            point += weight * padded[tap + 1 : tap + 1 + len(samples)]
        np.maximum(peaks, np.abs(point), out=peaks)
    return peaks


def _sinc(offset: float) -> Samples:
    """Return the weights that interpolate at `offset` (0 to 1) after a sample, for the samples around it."""
    distances = offset - np.arange(1 - _TAPS // 2, _TAPS // 2 + 1)
    window = np.cos(np.pi * distances / (_TAPS + 1)) ** 2
    weights: Samples = (np.sinc(distances) * window).astype(np.float32)
    return weights


def _running_minimum(values: NDArray[np.floating], width: int) -> NDArray[np.floating]:
    """Return the minimum of every window of `width` values, in log2(width) passes."""
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        values = np.minimum(values[:-step], values[step:])
        covered += step
    return values


def fade_ends(samples: Samples, sample_rate: int) -> Samples:
    """Fade the first and last milliseconds in and out, so that joints between utterances do not click."""
    size = min(round(_FADE_SECS * sample_rate), len(samples) // 2)
    if size == 0:
        return samples
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)
    result = samples.copy()
    result[:size] *= ramp
    result[-size:] *= ramp[::-1]
    return result
