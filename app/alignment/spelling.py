"""Spells words in the letters of an aligner's network: digits and signs as words, accents folded."""

import re
import unicodedata
from collections.abc import Collection
from contextlib import suppress

WILDCARD = "*"
"""Stands for a spoken character that the network has no letter for; matches any sound."""

_PARTS = re.compile(
    r"(?P<currency>[$£€])?(?P<number>\d+(?:[,\u202f\u00a0]\d{3})*(?:[.,]\d+)*)(?P<suffix>st|nd|rd|th)?|(?P<letters>[^\W\d_]+)|(?P<sign>\S)",
    re.IGNORECASE,
)
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4", "'"))
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
