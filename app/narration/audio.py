"""From utterances to a WAV file on disk: trimmed, limited, joined without clicks, and sample-exact."""

import wave
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.errors import EngineDiedError, RefusedTextError

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

_HEADER_BYTES = 36
"""Of a RIFF file, those that count to its 32-bit size beside the samples."""
_MOST_SAMPLES = (2**32 - 1 - _HEADER_BYTES) // 2


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


class WavWriter:
    """
    A mono 16-bit PCM WAV file that grows on disk; its position is counted in samples really written.

    Raises OSError where the disk is full, RefusedTextError before the file would pass the 4 GiB that the
    format can say: 27 hours at 22,050 Hz, 24 at 24,000.
    """

    def __init__(self, path: Path, *, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.samples = 0
        self._file = path.open("wb")
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - closed by close()
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(sample_rate)

    @property
    def seconds(self) -> float:
        """The position: when the next sample will be heard."""
        return self.samples / self.sample_rate

    def write(self, samples: Samples) -> None:
        """Append samples within full scale."""
        scaled = samples * np.float32(32767)
        self._append(np.rint(scaled, out=scaled).astype("<i2").data, len(samples))

    def silence(self, secs: float) -> None:
        """Append silence, to the nearest sample; none where `secs` is negative."""
        count = max(0, round(secs * self.sample_rate))
        self._append(bytes(2 * count), count)

    def _append(self, data: bytes | memoryview, count: int) -> None:
        if self.samples + count > _MOST_SAMPLES:
            hours = _MOST_SAMPLES / self.sample_rate / 3600
            raise RefusedTextError(
                f"the audio would be longer than a WAV file can hold ({hours:.0f} hours): split the story"
            )
        self._wave.writeframesraw(data)
        self.samples += count

    def close(self) -> None:
        """Complete the header and the file."""
        with self._file:
            self._wave.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        # What ended the story counts, not what a full disk says to the header of half a file.
        with suppress(OSError):
            self.close()
