"""
From text to Kokoro's phonemes, and from each phoneme back to the characters that it speaks.

Kokoro's own pipeline loses that way back: it counts phonemes that the model does not know, so that every word
after one is timed too late, and for languages other than English it gives no times at all.
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

_SILENT = frozenset(';:,.!?—…"()“” ')
"""Phonemes that are pauses: a word's time ends before them."""
_WHITE = re.compile(r"\s")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]")
_IDEOGRAPHIC = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_IDEOGRAPHIC}]|[^\s{_IDEOGRAPHIC}]+")
_HALVING_ENDS = 2

# kokoro.pipeline.LANG_CODES: what espeak-ng calls the languages that Kokoro has no dictionary for
_ESPEAK_LANGUAGES = {"e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
_EXTRAS = {"j": ("Japanese", "ja"), "z": ("Mandarin", "zh")}


@dataclass(frozen=True, slots=True)
class Sound:
    """Where some characters of the text are in the phonemes: `text[start:end]` is `symbols[first:last]`."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """A text as it is said."""

    symbols: str
    """Phonemes, every one of which the model knows."""
    sounds: tuple[Sound, ...]
    """In order, none overlapping; without those characters that are not heard."""


class Pronouncer(Protocol):
    """Knows one language."""

    def __call__(self, text: str) -> Pronunciation:
        """Return how `text` is said; the same length of text may give any number of phonemes, or none."""


def pronouncer(language: str, *, vocabulary: Iterable[str]) -> Pronouncer:
    """
    Return the pronouncer of `language`, by Kokoro's letter for it; `vocabulary` is what the model knows.

    Raises MissingExtraError where the language needs a package that is not installed.
    """
    known = frozenset(vocabulary)
    # phonemizer's warnings tell of its own count of words, which nothing here relies on
    logging.getLogger("phonemizer").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the packages themselves call
        if language in {"a", "b"}:
            return _English(british=language == "b", vocabulary=known)
        if language in _ESPEAK_LANGUAGES:
            from misaki.espeak import EspeakG2P

            return _WholeTextG2P(EspeakG2P(language=_ESPEAK_LANGUAGES[language]), vocabulary=known)
        if language in _EXTRAS:
            return _WholeTextG2P(_asian(language), vocabulary=known)
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
            f"voices of {name} need packages that are not installed: pip install 'misaki[{extra}]'"
        ) from None


def _legible(text: str) -> str:
    """Blank what is no character to say, position by position."""
    return _CONTROL.sub(" ", _WHITE.sub(" ", text))


class _English:
    """misaki's dictionary, its rules for numbers and names, and espeak-ng for words that it does not know."""

    def __init__(self, *, british: bool, vocabulary: frozenset[str]) -> None:
        from misaki import en, espeak

        self._fallback = espeak.EspeakFallback(british=british)
        self._g2p = en.G2P(trf=False, british=british, fallback=self._fallback, unk="")
        self._vocabulary = vocabulary

    def __call__(self, text: str) -> Pronunciation:
        builder = _Builder(self._vocabulary)
        for start, token, phonemes, spaced in self._tokens(_legible(text), 0):
            builder.say(phonemes, token, start)
            if spaced:
                builder.pause()
        return builder.result()

    def _tokens(self, text: str, offset: int) -> Iterator[tuple[int, str, str, bool]]:
        """Yield (start, text, phonemes, whether a space follows) of each token."""
        try:
            # without misaki's own markup: a story's brackets are a story's brackets; and what it prints of
            # numbers that it cannot read is the story's text, which belongs into no log
            with redirect_stdout(StringIO()):
                _, tokens = self._g2p(text, preprocess=False)
        except Exception:  # noqa: BLE001  # rules that meet a number too large raise whatever they will
            yield from self._pieces(text, offset)
            return
        cursor = 0
        for token in tokens:
            start, end = _found(token.text, text, cursor)
            cursor = end
            word = text[start:end]
            phonemes = token.phonemes or ""
            if not _is_heard(phonemes) and any(character.isalnum() for character in word):
                phonemes, _ = self._fallback(_Token(word))
            yield offset + start, word, phonemes or "", bool(token.whitespace)

    def _pieces(self, text: str, offset: int) -> Iterator[tuple[int, str, str, bool]]:
        """Say a text that the rules choke on by halves, and what is left of it as espeak-ng would."""
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
    """What EspeakFallback looks at of a token."""

    text: str


def _is_heard(phonemes: str) -> bool:
    return not _SILENT.issuperset(phonemes)


def _found(token: str, text: str, cursor: int) -> tuple[int, int]:
    """Return where `token` is in `text` from `cursor` on; misaki may have dropped an apostrophe in it."""
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
    A language whose pronunciation comes as one string for the whole text.

    Words are found in it by saying each alone as well: spaces where they agree in number, else the likest
    course of phonemes. The whole is said in one go all the same, for liaison and rhythm need their
    neighbours.
    """

    def __init__(self, g2p: Callable[[str], Any], *, vocabulary: frozenset[str]) -> None:
        self._g2p = g2p
        self._vocabulary = vocabulary

    def __call__(self, text: str) -> Pronunciation:
        text = _legible(text)
        whole = self._said(text)
        pieces = [(match.start(), match.end()) for match in _PIECE.finditer(text)]
        heard = [(match.start(), match.end()) for match in re.finditer(r"\S+", whole)]
        if len(pieces) == len(heard):
            bounds = heard
        else:
            bounds = _best_alignment(whole, [self._said(text[start:end]) for start, end in pieces])
        sounds = (
            _sound(whole, start, end, first, last)
            for (start, end), (first, last) in zip(pieces, bounds, strict=True)
        )
        return Pronunciation(symbols=whole, sounds=tuple(sound for sound in sounds if sound))

    def _said(self, text: str) -> str:
        phonemes, *_ = self._g2p(text)
        known = "".join(symbol for symbol in phonemes or "" if symbol in self._vocabulary)
        return " ".join(known.split())


def _best_alignment(whole: str, alone: list[str]) -> list[tuple[int, int]]:
    """Return where in `whole` each of the words lies that, said `alone`, sound as given."""
    joined = "".join(alone)
    target = [0] * (len(joined) + 1)
    blocks = SequenceMatcher(None, joined, whole, autojunk=False).get_matching_blocks()
    before = (0, 0)
    for block in blocks:
        # between two stretches that agree, positions go over in proportion
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
    return bounds


class _Builder:
    """Joins the phonemes of tokens, and keeps those that the model knows."""

    def __init__(self, vocabulary: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self._symbols = ""
        self._sounds: list[Sound] = []

    def say(self, phonemes: str, text: str, start: int) -> None:
        """Add the phonemes of `text`, which begins at character `start`."""
        end = start + len(text.rstrip())
        start += len(text) - len(text.lstrip())
        first = len(self._symbols)
        self._symbols += "".join(symbol for symbol in phonemes if symbol in self._vocabulary)
        if sound := _sound(self._symbols, start, end, first, len(self._symbols)):
            self._sounds.append(sound)

    def pause(self) -> None:
        if self._symbols and self._symbols[-1] != " ":
            self._symbols += " "

    def result(self) -> Pronunciation:
        return Pronunciation(symbols=self._symbols.rstrip(), sounds=tuple(self._sounds))


def _sound(symbols: str, start: int, end: int, first: int, last: int) -> Sound | None:
    """Return the sound without the pauses at its ends; None where nothing is left, or no text."""
    while first < last and symbols[first] in _SILENT:
        first += 1
    while last > first and symbols[last - 1] in _SILENT:
        last -= 1
    return Sound(start=start, end=end, first=first, last=last) if first < last and start < end else None
