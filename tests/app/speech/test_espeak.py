"""What espeak-ng alone promises: exact word times, text that is never markup, the same samples again."""

import ctypes
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import espeakng_loader  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import EngineDiedError
from app.speech.espeak import EspeakEngine
from app.speech.voices import ESPEAK_VOICES
from app.text.chunks import chunks
from tests.hard_to_say import hard_lines, paragraphs


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    """Build one engine for the module."""
    built = EspeakEngine()
    yield built
    built.close()


def spoken(engine: EspeakEngine, text: str, *, voice: str = "en-us") -> list[str]:
    """Return the stretches of `text` that have a time."""
    return [text[mark.start : mark.end] for mark in engine.speak(text, voice=voice, speed=1.0).marks]


def test_words_are_found_in_multibyte_text(engine: EspeakEngine) -> None:
    """Positions count characters, so that accents, quotes and emoji before a word do not shift it."""
    text = "Über naïve “quotes” and 😀 then plain words"
    assert spoken(engine, text)[-2:] == ["plain", "words"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one <speak> two", ["one", "speak>", "two"]),
        ("salt & pepper", ["salt", "&", "pepper"]),
        ("in 1234 words", ["in", "1234", "words"]),
        ("a well-known don't", ["a", "well-known", "don't"]),
        ("one\x01 20s two\x00 three", ["one", "20s", "two", "three"]),
    ],
)
def test_markup_and_commands_are_text(engine: EspeakEngine, text: str, words: list[str]) -> None:
    """Angle brackets, ampersands and espeak's own control characters are spoken around, never obeyed."""
    assert words == spoken(engine, text)


def test_phoneme_brackets_are_text(engine: EspeakEngine) -> None:
    """The notation [[...]], which espeak can take as phonemes, is read as letters."""
    assert "before" in spoken(engine, "before [[h@l'oU]] after")
    assert len(spoken(engine, "before [[h@l'oU]] after")) > len(["before", "after"])


def test_words_end_where_their_sound_ends(engine: EspeakEngine) -> None:
    """Between a comma's two words lies silence, which neither of their marks covers."""
    utterance = engine.speak("Slowly, softly.", voice="en-us", speed=1.0)
    first, second = utterance.marks
    assert second.start_secs - first.end_secs > 0.05
    gap = utterance.samples[
        int((first.end_secs + 0.03) * engine.sample_rate) : int(
            (second.start_secs - 0.01) * engine.sample_rate
        )
    ]
    assert float(np.abs(gap).max()) < 0.05 * float(np.abs(utterance.samples).max())


def test_a_mark_frames_its_word(engine: EspeakEngine) -> None:
    """Around a word between two pauses there is silence, inside its mark there is sound."""
    utterance = engine.speak("Now, banana, yes.", voice="en-us", speed=1.0)
    mark = utterance.marks[1]
    rate = engine.sample_rate
    inside = utterance.samples[int(mark.start_secs * rate) : int(mark.end_secs * rate)]
    before = utterance.samples[int((mark.start_secs - 0.04) * rate) : int((mark.start_secs - 0.01) * rate)]
    assert float(np.sqrt(np.mean(inside**2))) > 20 * float(np.sqrt(np.mean(before**2)))


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
def test_marks_are_sound_for_any_text(engine: EspeakEngine, text: str) -> None:
    """Whatever the characters, marks are ordered, disjoint and inside text and audio."""
    utterance = engine.speak(text, voice="en-us", speed=2.0)
    duration = len(utterance.samples) / engine.sample_rate
    text_end, secs = 0, 0.0
    for mark in utterance.marks:
        assert text_end <= mark.start < mark.end <= len(text)
        assert secs <= mark.start_secs <= mark.end_secs <= duration
        text_end, secs = mark.end, mark.end_secs


