"""Spells words in the letters of an aligner's network: digits and signs as words, accents folded."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.text.spans import Span
from app.text.spoken.base import SpokenText

WILDCARD = "*"
"""Stands for a spoken character that the network has no letter for; matches any sound."""

_PARTS = re.compile(
    r"(?P<currency>[$£€])?(?P<number>\d+(?:[,\u202f\u00a0]\d{3})*(?:[.,]\d+)*)(?P<suffix>st|nd|rd|th)?|(?P<letters>[^\W\d_]+)|(?P<sign>\S)",
    re.IGNORECASE,
)
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4", "'"))
_RUN = re.compile(r"\S+")
_LONGEST_NUMBER = 15
_YEARS = range(1100, 2100)
_YEAR_DIGITS = 4

_SIGNS = {
    "en": {"%": "percent", "&": "and", "+": "plus", "@": "at", "=": "equals", "#": "hash", "°": "degrees"},
    "es": {"%": "por ciento", "&": "y", "+": "más", "@": "arroba", "=": "igual", "°": "grados"},
    "fr": {"%": "pour cent", "&": "et", "+": "plus", "@": "arobase", "=": "égale", "°": "degrés"},
    "it": {"%": "per cento", "&": "e", "+": "più", "@": "chiocciola", "=": "uguale", "°": "gradi"},
}
_CURRENCIES = {
    "en": {"$": "dollars", "£": "pounds", "€": "euros"},
    "es": {"$": "dólares", "£": "libras", "€": "euros"},
    "fr": {"$": "dollars", "£": "livres", "€": "euros"},
    "it": {"$": "dollari", "£": "sterline", "€": "euro"},
}


def spelled(word: str, *, language: str, letters: Collection[str]) -> list[str]:
    """
    Return the spoken words of `word` in `letters` and WILDCARD; an empty list if the word is silent.

    `letters` are the lower-case characters that the network knows. The reading of a number may be a guess,
    because only its start and end are used.
    """
    said: list[str] = []
    for part in _PARTS.finditer(word.translate(_APOSTROPHES)):
        if part["number"]:
            said += _number(part["number"], part["suffix"], language).split()
            if part["currency"]:
                said += _CURRENCIES.get(language, {}).get(part["currency"], "").split()
        elif part["letters"]:
            said = _joined(said, part["letters"], word, part.start())
        elif part["sign"] == "'" and said:
            said[-1] += "'"
        else:
            said += _SIGNS.get(language, {}).get(part["sign"], "").split()
    folded = (_folded(spoken, letters) for spoken in said)
    return [spoken for spoken in folded if spoken.strip("'")]


@dataclass(frozen=True, slots=True)
class SpelledGroup:
    """Neighbouring words of the source that are said as one, such as "2 1/2", and their spelling."""

    first: int
    """Index of the first word."""
    last: int
    """Index of the last word."""
    parts: tuple[str, ...]
    """Spoken words, in the letters of the network; at least one."""


def spelled_groups(
    spoken: SpokenText, words: Sequence[Span], *, language: str, letters: Collection[str]
) -> list[SpelledGroup]:
    """Return the spelling of `words`, spans of the source, in order; silent words are in no group."""
    groups: list[SpelledGroup] = []
    index = 0
    for run in _RUN.finditer(spoken.text):
        parts = spelled(run.group(), language=language, letters=letters)
        source = spoken.source_span(*run.span())
        while index < len(words) and words[index].end <= source.start:
            index += 1
        last = index
        while last + 1 < len(words) and words[last + 1].start < source.end:
            last += 1
        if not parts or index == len(words):
            continue
        if groups and index <= groups[-1].last:
            joined = groups.pop()
            groups.append(SpelledGroup(joined.first, max(last, joined.last), (*joined.parts, *parts)))
        else:
            groups.append(SpelledGroup(index, last, tuple(parts)))
    return groups


def _joined(said: list[str], letters: str, word: str, start: int) -> list[str]:
    """Append letters to the last word after an apostrophe ("don't"); else start a new word ("well-known")."""
    if said and start and said[-1].endswith("'") and word[start - 1] in "'\u2018\u2019\u02bc\u0060\u00b4":
        return [*said[:-1], said[-1] + letters]
    return [*said, letters]


def _number(digits: str, suffix: str | None, language: str) -> str:
    from num2words import num2words  # in the speech extra

    plain = re.sub(r"[,\u202f\u00a0](?=\d{3}(?:\D|$))", "", digits)
    # int() reads the digits of all scripts; longer numbers are read digit by digit
    with suppress(ValueError, NotImplementedError, OverflowError, TypeError):
        if len(plain) <= _LONGEST_NUMBER and plain.isdigit():
            kind = "ordinal" if suffix else "cardinal"
            if language == "en" and not suffix and len(digits) == _YEAR_DIGITS and int(digits) in _YEARS:
                kind = "year"
            return _words(num2words(int(plain), lang=language, to=kind))
        if plain.count(".") == 1 and len(plain) <= _LONGEST_NUMBER:
            return _words(num2words(plain, lang=language))
    with suppress(NotImplementedError):
        names = [
            _words(num2words(unicodedata.digit(digit), lang=language)) for digit in plain if digit.isdigit()
        ]
        return " ".join(names)
    return ""


def _words(text: str) -> str:
    return re.sub(r"[^\w']+", " ", text)


def _folded(word: str, letters: Collection[str]) -> str:
    """Lower the case, and fold accents for which the network has no letter."""
    return "".join(_letter(character, letters) for character in word.lower())


def _letter(character: str, letters: Collection[str]) -> str:
    if character in letters:
        return character
    bare = "".join(part for part in unicodedata.normalize("NFKD", character) if part in letters)
    if bare:
        return bare
    return WILDCARD if character.isalnum() else ""
