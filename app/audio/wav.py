"""A WAV file that grows on disk while the audio streams."""

import wave
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from app.audio.processing import Samples
from app.errors import RefusedTextError

_HEADER_BYTES = 36
"""Of a RIFF file, those that count to its 32-bit size beside the samples."""
_MOST_SAMPLES = (2**32 - 1 - _HEADER_BYTES) // 2


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
