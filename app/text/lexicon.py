"""
A lexicon: words and how they are said, applied to a text before any rule.

espeak-ng takes phonemes in English voices only; in others it reads the word as it is written.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from app.errors import ConfigurationError
from app.pronunciations import first_fault, phonemes_of
from app.text.spoken.base import Editor, Spoken

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words and how they are said; hashable, and of plain values, so that it travels as JSON."""

    entries: tuple[tuple[str, str], ...] = ()
    """(word or phrase, pronunciation as it was given)."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[Any, Any]) -> Self:
        """Validate `mapping`. Raises ConfigurationError, which names the word and the position at fault."""
        fault = first_fault(mapping)
        if fault:
            raise ConfigurationError(f"{fault.word}: {fault.reason}")
        return cls(tuple(mapping.items()))

    def merged(self, other: "Lexicon") -> "Lexicon":
        """Return the entries of both; those of `other` win."""
        return Lexicon(tuple((dict(self.entries) | dict(other.entries)).items()))

    def apply(self, editor: Editor) -> None:
        """Replace the words of the lexicon; longer phrases win over shorter ones."""
        phrases, lengths = _compiled(self)
        if not phrases:
            return
        tokens = list(_tokens(editor.text))
        for index, (start, _, word) in enumerate(tokens):
            for length in lengths.get(word, ()):
                found = tokens[index : index + length]
                end = found[-1][1]
                spoken = phrases.get(tuple(text for _, _, text in found))
                if spoken and editor.is_free(start, end):
                    _replace(editor, start, end, spoken)
                    break


NO_LEXICON = Lexicon()


def _replace(editor: Editor, start: int, end: int, spoken: Spoken) -> None:
    """Say `spoken` for a word; phonemes include those of a possessive "'s" behind it."""
    if spoken.phonemes:
        phonemes = spoken.phonemes
        if editor.text[end : end + 2].lower() == "'s" and editor.is_free(end, end + 2):
            end += 2
            phonemes += _possessive(phonemes)
        spoken = Spoken(editor.text[start:end], phonemes)
    editor.replace(start, end, spoken)


def _possessive(phonemes: str) -> str:
    if phonemes[-1] in "sz\u0283\u0292\u02a7\u02a4":
        return "\u1d7bz"
    return "s" if phonemes[-1] in "ptkf\u03b8" else "z"


def _tokens(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, key) of the words; a possessive "'s" is no part of a word."""
    for match in _TOKEN.finditer(text):
        key = match.group().casefold()
        end = match.end()
        if key.endswith("'s") and len(key) > 2:  # noqa: PLR2004
            key, end = key[:-2], end - 2
        yield match.start(), end, key


@lru_cache(maxsize=16)
def _compiled(lexicon: Lexicon) -> tuple[dict[tuple[str, ...], Spoken], dict[str, list[int]]]:
    """Return what is said for phrases, and the lengths of phrases by their first word, longest first."""
    phrases: dict[tuple[str, ...], Spoken] = {}
    lengths: dict[str, set[int]] = {}
    for word, pronunciation in lexicon.entries:
        words = tuple(key for _, _, key in _tokens(word.replace("\u2019", "'")))
        phonemes = phonemes_of(pronunciation)
        # hyphens part the syllables of a respelling; engines read them as pauses
        spoken = Spoken(pronunciation.replace("-", " ")) if phonemes is None else Spoken("", phonemes)
        phrases[words] = spoken
        lengths.setdefault(words[0], set()).add(len(words))
    return phrases, {first: sorted(each, reverse=True) for first, each in lengths.items()}
