"""Kokoro's own network, small and with random weights, as the engine drives it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ConfigurationError, RefusedTextError, UnknownVoiceError
from app.models.store import ModelStore
from app.speech.base import Utterance
from app.speech.kokoro import _LEAD_SECS, KokoroEngine, _marks
from app.speech.pronunciation import PhonemeSpan, Pronunciation
from app.text.spoken.base import SpokenText

pytestmark = pytest.mark.speech

TEXT = "The old keeper’s lamp wasn’t lit, and in 1987 he paid $3.50 for it."
FRAME_SECS = 1 / 40


@pytest.fixture(scope="module")
def engine(models: ModelStore) -> KokoroEngine:
    """One engine for all tests here, on one thread: other tests run beside."""
    return KokoroEngine(models=models, threads=1)


@pytest.fixture(scope="module")
def spoken(engine: KokoroEngine) -> Utterance:
    """TEXT by the default voice."""
    return engine.speak(TEXT, voice="af_heart", speed=1.0)


@pytest.mark.filterwarnings("ignore")  # of the package's own use of torch
def test_samples_are_those_of_the_package(
    torch: Any, engine: KokoroEngine, models: ModelStore, spoken: Utterance
) -> None:
    """Folded weights and tiles change nothing that could be heard: 60 dB below the speech at most."""
    from kokoro import KModel  # seconds to import

    plain = KModel(
        repo_id="hexgrad/Kokoro-82M",
        config=str(models.file("kokoro/config.json")),
        model=str(models.file("kokoro/kokoro-v1_0.pth")),
    ).eval()
    style = torch.load(models.file("kokoro/voices/af_heart.pt"), weights_only=True)
    phonemes = engine._pronounce(TEXT, "af_heart").symbols
    torch.manual_seed(20251124)
    expected = plain(phonemes, style[len(phonemes) - 1], 1.0).numpy()
    assert expected.shape == spoken.samples.shape
    assert np.square(spoken.samples - expected).sum() < 1e-6 * np.square(expected).sum()


def test_starts_are_sums_of_the_predicted_durations(spoken: Utterance) -> None:
    """Every word starts the same lead before a frame, and the last ends before the audio does."""
    for mark in spoken.marks[1:]:
        frames = (mark.start_secs + _LEAD_SECS) / FRAME_SECS
        assert round(frames) == pytest.approx(frames)
    assert spoken.marks[-1].end_secs <= len(spoken.samples) / 24_000


def test_a_word_ends_with_the_next_one_or_where_its_sound_does() -> None:
    """Within a phrase words follow without a gap; before a pause a word ends where its energy falls."""
    spoken = SpokenText("one two, six")
    pronunciation = Pronunciation(
        spoken=spoken,
        symbols="wn tu, sks",
        spans=(PhonemeSpan(0, 3, 0, 2), PhonemeSpan(4, 7, 3, 5), PhonemeSpan(9, 12, 7, 10)),
    )
    durations = [4, *[8] * 10, 4]
    samples = np.zeros(88 * 600, dtype=np.float32)
    samples[: round(0.9 * 24_000)] = 0.5  # "two" sounds until 0.9 s, though its phonemes last longer
    samples[round(1.4 * 24_000) :] = 0.5
    one, two, six = _marks(pronunciation, durations, samples, 24_000)
    assert one.end_secs == two.start_secs == pytest.approx((4 + 3 * 8) * FRAME_SECS - _LEAD_SECS)
    assert two.end_secs == pytest.approx(0.9, abs=0.011)
    assert six.start_secs == pytest.approx((4 + 7 * 8) * FRAME_SECS - _LEAD_SECS)
    assert six.end_secs <= len(samples) / 24_000


def test_a_number_is_heard_for_as_long_as_it_takes(spoken: Utterance) -> None:
    """A year, which is several spoken words, is one mark, longer than those around it."""
    secs = {TEXT[mark.start : mark.end]: mark.end_secs - mark.start_secs for mark in spoken.marks}
    assert secs["1987"] > 3 * secs["he"]


def test_the_same_words_sound_the_same(engine: KokoroEngine, spoken: Utterance) -> None:
    """Whatever was said before, a chunk has the same samples: a story narrated twice is equal to the byte."""
    engine.speak("Something else in between.", voice="bf_emma", speed=1.3)
    assert np.array_equal(spoken.samples, engine.speak(TEXT, voice="af_heart", speed=1.0).samples)


def test_voices_differ(engine: KokoroEngine, spoken: Utterance) -> None:
    """Another voice is another style."""
    assert not np.array_equal(spoken.samples, engine.speak(TEXT, voice="am_adam", speed=1.0).samples)


def test_a_blend_lies_between_its_voices(torch: Any, engine: KokoroEngine) -> None:
    """Styles are mixed by weight; equal names or a single weight make no difference."""
    heart, adam = (engine._style(name).clone() for name in ("af_heart", "am_adam"))
    torch.testing.assert_close(engine._style("af_heart(3)+am_adam"), heart * 0.75 + adam * 0.25)
    torch.testing.assert_close(engine._style("af_heart+af_heart(9)"), heart)
    torch.testing.assert_close(engine._style("af_heart(0.5)"), heart)


@pytest.mark.parametrize(
    "voice",
    [
        "af_nobody",
        "../../etc/passwd",
        "af_heart+af_nobody",
        "af_heart(x)",
        "af_heart(0)",
        "af_heart+",
        "+".join(["af_heart"] * 9),
        "",
    ],
)
def test_a_voice_outside_the_set_reaches_no_path(engine: KokoroEngine, voice: str) -> None:
    """Names are checked before a path is built from them, in blends too."""
    with pytest.raises(UnknownVoiceError):
        engine.speak("Hello.", voice=voice, speed=1.0)


def test_a_voice_whose_language_is_not_installed_is_told(engine: KokoroEngine) -> None:
    """For a job this is a voice that is not there, and the message names what to install."""
    with pytest.raises(UnknownVoiceError, match=r"Japanese .*misaki\[ja\]"):
        engine.speak("こんにちは", voice="jf_alpha", speed=1.0)


def test_marks_alone_are_a_short_silence(engine: KokoroEngine) -> None:
    """A chunk that has no sounds is no error."""
    utterance = engine.speak("\u2014", voice="af_heart", speed=1.0)
    assert utterance.marks == ()
    assert len(utterance.samples) > 0


def test_more_than_the_network_takes_is_refused(engine: KokoroEngine) -> None:
    """Beyond 510 phonemes Kokoro's own loop cuts the rest off; here nothing is lost without a word."""
    with pytest.raises(RefusedTextError, match="510"):
        engine.speak("The keeper climbed the stairs. " * 30, voice="af_heart", speed=1.0)


