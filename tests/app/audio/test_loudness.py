"""Loudness normalisation: every voice at the target, by a constant gain, with headroom."""

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from app.audio import loudness
from app.audio.loudness import voice_gain
from app.audio.processing import Samples
from app.narration.base import Request
from app.narration.options import NarrationOptions
from app.speech.registry import ENGINES
from app.speech_process.client import SpeechProcess

PASSAGE = Path(__file__).parents[2] / "data" / "passages" / "gettysburg-address.txt"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure two voices of kokoro."""
    path = tmp_path / "loudness.tab"
    path.write_text("# a comment\nkokoro af_heart -25.0\nkokoro am_adam -29.0\n", encoding="ascii")
    monkeypatch.setattr(loudness, "TABLE", path)
    loudness._measured.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_table() -> object:
    yield
    loudness._measured.cache_clear()


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("engine", "voice", "gain_db"),
    [
        ("kokoro", "af_heart", 6.0),
        ("kokoro", "am_adam", 10.0),
        ("kokoro", "af_heart(3)+am_adam", 7.0),
        ("kokoro", "bf_emma", 8.0),
        ("espeak", "af_heart", 0.0),
    ],
)
def test_the_gain_is_the_distance_to_the_target(engine: str, voice: str, gain_db: float) -> None:
    """A blend counts by its weights, a voice without a measurement as an average voice of its engine."""
    assert 20 * np.log10(voice_gain(engine, voice, -19.0)) == pytest.approx(gain_db)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_voice_is_measured(engine: str) -> None:
    """Each voice that a job may name has a row in the table."""
    assert set(ENGINES[engine].voices) == set(loudness._measured()[engine])


def narrate(folder: Path, **options: object) -> tuple[Samples, int]:
    """
    Narrate the passage with espeak, and return its audio.

    In a process of its own: espeak-ng's state outlives an engine where another library has loaded it too.
    """
    folder.mkdir()
    narration_options = NarrationOptions(engine="espeak", **options)  # type: ignore[arg-type]
    request = Request(text=PASSAGE.read_text("utf-8"), folder=folder, options=narration_options)
    with SpeechProcess(options=narration_options) as speech:
        speech.narrate(request, on_progress=lambda _: None, cancel=threading.Event())
    samples, rate = soundfile.read(folder / "audio.wav", dtype="float32")
    return samples, rate


def true_peak_db(samples: Samples) -> float:
    """Return the true peak in dBTP, oversampled 8 times by another filter than the limiter's."""
    from scipy.signal import resample_poly  # type: ignore[import-untyped]  # a second to import

    return 20 * float(np.log10(np.abs(resample_poly(samples.astype(np.float64), 8, 1)).max()))


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["af_heart", "bm_george", "en-us"])
def test_narrations_have_the_target_loudness(tmp_path: Path, voice: str) -> None:
    """An independent meter finds the target within 1 LU, and no true peak above -1 dBTP."""
    import pyloudnorm  # imports SciPy, which takes a second

    samples, rate = narrate(tmp_path / "job", voice=voice)
    assert pyloudnorm.Meter(rate).integrated_loudness(samples) == pytest.approx(-19.0, abs=1.0)
    assert true_peak_db(samples) <= -0.9


@pytest.mark.slow
def test_the_gain_is_constant(tmp_path: Path) -> None:
    """Another target changes all samples by the same factor: the gain does not follow the signal."""
    quiet, _ = narrate(tmp_path / "quiet", voice="af_heart", loudness_lufs=-36.0)
    quieter, _ = narrate(tmp_path / "quieter", voice="af_heart", loudness_lufs=-42.0)
    assert float(np.abs(quiet * 10 ** (-6 / 20) - quieter).max()) < 2 / 32768
