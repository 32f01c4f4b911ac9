"""The audio encoders: one suite for all formats. Streams, and what comes out is what was written."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.encoders import ENCODERS, AudioFiles
from app.audio.processing import Samples
from app.audio.resampling import Resampler
from app.media import AUDIO, AUDIO_FORMATS, FLAC, MP3, OPUS, MediaKind

KINDS = tuple(AUDIO_FORMATS.values())
LOSSLESS = (AUDIO, FLAC)
RATES = (22_050, 24_000)


def chirp(secs: float, rate: int) -> Samples:
    """Return a tone that rises from 200 to 2,000 Hz, with two clicks of silence in it."""
    times = np.arange(round(secs * rate)) / rate
    samples = (0.4 * np.sin(2 * np.pi * (200 + 900 * times / secs) * times)).astype(np.float32)
    samples[rate // 2 : rate // 2 + rate // 10] = 0
    return samples


def test_every_audio_format_has_an_encoder() -> None:
    """The table of media and the encoders agree."""
    assert set(KINDS) == set(ENCODERS)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_audio_reads_back(tmp_path: Path, kind: MediaKind, rate: int) -> None:
    """Another library reads audio of the same length and position, exact if the format is lossless."""
    from scipy.signal import correlate  # type: ignore[import-untyped]  # a second to import

    samples = chirp(3.0, rate)
    with AudioFiles(tmp_path, [kind], sample_rate=rate) as files:
        for part in np.array_split(samples, 7):
            files.write(part)
        files.silence(0.5)
        files.silence(-1.0)
    read, read_rate = soundfile.read(files.paths[kind], dtype="float32")
    assert files.seconds == 3.5
    assert len(read) / read_rate == pytest.approx(3.5, abs=0.001)
    assert read.ndim == 1
    if kind in LOSSLESS:
        assert float(np.abs(read[: len(samples)] - samples).max()) < 2 / 32768
    delay = correlate(read[: read_rate * 3], _at_rate(samples, rate, read_rate), "full").argmax()
    assert abs(delay - (read_rate * 3 - 1)) / read_rate < 0.002


def _at_rate(samples: Samples, rate: int, new_rate: int) -> Samples:
    positions = np.arange(len(samples) * new_rate // rate) * rate / new_rate
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(0, 3000), max_size=8), pauses=st.lists(st.floats(0, 0.05), max_size=8))
def test_positions_are_the_samples_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], pauses: list[float]
) -> None:
    """The position is the length of the file, after any mix of sound and silence."""
    folder = tmp_path_factory.mktemp("audio")
    with AudioFiles(folder, [AUDIO, FLAC], sample_rate=22_050) as files:
        for length in lengths:
            files.write(np.full(length, 0.25, dtype=np.float32))
        for pause in pauses:
            files.silence(pause)
    assert soundfile.info(files.paths[AUDIO]).frames == files.samples
    assert files.samples >= sum(lengths)
    if files.samples:
        assert soundfile.info(files.paths[FLAC]).frames == files.samples


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=12),
    st.sampled_from([(22_050, 24_000), (24_000, 8_000)]),
)
def test_resampling_does_not_depend_on_the_parts(lengths: list[int], rates: tuple[int, int]) -> None:
    """A stream in parts has the same output as in one piece, of the exact length."""
    samples = np.random.default_rng(1).uniform(-1, 1, sum(lengths)).astype(np.float32)
    whole, parted = Resampler(*rates), Resampler(*rates)
    expected = np.concatenate((whole.process(samples), whole.finish()))
    parts = [parted.process(part) for part in np.split(samples, np.cumsum(lengths)[:-1])]
    assert np.array_equal(expected, np.concatenate((*parts, parted.finish())))
    assert len(expected) == -(-len(samples) * rates[1] // rates[0])


def test_resampling_keeps_a_tone() -> None:
    """A tone of 9 kHz keeps its frequency and level within -80 dB; one above the new range is removed."""
    times = np.arange(22_050) / 22_050
    resampler = Resampler(22_050, 24_000)
    tone = np.sin(2 * np.pi * 9000 * times).astype(np.float32)
    result = np.concatenate((resampler.process(tone), resampler.finish()))
    expected = np.sin(2 * np.pi * 9000 * np.arange(24_000) / 24_000)
    assert float(np.abs(result - expected)[500:-500].max()) < 1e-4
    lower = Resampler(22_050, 16_000)
    rest = np.concatenate((lower.process(tone), lower.finish()))
    assert float(np.abs(rest[500:-500]).max()) < 1e-3


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_full_disk_is_an_os_error(tmp_path: Path, kind: MediaKind) -> None:
    """The system's own error is raised, at the latest when the file is closed."""
    (tmp_path / kind.file_name).symlink_to("/dev/full")
    with (
        pytest.raises(OSError, match="No space left"),
        AudioFiles(tmp_path, [kind], sample_rate=24_000) as files,
    ):
        files.write(chirp(20.0, 24_000))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_error_in_the_story_is_kept(tmp_path: Path, kind: MediaKind) -> None:
    """The files are closed, and the error that ended the story is raised."""
    files = AudioFiles(tmp_path, [kind], sample_rate=24_000)
    with pytest.raises(ValueError, match="enough"), files:  # noqa: PT012 - the block fails
        files.write(chirp(1.0, 24_000))
        raise ValueError("enough")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [OPUS, MP3, FLAC], ids=lambda kind: kind.name)
def test_long_files_are_seekable_and_take_no_more_memory(tmp_path: Path, kind: MediaKind) -> None:
    """Memory does not grow with the length, and a player can go to any second."""
    code = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from app.audio.encoders import AudioFiles\n"
        "from app.media import media_kind\n"
        "files = AudioFiles(Path(sys.argv[1]), [media_kind(sys.argv[2])], sample_rate=24000)\n"
        "noise = np.random.default_rng(0).normal(0, 0.05, 24000).astype(np.float32)\n"
        "with files:\n"
        "    for minute in range(4):\n"
        "        for second in range(60):\n"
        "            files.write(np.float32(0.9) * noise if second == 30 else noise * np.float32(0.01))\n"
        "        if minute in (1, 3):\n"
        "            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), kind.name], capture_output=True, text=True, check=True
    )
    early, late = map(int, done.stdout.split())
    assert late <= 1.05 * early
    with soundfile.SoundFile(tmp_path / kind.file_name) as file:
        assert file.seekable()
        assert file.frames / file.samplerate == pytest.approx(240, abs=0.01)
        for minute in (3, 0, 2):
            file.seek((minute * 60 + 29) * file.samplerate)
            read = file.read(3 * file.samplerate, dtype="float32")
            levels = [float(np.abs(part).mean()) for part in np.array_split(read, 3)]
            assert levels[1] > 20 * max(levels[0], levels[2])
