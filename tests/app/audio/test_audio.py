"""Signal processing and WAV files: trimmed, limited, without clicks, and exact to the sample."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from app.audio import wav as wav_module
from app.audio.processing import CEILING, Samples, fade_ends, limit_peaks, trim_silence, true_peaks
from app.audio.wav import WavWriter
from app.errors import EngineDiedError, RefusedTextError

RATE = 22_050


def tone(secs: float, *, amplitude: float = 0.5, hertz: float = 220.0) -> Samples:
    """Return a sine."""
    times = np.arange(round(secs * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def silence(secs: float) -> Samples:
    """Return silence."""
    return np.zeros(round(secs * RATE), dtype=np.float32)


def test_silence_around_speech_is_cut_to_a_margin() -> None:
    """Of a second of silence before and after, a short margin is kept, and the cut is reported."""
    samples = np.concatenate((silence(1.0), tone(0.5), silence(1.0)))
    part = trim_silence(samples, RATE)
    assert 0.5 < len(part.samples) / RATE < 0.65
    assert part.cut_secs == pytest.approx(0.97, abs=0.01)
    assert part.tail_secs == pytest.approx(0.08, abs=0.01)


def test_no_sound_is_cut() -> None:
    """Speech that fades out slowly keeps its tail down to the threshold, 54 dB below full scale."""
    tail = tone(0.6) * np.geomspace(1.0, 1e-4, round(0.6 * RATE)).astype(np.float32)
    samples = np.concatenate((tone(0.2), tail, silence(1.0)))
    part = trim_silence(samples, RATE)
    lost = samples[len(part.samples) + round(part.cut_secs * RATE) :]
    assert float(np.abs(lost).max()) < 10 ** (-54 / 20)


def test_samples_without_sound_become_none() -> None:
    """An utterance of silence becomes empty."""
    assert len(trim_silence(silence(2.0), RATE).samples) == 0
    assert len(trim_silence(silence(0.0), RATE).samples) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(value: float) -> None:
    """NaN and infinity mean a broken model, which is restarted."""
    samples = tone(0.1)
    samples[100] = value
    with pytest.raises(EngineDiedError):
        trim_silence(samples, RATE)


@given(
    amplitude=st.floats(0.0, 4.0),
    hertz=st.floats(30.0, 8000.0),
    spikes=st.lists(st.tuples(st.integers(0, 4409), st.floats(-5.0, 5.0)), max_size=6),
)
def test_no_peak_exceeds_the_ceiling(amplitude: float, hertz: float, spikes: list[tuple[int, float]]) -> None:
    """For any input, the output has as many samples, and no sample or true peak above -1 dB."""
    samples = tone(0.2, amplitude=amplitude, hertz=hertz)
    for index, value in spikes:
        samples[index] = value
    result = limit_peaks(samples, RATE)
    assert (result.shape, result.dtype) == (samples.shape, np.dtype(np.float32))
    assert float(np.abs(result).max()) <= CEILING + 1e-6
    assert float(true_peaks(result).max()) <= CEILING * 1.02


def test_samples_below_the_ceiling_are_unchanged() -> None:
    """The limiter does not change audio without high peaks."""
    samples = tone(0.2, amplitude=0.89)
    assert np.array_equal(samples, limit_peaks(samples, RATE))


def test_the_limiter_acts_around_a_peak_alone() -> None:
    """A peak lowers the gain for about 10 ms around it, in small steps."""
    samples = tone(1.0, amplitude=0.5)
    samples[RATE // 2] = 1.8
    result = limit_peaks(samples, RATE)
    changed = np.flatnonzero(result != samples)
    assert changed.min() >= RATE // 2 - 2 * 0.006 * RATE
    assert changed.max() <= RATE // 2 + 2 * 0.006 * RATE
    sounding = np.abs(samples) > 0.05
    gains = result[sounding] / samples[sounding]
    assert float(np.abs(np.diff(gains)).max()) < 0.02


def test_joints_begin_and_end_at_zero() -> None:
    """Audio that is cut off abruptly fades in and out, and is unchanged in between."""
    samples = np.full(RATE, 0.5, dtype=np.float32)
    result = fade_ends(samples, RATE)
    assert abs(float(result[0])) < 1e-3
    assert abs(float(result[-1])) < 1e-3
    assert float(np.abs(np.diff(result)).max()) < 0.01
    assert np.array_equal(samples[100:-100], result[100:-100])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_the_shortest_sounds_can_be_fade_ends(count: int) -> None:
    """Very short audio keeps its length."""
    assert len(fade_ends(np.ones(count, dtype=np.float32), RATE)) == count


def test_the_file_is_16_bit_mono_pcm(tmp_path: Path) -> None:
    """Another library reads the documented format and the same samples."""
    samples = tone(0.3)
    with WavWriter(tmp_path / "a.wav", sample_rate=RATE) as wav:
        wav.write(samples)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.channels, info.samplerate, info.subtype) == (1, RATE, "PCM_16")
    read, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert float(np.abs(read - samples).max()) < 2 / 32768


def test_more_than_the_format_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The story is refused before the 32-bit size in the header overflows."""
    header_limit = 2**32 - 1
    assert wav_module.MAX_SAMPLES * 2 + 36 <= header_limit < (wav_module.MAX_SAMPLES + 1) * 2 + 36
    monkeypatch.setattr(wav_module, "MAX_SAMPLES", 1000)
    with (
        pytest.raises(RefusedTextError, match="longer than a WAV file"),
        WavWriter(tmp_path / "a.wav", sample_rate=RATE) as wav,
    ):
        wav.write(tone(1.0))


def test_the_largest_size_fits_the_header() -> None:
    """The largest number of samples fits the 32-bit header."""
    struct.pack("<L", 36 + 2 * wav_module.MAX_SAMPLES)


def test_a_full_disk_is_an_os_error(tmp_path: Path) -> None:
    """The system's first error is raised, at the latest when the file is closed."""
    (tmp_path / "a.wav").symlink_to("/dev/full")
    with (
        pytest.raises(OSError, match="No space left"),
        WavWriter(tmp_path / "a.wav", sample_rate=RATE) as wav,
    ):
        wav.write(tone(1.0))


def test_an_interrupted_file_still_reads(tmp_path: Path) -> None:
    """After an error the file has a valid header, and the error is raised."""

    def interrupted() -> None:
        with WavWriter(tmp_path / "a.wav", sample_rate=RATE) as wav:
            wav.write(tone(0.5))
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        interrupted()
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getnframes() == round(0.5 * RATE)
