"""
Converts text to Kokoro's phonemes (G2P) and maps each phoneme back to the characters that it speaks.

Kokoro's own pipeline does not keep that mapping: it counts phonemes that the model does not know, which
delays the times of all following words, and it gives no times for languages other than English.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from difflib import SequenceMatcher
from io import StringIO
from typing import Any, Protocol

from app.errors import MissingExtraError, UnknownVoiceError
from app.text.lexicon import NO_LEXICON, Lexicon
from app.text.spans import Span
from app.text.spoken.base import SpokenText
from app.text.spoken.form import spoken_form

_SILENT = frozenset(';:,.!?—…"()“” ')
"""Phonemes that are pauses; the time of a word does not include them."""
_WHITE = re.compile(r"\s")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]")
_IDEOGRAPHIC = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_IDEOGRAPHIC}]|[^\s{_IDEOGRAPHIC}]+")
_DASH = re.compile("[\u2013\u2014]|--")
_HALVING_ENDS = 2
_MAX_WINDOW = 200
"""Characters that are converted and aligned at once, in languages whose G2P returns one string."""
_PAUSE = re.compile(r"[,;:.!?\u2026\u3001\u3002\uff01\uff0c\uff1f\u0964](?:\s+|(?<=[\u3000-\uffff]))")

# espeak-ng names of the languages without a dictionary of their own (kokoro.pipeline.LANG_CODES)
_ESPEAK_LANGUAGES = {"e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
_EXTRAS = {"j": ("Japanese", "ja"), "z": ("Mandarin", "zh")}


_VOCABULARY = (
    ';:,.!?\u2014\u2026"()\u201c\u201d \u0303ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβ'
    "ɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘ᵻ"
)
"""The phonemes of Kokoro-82M version 1.0 (`vocab` of its config.json)."""


def known_phonemes() -> frozenset[str]:
    """Return the phonemes that Kokoro's published network knows."""
    return frozenset(_VOCABULARY)


@dataclass(frozen=True, slots=True)
class PhonemeSpan:
    """Maps characters to phonemes: `text[start:end]` is spoken as `symbols[first_phoneme:end_phoneme]`."""

    start: int
    end: int
    first_phoneme: int
    end_phoneme: int


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """The phonemes of a text."""

    spoken: SpokenText
    """What is said for the text."""
    symbols: str
    """Phonemes, one character each; all are in the model's vocabulary."""
    spans: tuple[PhonemeSpan, ...]
    """Spans of the source text, in order, without overlap. Silent characters are in no span."""


class Pronouncer(Protocol):
    """Converts text of one language to phonemes."""

    def __call__(self, text: str, *, lexicon: Lexicon = NO_LEXICON) -> Pronunciation:
        """Return the phonemes of the spoken form of `text`; there may be none."""


def pronouncer(language: str, *, vocabulary: Iterable[str]) -> Pronouncer:
    """
    Return the pronouncer of `language`, one of Kokoro's language letters.

    `vocabulary` is the set of phonemes that the model knows. Raises MissingExtraError if the language needs a
    package that is not installed, UnknownVoiceError for an unknown letter.
    """
    known = frozenset(vocabulary)
    # phonemizer warns about its own word counts, which are not used here
    logging.getLogger("phonemizer").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the packages call deprecated functions
        if language in {"a", "b"}:
            return _English(british=language == "b", vocabulary=known)
        if language in _ESPEAK_LANGUAGES:
            from misaki.espeak import EspeakG2P

            tag = _ESPEAK_LANGUAGES[language]
            return _WholeTextG2P(EspeakG2P(language=tag), language=tag, vocabulary=known)
        if language in _EXTRAS:
            return _WholeTextG2P(_asian(language), language=_EXTRAS[language][1], vocabulary=known)
    raise UnknownVoiceError(f"Kokoro speaks no language {language!a}")