_TELL = """
import hashlib, sys
from app.errors import EngineDiedError
from app.speech.espeak import EspeakEngine
if sys.argv[1] == "again":
    engine = EspeakEngine()
    engine.speak("Something else before.", voice="de", speed=1.3)
    engine.close()
engine = EspeakEngine()
if sys.argv[1] == "reset":
    engine.speak("Something else before.", voice="de", speed=1.3)
    engine.reset()
for voice in ("en-us", "af_heart", "en-us"):
    utterance = engine.speak("One thing, then another.", voice=voice, speed=1.0)
    print(hashlib.sha256(utterance.samples.tobytes()).hexdigest(), utterance.marks)
"""


def test_a_new_engine_repeats_itself() -> None:
    """The same calls on a new or reset engine give the same samples and marks, whatever came before."""

    def tell(how: str) -> bytes:
        return subprocess.run([sys.executable, "-c", _TELL, how], check=True, stdout=subprocess.PIPE).stdout

    assert tell("fresh") == tell("again") == tell("reset") != b""


def test_every_voice_speaks(engine: EspeakEngine) -> None:
    """Each name of the closed set is one that espeak knows and makes sound with."""
    silent = [name for name in ESPEAK_VOICES if not engine.speak("1 2", voice=name, speed=2.0).samples.any()]
    assert silent == []


def test_voices_of_one_language_and_sex_differ() -> None:
    """Stand-ins for Kokoro's voices of English are told apart: no two are the same variant."""
    for kind in ("af", "am", "bf", "bm"):
        names = [name for name in ESPEAK_VOICES if name.startswith(f"{kind}_")]
        assert len({ESPEAK_VOICES[name].native for name in names}) == len(names)


def test_the_library_is_the_one_the_figures_are_of() -> None:
    """Event layouts and voice names were read from this version."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Info.restype = ctypes.c_char_p
    assert library.espeak_Info(None).startswith(b"1.52")


def test_a_second_engine_is_refused(engine: EspeakEngine) -> None:
    """Its state is global: a second one would garble the first, and is refused instead."""
    with pytest.raises(RuntimeError, match="close the engine"):
        EspeakEngine()
    assert spoken(engine, "still here") == ["still", "here"]


KOREAN = (
    "오늘 아침 나는 강가를 따라 천천히 걸으면서 어제 숲속에서 "
    "만난 늙은 어부가 들려준 이상한 이야기를 다시 생각했고 "
    "낡은 등불과 작은 배가 아직도 부두 끝에 묶여 있는지 궁금해서 "
    "발걸음을 재촉했지만 안개가 너무 짙어서 아무것도 보이지 않았다."
)
LOST = {
    "a long Korean sentence": ("ko", KOREAN),
    "Burmese": ("my", "ကျွန်တော် မြစ်ကမ်းနားမှာ ဖြည်းဖြည်း လျှောက်ခဲ့တယ်။ " * 3),
    "digits in Welsh": ("cy", "917342615 1022071986 1126801357 1231530728 1336260099 1440989470"),
    "digits in Hindi": ("hi", "917342615 1022071986 1126801357 1231530728 1336260099 1440989470"),
    "many apostrophes": ("en-us", "The snake said " + "s'" * 150),
    "one long word": ("de", "donaudampfschifffahrt" * 20),
    "Mandarin": ("cmn", "今天早上我沿着河边慢慢地走着" * 20),
}


@pytest.mark.parametrize(("voice", "text"), LOST.values(), ids=LOST.keys())
def test_nothing_is_lost_or_fatal(engine: EspeakEngine, voice: str, text: str) -> None:
    """What exceeds espeak's buffers is spoken in pieces: every word has a time, the last one at the end."""
    utterance = engine.speak(text, voice=voice, speed=1.0)
    marked = {index for mark in utterance.marks for index in range(mark.start, mark.end)}
    lost = [
        word.group() for word in re.finditer(r"\S*[^\W_]\S*", text) if not marked & set(range(*word.span()))
    ]
    assert lost == []
    duration = len(utterance.samples) / engine.sample_rate
    assert utterance.marks[-1].end_secs > duration - 0.5
    assert min(mark.end_secs - mark.start_secs for mark in utterance.marks) > 0.02


