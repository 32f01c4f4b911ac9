"""What every speech engine promises (app/speech/base.py), asked of each of them."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from app.alignment.word_times import time_words
from app.errors import RefusedTextError, UnknownVoiceError
from app.speech.base import SpeechEngine
from app.speech.espeak import EspeakEngine
from app.text.chunks import chunks
from app.text.lexicon import Lexicon
from tests.models import HAS_SPEECH

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


NUMBERS = " ".join(str(917_342_615 + 104_729_371 * index) for index in range(9))
PI = "3. 14159 26535 89793 23846 26433 83279 50288 41971"
CONTRACT = {
    "prose": SENTENCE,
    "number groups": f"The clerk read {NUMBERS} and sat down.",
    "digits": f"He said {PI} aloud.",
    "written forms": "Mr. J. R. Hale paid $5.20 on Jan. 3, 1999 at 9:30 p.m. for 2 1/2 kg.",
    "emphasis": "You *mustn’t* go, **she** said.[1]",
    "a line's end": "the old carpen-\nter’s bench",
    "capitals": "GO HOME AT ONCE! IT IS LATE.",
}
MIN_WORD_SECS = 0.03


@pytest.mark.parametrize("text", CONTRACT.values(), ids=CONTRACT.keys())
def test_every_word_has_a_time_and_a_plausible_length(engine: SpeechEngine, text: str) -> None:
    """No speakable word of any chunk is lost or squeezed, whatever the text is made of."""
    for chunk in chunks(text, measure=partial(engine.measure, voice="af_heart"), limit=engine.max_chunk):
        utterance = engine.speak(chunk.engine_text, voice="af_heart", speed=1.0)
        spans = [word.span for word in chunk.words]
        timed = time_words(
            spans,
            utterance.marks,
            text=chunk.text,
            duration_secs=len(utterance.samples) / engine.sample_rate,
        )
        assert timed.interpolated == 0
        for span, (start, end) in zip(spans, timed.times, strict=True):
            assert end - start >= MIN_WORD_SECS, chunk.text[span.start : span.end]


def test_both_forms_sound_the_same(engine: SpeechEngine) -> None:
    """The written form is synthesized as its spoken form is."""
    written = engine.speak("He owed $5 at 9:30.", voice="af_heart", speed=1.0)
    spoken = engine.speak("He owed five dollars at nine thirty.", voice="af_heart", speed=1.0)
    assert len(written.samples) == pytest.approx(len(spoken.samples), rel=0.02)  # espeak has state
    assert written.spoken is not None
    assert written.spoken.text == "He owed five dollars at nine thirty."


def test_a_lexicon_changes_what_is_said(engine: SpeechEngine) -> None:
    """A respelling and phonemes are spoken in the place of a word, which keeps its span."""
    text = "Siobhan met Tolkien here."
    lexicon = Lexicon.from_mapping({"Siobhan": "shi-vawn-a-la", "Tolkien": "tˈOlkinətˈOlkinə"})
    plain = engine.speak(text, voice="af_heart", speed=1.0)
    given = engine.speak(text, voice="af_heart", speed=1.0, lexicon=lexicon)
    assert len(given.samples) > len(plain.samples)
    assert [text[mark.start : mark.end].rstrip(".") for mark in given.marks] == text.rstrip(".").split()
