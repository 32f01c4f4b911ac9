"""Text to phonemes and back: every word of a text is said once, in order, whatever the text is made of."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import MissingExtraError, UnknownVoiceError
from app.models.store import ModelStore
from app.speech.kokoro import _install_english
from app.speech.pronunciation import Pronunciation, _WholeTextG2P, pronouncer
from tests.hard_to_say import hard_lines
from tests.models.kokoro import VOCABULARY

pytestmark = pytest.mark.speech

Say = Callable[[str], Pronunciation]


@pytest.fixture(scope="module")
def say(models: ModelStore) -> Say:
    """American English."""
    _install_english(models)
    return pronouncer("a", vocabulary=VOCABULARY)


def _spoken(said: Pronunciation, text: str) -> list[str]:
    return [text[span.start : span.end] for span in said.spans]


def _check(said: Pronunciation, text: str) -> None:
    """Sounds are in order, inside text and phonemes, and the phonemes are the model's."""
    assert set(said.symbols) <= set(VOCABULARY)
    end = end_phoneme = 0
    for span in said.spans:
        assert end <= span.start < span.end <= len(text)
        assert end_phoneme <= span.first_phoneme < span.end_phoneme <= len(said.symbols)
        end, end_phoneme = span.end, span.end_phoneme


TEXTS = {
    "prose": "The old keeper climbed the stairs, and he lit the lamp.",
    "curly apostrophes": "The keeper’s lamp wasn’t lit; ’twas Mary’s, ‘she said’.",
    "numbers": "On 12 May 1987 they paid $3.50 for 1,234,567 loaves, 10% off, the 22nd time, at 3.14.15.",
    "feet and inches": "He stood 5'10\" tall, a'b'c''d.",
    "a number of many digits": "1" * 400 + " is large",
    "emoji": "😀 Hello 👨‍👩‍👧 there 🎉!",
    "another language": "Привет мир and 你好 and wörld.",
    "markup": "See [the lamp](/lˈæmp/) and [x](+2).",
    "dashes": "It—was well-known – and so-called--indeed.",
    "one word": "lamp",
    "links": "http://x.y/z?q=1 a@b.com #tag A.B.C. e.g. U.S.A.",
    "combining marks": "re\u0301sume\u0301 nai\u0308ve",
    "other digits": "٣٤ and ½ and ²",
    "control characters": "a\x00b \u200bc\ufeff d\te\nf",
    **{
        f"{kind} {i}": line
        for kind in ("apostrophes", "digits", "titles")
        for i, line in enumerate(hard_lines(kind), 1)
    },
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_every_word_that_can_be_said_is_said_once(say: Say, text: str) -> None:
    """Each stretch of letters or digits has phonemes of its own, in the order of the text."""
    said = say(text)
    _check(said, text)
    covered = {index for span in said.spans for index in range(span.start, span.end)}
    words = list(re.finditer(r"[^\W_]+(?:['’][^\W_]+)*", text))
    assert [word[0] for word in words if not covered & set(range(word.start(), word.end()))] == []


def test_a_number_is_one_sound(say: Say) -> None:
    """What takes several spoken words is timed as the one word that is written."""
    text = "They paid 1,234,567 in 1987."
    assert _spoken(say(text), text) == ["They", "paid", "1,234,567", "in", "1987"]


def test_a_contraction_is_one_sound(say: Say) -> None:
    """Both kinds of apostrophe are read alike."""
    assert say("don't").symbols == say("don’t").symbols
    assert _spoken(say("don’t"), "don’t") == ["don’t"]


def test_pauses_belong_to_no_word(say: Say) -> None:
    """Punctuation is said as a pause, and no word's span includes one."""
    said = say('"Yes," she said; "no!"')
    pauses = set(';:,.!?—…"()“” ')
    assert pauses & set(said.symbols)
    for span in said.spans:
        assert said.symbols[span.first_phoneme] not in pauses
        assert said.symbols[span.end_phoneme - 1] not in pauses


@pytest.mark.parametrize("text", ["", " ", "—", "...", "'", "\n"])
def test_what_is_not_said_has_no_sounds(say: Say, text: str) -> None:
    """Marks and blanks alone are no error, and no word."""
    assert say(text).spans == ()


def test_nothing_of_the_text_is_printed(say: Say, capfd: pytest.CaptureFixture[str]) -> None:
    """Numbers that the rules cannot read are not written to a log by a library."""
    for text in TEXTS.values():
        say(text)
    assert capfd.readouterr() == ("", "")


def test_an_ideograph_that_sounds_otherwise_alone_has_phonemes() -> None:
    """In a compound it shares the phonemes that its neighbour matched."""
    sounds = {"尊厳と": "soŋɡeɴ to", "尊": "soŋɡeɴ", "厳": "ibɯ", "と": "to"}
    said = _WholeTextG2P(
        lambda text: (sounds[text.strip()], None), language="ja", vocabulary=frozenset(VOCABULARY)
    )("尊厳と")
    _check(said, "尊厳と")
    assert [(span.start, span.end) for span in said.spans] == [(0, 1), (1, 2), (2, 3)]


def test_british_english_differs(models: ModelStore) -> None:
    """Language b has its own dictionary."""
    _install_english(models)
    american, british = (pronouncer(code, vocabulary=VOCABULARY) for code in "ab")
    assert american("lot, bath").symbols != british("lot, bath").symbols


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("e", "El niño comió 3 manzanas rojas, ¿no?"),
        ("f", "C’est l’été : il y a 21 ans déjà, dit-elle."),
        ("h", "नमस्ते दुनिया, यह 5 है"),
        ("i", "L'uomo non c'era nel 1987."),
        ("p", "Não há 42 maçãs aqui."),
    ],
)
def test_other_languages_time_every_word(language: str, text: str) -> None:
    """Words are found in what espeak-ng makes of the whole, where it joins or splits them too."""
    said = pronouncer(language, vocabulary=VOCABULARY)(text)
    _check(said, text)
    assert [word for word in text.split() if word != ":"] == _spoken(said, text)