HARD = [
    pytest.param(voice, line, id=f"{kind}-{number}")
    for kind, voice in {
        "korean": "ko",
        "burmese": "my",
        "apostrophes": "en-us",
        "digits": "en-us",
        "titles": "en-gb",
    }.items()
    for number, line in enumerate(hard_lines(kind), 1)
]


@pytest.mark.parametrize(("voice", "text"), HARD)
def test_hard_lines_are_whole(engine: EspeakEngine, voice: str, text: str) -> None:
    """Each line of tests/data/hard-to-say is said to its end."""
    test_nothing_is_lost_or_fatal(engine, voice, text)


def test_lost_words_are_spoken_again_in_halves(engine: EspeakEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """If espeak stops short of a piece's end, its halves are spoken; the marks keep their places."""
    whole = engine._synthesize
    calls: list[str] = []

    def stop_short(text: str) -> None:
        calls.append(text)
        whole(" ".join(text.split()[:4]))

    monkeypatch.setattr(engine, "_synthesize", stop_short)
    text = "one two three four five six seven eight nine ten"
    assert spoken(engine, text) == text.split()
    assert calls[0] == text
    assert len(calls) > 1


def test_a_word_that_stays_silent_is_an_error(engine: EspeakEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that espeak has phonemes for, and no audio, fails the chunk instead of being skipped."""

    def be_silent(_: str) -> None:
        engine._audio.clear()
        engine._words.clear()

    monkeypatch.setattr(engine, "_synthesize", be_silent)
    with pytest.raises(EngineDiedError, match="lost a word"):
        engine.speak("hello", voice="en-us", speed=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("voice", [name for name in ESPEAK_VOICES if "_" not in name])
def test_no_voice_loses_digit_groups(engine: EspeakEngine, voice: str) -> None:
    """Each of espeak's own voices says every group of a list of numbers, cut into chunks as a story is."""
    numbers = " ".join(str(917_342_615 + 104_729_371 * index) for index in range(20))
    for chunk in chunks(numbers, measure=partial(engine.measure, voice=voice), limit=engine.max_chunk):
        utterance = engine.speak(chunk.engine_text, voice=voice, speed=2.0)
        marked = {index for mark in utterance.marks for index in range(mark.start, mark.end)}
        assert [w for w in chunk.words if not marked & set(range(w.span.start, w.span.end))] == []
        assert min(mark.end_secs - mark.start_secs for mark in utterance.marks) > 0.02


@pytest.mark.parametrize("voice", [name for name in ESPEAK_VOICES if "_" not in name])
def test_every_voice_says_a_paragraph_of_its_language(engine: EspeakEngine, voice: str) -> None:
    """No voice dies, and none loses a word."""
    text = paragraphs()[voice]
    for chunk in chunks(text, measure=partial(engine.measure, voice=voice), limit=engine.max_chunk):
        utterance = engine.speak(chunk.engine_text, voice=voice, speed=1.0)
        marked = {index for mark in utterance.marks for index in range(mark.start, mark.end)}
        words = [word.span for word in chunk.words]
        said = [span for span in words if any(map(str.isalnum, chunk.text[span.start : span.end]))]
        assert [span for span in said if not marked & set(range(span.start, span.end))] == []
        assert min(mark.end_secs - mark.start_secs for mark in utterance.marks) > 0.02


def test_a_word_without_an_event_has_the_time_of_its_audio(engine: EspeakEngine) -> None:
    """Korean words that begin with a nasal have no event in espeak, and are heard all the same."""
    (mark,) = engine.speak("나는", voice="ko", speed=1.0).marks
    assert (mark.start, mark.end) == (0, 2)
    assert mark.end_secs > 0.2