def test_missing_models_are_told_before_anything_loads(tmp_path: Path) -> None:
    """Without models the first thing one learns is the command that fetches them."""
    with pytest.raises(ConfigurationError, match="models fetch"):
        KokoroEngine(models=ModelStore(tmp_path))


def test_threads_are_those_asked_for(torch: Any, engine: KokoroEngine) -> None:
    """The setting reaches torch."""
    assert engine.name == "kokoro"
    assert torch.get_num_threads() == 1


def test_a_reset_repeats_the_samples(engine: KokoroEngine) -> None:
    """After a reset the same calls give the same samples, whatever was spoken before."""

    def spoken() -> list[bytes]:
        engine.reset()
        texts = ("One thing.", "Wind and rain.", "One thing.")
        return [engine.speak(text, voice="af_heart", speed=1.0).samples.tobytes() for text in texts]

    first = spoken()
    engine.speak("Something else in between.", voice="bf_emma", speed=1.5)
    assert first == spoken()


def test_precisions_are_of_the_cpu_alone(torch: Any, models: ModelStore) -> None:
    """On any other device the engine computes in float32, and says so: segments are stored by the variant."""
    before = torch.backends.cudnn.allow_tf32
    try:
        engine = KokoroEngine(models=models, threads=1, precision="int8", device="meta")
        assert engine.variant == "float32 on meta"
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32 = before