def _asian(language: str) -> Callable[[str], Any]:
    name, extra = _EXTRAS[language]
    try:
        if language == "j":
            from misaki.ja import JAG2P

            return JAG2P()  # type: ignore[no-any-return]
        from misaki.zh import ZHG2P

        return ZHG2P()  # type: ignore[no-any-return]
    except ImportError:
        raise MissingExtraError(
            f"{name} voices need packages that are not installed: pip install 'misaki[{extra}]'"
        ) from None


def _spaced(spoken: SpokenText) -> str:
    """Return spoken text with spaces for control characters and other white space, keeping every position."""
    return _CONTROL.sub(" ", _WHITE.sub(" ", spoken.text))


def _of_source(spoken: SpokenText, phonemes: str, spans: Iterable[PhonemeSpan]) -> Pronunciation:
    """Map spans of spoken text to the source; those that speak one replacement become one span."""
    mapped: list[PhonemeSpan] = []
    for span in spans:
        source = spoken.source_span(span.start, span.end)
        start = source.start
        first_phoneme = span.first_phoneme
        if mapped and source.start < mapped[-1].end:
            last = mapped.pop()
            start, first_phoneme = last.start, last.first_phoneme
            source = Span(start, max(last.end, source.end))
        mapped.append(PhonemeSpan(start, source.end, first_phoneme, span.end_phoneme))
    return Pronunciation(spoken=spoken, symbols=phonemes, spans=tuple(mapped))


