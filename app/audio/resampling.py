"""Converts a stream of samples to another sample rate."""

from math import gcd

import numpy as np
from numpy.typing import NDArray

from app.audio.processing import Samples

_ZERO_CROSSINGS = 32
"""Half the length of the low-pass filter, in zero crossings of its sinc."""
_PASS_BAND = 0.96
"""Cut-off frequency, as a share of half the lower sample rate."""
_BLOCK = 1 << 10
"""Output samples computed at once: each needs a window of about 70 input samples and its indices, 1 kB."""


class Resampler:
    """
    Resamples a mono stream by a rational factor with a windowed-sinc filter, without delay.

    The output has `ceil(n * to_rate / from_rate)` samples for n input samples, after `finish`.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        divisor = gcd(from_rate, to_rate)
        self._up, self._down = to_rate // divisor, from_rate // divisor
        cutoff = _PASS_BAND * min(1.0, to_rate / from_rate)
        self._reach = int(np.ceil(_ZERO_CROSSINGS / cutoff))
        self._weights = _filter(self._up, self._reach, cutoff)
        self._pending: Samples = np.zeros(self._reach - 1, dtype=np.float32)
        """Input that later output still depends on."""
        self._first = 1 - self._reach
        """Position of the first pending sample in the stream."""
        self._received = self._written = 0

    def process(self, samples: Samples) -> Samples:
        """Return the output that `samples` complete."""
        self._received += len(samples)
        self._pending = np.concatenate((self._pending, samples))
        # An output sample needs input up to `reach` samples after its position.
        return self._output(max(0, self._received - self._reach) * self._up // self._down)

    def finish(self) -> Samples:
        """Return the rest of the output."""
        self._pending = np.concatenate((self._pending, np.zeros(self._reach + 1, dtype=np.float32)))
        return self._output(-(-self._received * self._up // self._down))

    def _output(self, end: int) -> Samples:
        """Return the output samples up to `end`, and drop the input that is no longer needed."""
        blocks = [self._block(start, min(start + _BLOCK, end)) for start in range(self._written, end, _BLOCK)]
        self._written = max(end, self._written)
        unneeded = self._written * self._down // self._up + 1 - self._reach - self._first
        if unneeded > 0:
            self._pending = self._pending[unneeded:]
            self._first += unneeded
        return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)

    def _block(self, start: int, end: int) -> Samples:
        positions = np.arange(start, end, dtype=np.int64) * self._down
        first = positions // self._up + 1 - self._reach - self._first
        windows = self._pending[first[:, None] + np.arange(2 * self._reach)]
        weights = self._weights[positions % self._up]
        result: Samples = np.einsum("ij,ij->i", windows, weights)
        return result


def _filter(phases: int, reach: int, cutoff: float) -> NDArray[np.float32]:
    """Return the weights for each phase, shape (phases, 2 * reach): a sinc with a Kaiser window (beta 9)."""
    offsets = np.arange(phases)[:, None] / phases - np.arange(1 - reach, reach + 1)[None, :]
    window = np.i0(9.0 * np.sqrt(np.maximum(0.0, 1 - (offsets / reach) ** 2))) / np.i0(9.0)
    weights = cutoff * np.sinc(cutoff * offsets) * window
    normalized: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalized
