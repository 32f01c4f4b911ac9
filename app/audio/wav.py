"""A WAV file written to disk as audio is produced."""

import wave
from pathlib import Path

from app.audio.base import AudioEncoder
from app.audio.pcm import to_pcm
from app.audio.processing import Samples
from app.errors import RefusedTextError

_HEADER_BYTES = 36
"""Bytes besides the samples that count towards the 32-bit size of a RIFF file."""
MAX_SAMPLES = (2**32 - 1 - _HEADER_BYTES) // 2
"""Of one file."""


def max_wav_secs(sample_rate: int) -> float:
    """Return how many seconds a WAV file can hold."""
    return MAX_SAMPLES / sample_rate


class WavWriter(AudioEncoder):
    """
    Writes a mono 16-bit PCM WAV file.

    Raises OSError if the disk is full, RefusedTextError before the file would exceed the format's 4 GiB:
    27 hours at 22,050 Hz, almost 25 hours at 24,000 Hz.
    """

    def __init__(self, path: Path, *, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._samples = 0
        self._file = path.open("wb")
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - closed by close()
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(sample_rate)

    def write(self, samples: Samples) -> None:
        """Append samples within -1.0 and 1.0."""
        if self._samples + len(samples) > MAX_SAMPLES:
            hours = max_wav_secs(self._sample_rate) / 3600
            raise RefusedTextError(
                f"the audio would be longer than a WAV file can hold ({hours:.0f} hours): split the story"
            )
        self._wave.writeframesraw(to_pcm(samples).data)
        self._samples += len(samples)

    def close(self) -> None:
        """Complete the header and the file."""
        with self._file:
            self._wave.close()