def test_a_language_without_its_package_is_told() -> None:
    """Japanese and Mandarin name what to install; a letter that is no language is refused."""
    with pytest.raises(MissingExtraError, match=r"misaki\[ja\]"):
        pronouncer("j", vocabulary=VOCABULARY)
    with pytest.raises(UnknownVoiceError):
        pronouncer("x", vocabulary=VOCABULARY)


def test_the_english_pipeline_comes_from_the_models(models: ModelStore) -> None:
    """What misaki loads is the folder's, so it never downloads one."""
    import en_core_web_sm  # found only once installed

    _install_english(models)
    assert Path(en_core_web_sm.__file__).is_relative_to(models.folder)


@pytest.mark.parametrize(
    ("text", "word", "phonemes"),
    [
        ("No, it wasn’t.", "wasn’t.", "wˈʌzᵊnt"),
        ("He isn’t?", "isn’t?", "ˈɪzᵊnt"),
        ("I fear he doesn’t.", "doesn’t.", "dˈʌzᵊnt"),
        ("They hadn’t!", "hadn’t!", "hˈædᵊnt"),
        ("She couldn’t, no.", "couldn’t,", "kˈʊdᵊnt"),
        ("Why wouldn’t", "wouldn’t", "wˈʊdᵊnt"),
        ("We read aloud every day.", "read", "ɹˈid"),
        ("Yesterday I read it.", "read", "ɹˈɛd"),
        ("He read it twice.", "read", "ɹˈɛd"),
        ("IT SAT BY THE QUAY.", "IT", "ɪt"),
        ("IT SAT BY THE QUAY.", "SAT", "sˈæt"),
        ("“GO HOME!”", "“GO", "ɡˌO"),
        ("LET US IN, OR ELSE!", "US", "ˌʌs"),
        ("the old carpen-\nter’s bench", "carpen-\nter’s", "kˈɑɹpəntəɹz"),
        ("a cor-\nner of it", "cor-\nner", "kˈɔɹnəɹ"),
        ("two of a kind", "a", "ɐ"),
        ("a well-known man", "well-known", "wˈɛlnˈOn"),
    ],
)
def test_words_have_the_phonemes_that_a_reader_gives_them(
    say: Say, text: str, word: str, phonemes: str
) -> None:
    """Contractions, homographs, capitals and words cut at a line's end are pronounced as words."""
    said = say(text)
    start = text.index(word)
    assert phonemes == "".join(
        said.symbols[span.first_phoneme : span.end_phoneme]
        for span in said.spans
        if start <= span.start < start + len(word)
    )


def test_a_quote_opens_and_closes(say: Say) -> None:
    """Curly quotes keep their sides, which the network was trained with."""
    assert [c for c in say("“No,” he said. “Yes.”").symbols if c in "“”"] == [*"“”“”"]


@pytest.mark.parametrize("unit", ["a/b/", "s'", "a-b-", "a,b;", "x1y2"])
@pytest.mark.parametrize("language", ["a", "f"])
def test_joined_runs_are_pronounced_in_linear_time(
    models: ModelStore, monkeypatch: pytest.MonkeyPatch, language: str, unit: str
) -> None:
    """No G2P gets a run of many parts, nor more text at once than it can align."""
    _install_english(models)
    made = pronouncer(language, vocabulary=VOCABULARY)
    seen: list[str] = []
    g2p = made._g2p  # type: ignore[attr-defined]

    def noting(text: str, **options: object) -> object:
        seen.append(text)
        return g2p(text, **options)

    monkeypatch.setattr(made, "_g2p", noting)
    said = made(unit * 100)
    assert said.symbols
    assert max(len(word) for text in seen for word in text.split()) <= 64
    if language == "f":
        assert max(map(len, seen)) <= 200
