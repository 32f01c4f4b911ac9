"""Compares two recordings of the same speech: signal-to-noise ratio, and the distance of their spectra."""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

_WINDOW, _HOP, _BANDS = 1024, 256, 80
_LOWEST_HERTZ = 60.0
_FLOOR_DB = 60.0
"""Below the loudest band: what is softer is inaudible beside speech, and would count as much in decibels."""


def snr_db(reference: Samples, other: Samples) -> float:
    """Return the level of `reference` above the difference, in dB; both of shape (n,)."""
    noise = float(np.square(reference - other, dtype=np.float64).sum())
    return float(10 * np.log10(np.square(reference, dtype=np.float64).sum() / max(noise, 1e-20)))


def log_mel_distance_db(reference: Samples, other: Samples, *, rate: int = 24_000) -> float:
    """
    Return the mean absolute difference of two mel spectrograms in dB; both signals of shape (n,).

    80 triangular bands by HTK's mel scale, in windows of 43 ms every 11 ms at 24 kHz. It does not see phases,
    which a listener does not hear either.
    """
    bands = _filters(rate)
    first, second = (_mel_db(samples, bands) for samples in (reference, other))
    floor = first.max() - _FLOOR_DB
    return float(np.abs(np.maximum(first, floor) - np.maximum(second, floor)).mean())


def _mel_db(samples: Samples, bands: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)))
    decibels: npt.NDArray[np.float64] = 10 * np.log10(power @ bands.T + 1e-12)
    return decibels


def _filters(rate: int) -> npt.NDArray[np.float64]:
    """Return triangular filters, shape (bands, bins)."""
    edges = 700 * (10 ** (np.linspace(_mel(_LOWEST_HERTZ), _mel(rate / 2), _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_WINDOW, 1 / rate)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters: npt.NDArray[np.float64] = np.maximum(np.minimum(rising, falling), 0)
    return filters


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
