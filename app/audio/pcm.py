"""16-bit samples: what WAV and FLAC files hold, and what segments store."""

import numpy as np
from numpy.typing import NDArray

from app.audio.processing import Samples

Pcm = NDArray[np.int16]
"""Mono audio, shape (n,), little endian, full scale at 32,767."""

_FULL_SCALE = np.float32(32767)


def to_pcm(samples: Samples) -> Pcm:
    """Return samples within -1.0 and 1.0 as 16-bit samples; exact for what `from_pcm` returned."""
    scaled = samples * _FULL_SCALE
    pcm: Pcm = np.rint(scaled, out=scaled).astype("<i2")
    return pcm


def from_pcm(pcm: Pcm) -> Samples:
    """Return 16-bit samples as samples within -1.0 and 1.0."""
    return pcm.astype(np.float32) / _FULL_SCALE