class _English:
    """English: misaki's dictionary and rules; espeak-ng for the words that it does not know."""

    def __init__(self, *, british: bool, vocabulary: frozenset[str]) -> None:
        from misaki import en, espeak

        self._fallback = espeak.EspeakFallback(british=british)
        self._g2p = en.G2P(trf=False, british=british, fallback=self._fallback, unk="")
        self._vocabulary = vocabulary
        self._language = "en-gb" if british else "en-us"

    def __call__(self, text: str, *, lexicon: Lexicon = NO_LEXICON) -> Pronunciation:
        spoken = spoken_form(text, language=self._language, lexicon=lexicon)
        builder = _Builder(self._vocabulary)
        position = 0
        readable = _spaced(spoken)
        for span, given in spoken.pronunciations():
            self._add(builder, readable[position : span.start], position)
            builder.add(given, readable[span.start : span.end], span.start)
            position = span.end
        self._add(builder, readable[position:], position)
        return _of_source(spoken, builder.phonemes(), builder.spans)

    def _add(self, builder: "_Builder", text: str, offset: int) -> None:
        if text[:1] == " ":
            builder.add_space()
        for start, token, phonemes, spaced in self._tokens(text, offset):
            builder.add(phonemes, token, start)
            if spaced:
                builder.add_space()

    def _tokens(self, text: str, offset: int) -> Iterator[tuple[int, str, str, bool]]:
        """Yield (start, text, phonemes, whether a space follows) of each token."""
        try:
            # preprocess=False: brackets are text, not misaki's markup. misaki prints numbers that it cannot
            # read; they are the story's text, which must not reach a log.
            with redirect_stdout(StringIO()):
                _, tokens = self._g2p(text, preprocess=False)
        except Exception:  # noqa: BLE001  # the rules raise various errors for numbers that are too large
            yield from self._pieces(text, offset)
            return
        cursor = 0
        for token in tokens:
            start, end = _locate(token.text, text, cursor)
            cursor = end
            word = text[start:end]
            phonemes = _mended(token.phonemes or "", text, start, end)
            if not _is_audible(phonemes) and any(character.isalnum() for character in word):
                phonemes, _ = self._fallback(_Token(word))
            yield offset + start, word, phonemes or "", bool(token.whitespace)

    def _pieces(self, text: str, offset: int) -> Iterator[tuple[int, str, str, bool]]:
        """Convert a text that the rules fail on by halves, and a single failing word by espeak-ng."""
        words = [(match.start(), match.end()) for match in _PIECE.finditer(text)]
        if len(words) >= _HALVING_ENDS:
            middle = words[len(words) // 2][0]
            yield from self._tokens(text[:middle], offset)
            yield from self._tokens(text[middle:], offset + middle)
            return
        for start, end in words:
            phonemes, _ = self._fallback(_Token(text[start:end]))
            yield offset + start, text[start:end], phonemes or "", end < len(text)


@dataclass(frozen=True, slots=True)
class _Token:
    """The attribute that EspeakFallback reads of a token."""

    text: str


def _mended(phonemes: str, text: str, start: int, end: int) -> str:
    """Mend what misaki's tagger gets wrong: pauses at hyphens within words, the sides of quotes, "a"."""
    word = text[start:end]
    if word in ("\u201c", "\u201d"):
        return word
    if "\u2014" in phonemes and "-" in word and not _DASH.search(word):
        inside = len(word) > 1 or (text[start - 1 : start].isalnum() and text[end : end + 1].isalnum())
        if inside:
            return phonemes.replace("\u2014", "")
    if word == "a" and phonemes == "\u02c8A" and text[end : end + 2].strip().islower():
        return "\u0250"
    return phonemes


def _is_audible(phonemes: str) -> bool:
    return not _SILENT.issuperset(phonemes)


def _locate(token: str, text: str, cursor: int) -> tuple[int, int]:
    """Return the span of `token` in `text` from `cursor` on; misaki may have dropped an apostrophe."""
    start = text.find(token, cursor)
    if start >= 0 and not text[cursor:start].strip(" '‘’"):
        return start, start + len(token)
    while cursor < len(text) and text[cursor] == " ":
        cursor += 1
    start = end = cursor
    for character in token:
        match = text.find(character, end)
        if match < 0:
            break
        end = match + 1
    return start, end


class _WholeTextG2P:
    """
    A language whose G2P returns one string for the whole text.

    The text is converted as a whole, because liaison and rhythm depend on neighbouring words. To find the
    words in the result, it is split at spaces; if the number of words differs, each word is also converted
    alone, and the results are matched with the whole.
    """

    def __init__(self, g2p: Callable[[str], Any], *, language: str, vocabulary: frozenset[str]) -> None:
        self._g2p = g2p
        self._language = language
        self._vocabulary = vocabulary

    def __call__(self, text: str, *, lexicon: Lexicon = NO_LEXICON) -> Pronunciation:
        spoken = spoken_form(text, language=self._language, lexicon=lexicon)
        builder = _Builder(self._vocabulary)
        position = 0
        readable = _spaced(spoken)
        for span, given in spoken.pronunciations():
            self._add(builder, readable, position, span.start)
            builder.add(given, readable[span.start : span.end], span.start)
            builder.add_space()
            position = span.end
        self._add(builder, readable, position, len(readable))
        return _of_source(spoken, builder.phonemes(), builder.spans)

    def _add(self, builder: "_Builder", text: str, start: int, end: int) -> None:
        """Convert a stretch window by window; the alignment of a window takes the square of its length."""
        for window in _windows(text, start, end):
            part = text[window.start : window.end]
            phonemes, spans = self._window(part)
            builder.append(phonemes, spans, window.start)
            builder.add_space()

    def _window(self, text: str) -> tuple[str, list[PhonemeSpan]]:
        whole = self._phonemes(text)
        pieces = [(match.start(), match.end()) for match in _PIECE.finditer(text)]
        found = [(match.start(), match.end()) for match in re.finditer(r"\S+", whole)]
        if len(pieces) == len(found):
            bounds = found
        else:
            bounds = _best_alignment(whole, [self._phonemes(text[start:end]) for start, end in pieces])
        spans = (
            _span(whole, start, end, first, last)
            for (start, end), (first, last) in zip(pieces, bounds, strict=True)
        )
        return whole, [span for span in spans if span]

    def _phonemes(self, text: str) -> str:
        phonemes, *_ = self._g2p(text)
        known = "".join(symbol for symbol in phonemes or "" if symbol in self._vocabulary)
        return " ".join(known.split())


def _windows(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield stretches of at most `_MAX_WINDOW` characters, cut behind punctuation or else at white space."""
    while end - start > _MAX_WINDOW:
        limit = start + _MAX_WINDOW
        cuts = [match.end() for match in _PAUSE.finditer(text, start + _MAX_WINDOW // 2, limit)]
        cut = cuts[-1] if cuts else text.rfind(" ", start + 1, limit) + 1 or limit
        yield Span(start, cut)
        start = cut
    if text[start:end].strip():
        yield Span(start, end)


def _best_alignment(whole: str, alone: list[str]) -> list[tuple[int, int]]:
    """Return (first, end) in `whole` of each word, given the phonemes of each word converted `alone`."""
    joined = "".join(alone)
    target = [0] * (len(joined) + 1)
    blocks = SequenceMatcher(None, joined, whole, autojunk=False).get_matching_blocks()
    before = (0, 0)
    for block in blocks:
        # between two matching blocks, positions are interpolated
        gap, room = block.a - before[0], block.b - before[1]
        for step in range(gap):
            target[before[0] + step] = before[1] + (room * step) // gap
        for step in range(block.size):
            target[block.a + step] = block.b + step
        before = (block.a + block.size, block.b + block.size)
    target[-1] = len(whole)
    bounds, position = [], 0
    for word in alone:
        bounds.append((target[position], target[position + len(word)]))
        position += len(word)
    return list(_shared(whole, bounds, alone))


def _shared(whole: str, bounds: list[tuple[int, int]], alone: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the bounds; words that found no phonemes share those of the word before them."""
    # an ideograph often sounds otherwise in a compound than alone, so that its neighbour matches all of it
    index = 0
    while index < len(bounds):
        first, end = bounds[index]
        count = 1
        for (low, high), phonemes in zip(bounds[index + 1 :], alone[index + 1 :], strict=True):
            if _is_audible(whole[low:high]) or not _is_audible(phonemes):
                break
            count += 1
        for part in range(count):
            yield first + (end - first) * part // count, first + (end - first) * (part + 1) // count
        index += count


class _Builder:
    """Joins the phonemes of tokens, keeping those in the model's vocabulary."""

    def __init__(self, vocabulary: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self._phonemes = ""
        self.spans: list[PhonemeSpan] = []

    def add(self, phonemes: str, text: str, start: int) -> None:
        """Add the phonemes of `text`, which starts at character `start`."""
        end = start + len(text.rstrip())
        start += len(text) - len(text.lstrip())
        first = len(self._phonemes)
        self._phonemes += "".join(symbol for symbol in phonemes if symbol in self._vocabulary)
        if span := _span(self._phonemes, start, end, first, len(self._phonemes)):
            self.spans.append(span)

    def add_space(self) -> None:
        if self._phonemes and self._phonemes[-1] != " ":
            self._phonemes += " "

    def append(self, phonemes: str, spans: Iterable[PhonemeSpan], start: int) -> None:
        """Add the phonemes of a window that starts at character `start`, and its spans."""
        first = len(self._phonemes)
        self._phonemes += phonemes
        self.spans += (
            PhonemeSpan(
                each.start + start, each.end + start, each.first_phoneme + first, each.end_phoneme + first
            )
            for each in spans
        )

    def phonemes(self) -> str:
        return self._phonemes.rstrip()


def _span(phonemes: str, start: int, end: int, first: int, last: int) -> PhonemeSpan | None:
    """Return the span without pauses at its ends; None if no phoneme or no text is left."""
    while first < last and phonemes[first] in _SILENT:
        first += 1
    while last > first and phonemes[last - 1] in _SILENT:
        last -= 1
    return (
        PhonemeSpan(start=start, end=end, first_phoneme=first, end_phoneme=last)
        if first < last and start < end
        else None
    )
