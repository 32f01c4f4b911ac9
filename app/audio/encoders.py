"""The audio encoders, one per row of app/media.py, and the audio files of a story. All of them stream."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np

from app.audio.base import AudioEncoder
from app.audio.processing import Samples
from app.audio.resampling import Resampler
from app.audio.wav import WavWriter
from app.media import AUDIO, FLAC, MP3, OPUS, MediaKind

_OPUS_RATE = 24_000
"""Opus has five sample rates: 8, 12, 16, 24 and 48 kHz."""
_OPUS_LEVEL = 0.893
"""libsndfile's level for about 32 kbit/s mono: the upper end for full-band speech (RFC 6716, 2.1.1)."""
_MP3_LEVEL = 0.63
"""The level for 64 kbit/s, constant: every player can seek in the file without a table."""
_BLOCK = 1 << 15
"""Samples written at once: bounds the memory of silence, and of copies while encoding."""


class SoundFileEncoder(AudioEncoder):
    """Encodes by libsndfile, resampled if the format does not have the sample rate."""

    def __init__(
        self, path: Path, *, sample_rate: int, file_rate: int | None = None, **parameters: Any
    ) -> None:
        """Open the file; `parameters` are those of soundfile.SoundFile."""
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415 - a native library, not needed for WAV

        rate = file_rate or sample_rate
        self._resampler = Resampler(sample_rate, rate) if rate != sample_rate else None
        self._sink = _Sink(path)
        try:
            self._file = soundfile.SoundFile(self._sink, "w", samplerate=rate, channels=1, **parameters)
        except BaseException:
            self._sink.close()
            raise

    def write(self, samples: Samples) -> None:
        """Append mono samples within -1.0 and 1.0. Raises OSError if the disk is full."""
        for start in range(0, len(samples), _BLOCK):
            block = samples[start : start + _BLOCK]
            self._encode(self._resampler.process(block) if self._resampler else block)

    def _encode(self, samples: Samples) -> None:
        if not len(samples):
            return
        try:
            self._file.write(samples)
        finally:
            self._sink.check()

    def close(self) -> None:
        """Complete the file."""
        try:
            if self._resampler:
                self._encode(self._resampler.finish())
            self._file.close()
        finally:
            self._sink.close()
        self._sink.check()


class _Sink:
    """
    The file that libsndfile writes to.

    libsndfile reports a full disk without its cause, so the system's error is kept and raised by `check`.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write `data`; return 0 after an error."""
        try:
            return self._file.write(data)
        except OSError as error:
            self._error = self._error or error
            return 0

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            self._error = self._error or error
            return 0

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def check(self) -> None:
        """Raise the first error of the file."""
        if self._error:
            raise self._error

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error


def _opus(path: Path, *, sample_rate: int) -> AudioEncoder:
    return SoundFileEncoder(
        path,
        sample_rate=sample_rate,
        file_rate=_OPUS_RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=_OPUS_LEVEL,
    )


def _mp3(path: Path, *, sample_rate: int) -> AudioEncoder:
    return SoundFileEncoder(
        path,
        sample_rate=sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=_MP3_LEVEL,
    )


def _flac(path: Path, *, sample_rate: int) -> AudioEncoder:
    return SoundFileEncoder(path, sample_rate=sample_rate, format="FLAC", subtype="PCM_16")


ENCODERS: Mapping[MediaKind, Callable[..., AudioEncoder]] = MappingProxyType(
    {AUDIO: WavWriter, OPUS: _opus, MP3: _mp3, FLAC: _flac}
)
"""The encoder of each audio format; called with a path and `sample_rate`."""


class AudioFiles:
    """
    Writes the audio of one story into `folder`, in one or several formats at once.

    Counts the samples written. The files are complete after the `with` block. Raises OSError if a file
    cannot be written, RefusedTextError if it would be too long for its format.
    """

    def __init__(self, folder: Path, kinds: Sequence[MediaKind], *, sample_rate: int) -> None:
        self.paths: Mapping[MediaKind, Path] = {kind: folder / kind.file_name for kind in kinds}
        self.sample_rate = sample_rate
        self.samples = 0
        self._encoders: list[AudioEncoder] = []
        self._stack = ExitStack()

    @property
    def seconds(self) -> float:
        """The current position: the time of the next sample."""
        return self.samples / self.sample_rate

    def write(self, samples: Samples) -> None:
        """Append samples within -1.0 and 1.0."""
        for encoder in self._encoders:
            encoder.write(samples)
        self.samples += len(samples)

    def silence(self, secs: float) -> None:
        """Append silence, rounded to the nearest sample; nothing if `secs` is negative."""
        count = max(0, round(secs * self.sample_rate))
        for start in range(0, count, _BLOCK):
            self.write(np.zeros(min(_BLOCK, count - start), dtype=np.float32))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._encoders = [
                stack.enter_context(ENCODERS[kind](path, sample_rate=self.sample_rate))
                for kind, path in self.paths.items()
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
