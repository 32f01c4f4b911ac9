"""What every speech engine promises (app/speech/base.py), asked of each of them."""

from collections.abc import Iterator

import numpy as np
import pytest

from app.errors import RefusedTextError, UnknownVoiceError
from app.speech.base import SpeechEngine
from app.speech.espeak import EspeakEngine
from tests.app.conftest import HAS_SPEECH

SENTENCE = "It was a bright, cold day in April; the clocks were striking thirteen."


_ENGINES = ["espeak", *([pytest.param("kokoro", marks=pytest.mark.speech)] if HAS_SPEECH else [])]


@pytest.fixture(params=_ENGINES, scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[SpeechEngine]:
    """Build each engine once."""
    if request.param == "kokoro":
        from app.speech.kokoro import KokoroEngine  # of the speech extra

        yield KokoroEngine(models=request.getfixturevalue("models"), threads=1)
        return
    built = EspeakEngine()
    yield built
    built.close()


def test_speech_is_mono_float_within_full_scale(engine: SpeechEngine) -> None:
    """An utterance is one row of float32, audible, and nowhere beyond full scale."""
    samples = engine.speak(SENTENCE, voice="af_heart", speed=1.0).samples
    assert (np.dtype(np.float32), 1) == (samples.dtype, samples.ndim)
    assert 0.05 < float(np.abs(samples).max()) <= 1.0


def test_marks_are_in_order_and_inside_the_utterance(engine: SpeechEngine) -> None:
    """Marks follow each other in text and in time, and none leaves the chunk or its audio."""
    utterance = engine.speak(SENTENCE, voice="af_heart", speed=1.0)
    duration = len(utterance.samples) / engine.sample_rate
    text_end, secs = 0, 0.0
    for mark in utterance.marks:
        assert text_end <= mark.start < mark.end <= len(SENTENCE)
        assert secs <= mark.start_secs <= mark.end_secs <= duration
        text_end, secs = mark.end, mark.end_secs


def test_every_word_has_a_mark(engine: SpeechEngine) -> None:
    """In plain prose each word, as white space divides it, is touched by a mark."""
    utterance = engine.speak(SENTENCE, voice="af_heart", speed=1.0)
    marked = {index for mark in utterance.marks for index in range(mark.start, mark.end)}
    position = 0
    for word in SENTENCE.split():
        position = SENTENCE.index(word, position)
        assert marked & set(range(position, position + len(word))), word


@pytest.mark.parametrize(("speed", "least", "most"), [(0.5, 1.6, 2.4), (2.0, 0.4, 0.62)])
def test_speed_is_a_factor(engine: SpeechEngine, speed: float, least: float, most: float) -> None:
    """Half the speed takes about twice as long, twice the speed about half."""
    normal = len(engine.speak(SENTENCE, voice="af_heart", speed=1.0).samples)
    changed = len(engine.speak(SENTENCE, voice="af_heart", speed=speed).samples)
    assert least <= changed / normal <= most


def test_an_unknown_voice_is_refused(engine: SpeechEngine) -> None:
    """No voice outside the closed set is spoken with, whatever path it spells."""
    for voice in ("nobody", "../../etc/passwd", "", "af_heart.pt", "AF_HEART"):
        with pytest.raises(UnknownVoiceError):
            engine.speak(SENTENCE, voice=voice, speed=1.0)


def test_half_a_surrogate_pair_is_refused(engine: SpeechEngine) -> None:
    """What is no character cannot be spoken, and says so."""
    with pytest.raises(RefusedTextError):
        engine.speak("bad \ud800 text", voice="af_heart", speed=1.0)


@pytest.mark.parametrize("text", ["", " ", "...", "***", "—"])
def test_text_without_words_is_silent_or_refused(engine: SpeechEngine, text: str) -> None:
    """Text with nothing to say gives next to no marks, or a typed refusal: never another error."""
    try:
        utterance = engine.speak(text, voice="af_heart", speed=1.0)
    except RefusedTextError:
        return
    assert len(utterance.marks) <= len(text)


def test_a_chunk_within_the_limit_measures_so(engine: SpeechEngine) -> None:
    """`measure` grows with the text and puts this sentence within `max_chunk`."""
    assert 0 < engine.measure("It was.", voice="af_heart") < engine.measure(SENTENCE, voice="af_heart")
    assert engine.measure(SENTENCE, voice="af_heart") <= engine.max_chunk
