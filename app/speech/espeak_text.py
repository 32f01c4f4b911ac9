"""
Text as espeak-ng can take it: weighed, cut into pieces that fit its buffers, phonemes in its own notation.

espeak-ng translates a clause into fixed buffers. It drops what exceeds 1,000 phonemes of a clause or 160
bytes of a word without an error, and in some scripts it writes past a buffer and aborts (version 1.52).
"""

import re
from collections.abc import Iterator

from app.text.characters import joins
from app.text.spans import Span

_WIDE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\uaa60-\uaa7f]"  # Thai, Lao, Myanmar, Khmer
)
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_OTHER = re.compile(r"[^\x00-\x7f]")
_DIGIT = re.compile(r"\d")
_WIDE_WEIGHT, _DENSE_WEIGHT, _DIGIT_WEIGHT, _OTHER_WEIGHT = 6, 4, 6, 2
"""Phonemes or so that a character may become, where a Latin letter becomes one."""

_RUN = re.compile(r"\S+")
_CLAUSE_END = re.compile(
    "[,;:.!?\u2026\u2014\u2013\u060c\u061b\u061f\u0964\u104a\u104b\u1362\u17d4\u3001\u3002\uff0c\uff01\uff1b\uff1f]"
    "[\"'\u00bb\u2019\u201d)\\]]*$"
)
_MAX_WORD = 100
"""Weight. espeak-ng holds a word in 160 bytes; characters of UTF-8 have up to four."""

# Kokoro's phonemes (misaki, EN_PHONES.md) in espeak-ng's notation (docs/phonemes.md)
_MNEMONICS = {
    "A": "eI", "I": "aI", "O": "oU", "W": "aU", "Y": "OI", "Q": "oU", "\u02a4": "dZ", "\u02a7": "tS",
    "\u0283": "S", "\u0292": "Z", "\u03b8": "T", "\u00f0": "D", "\u014b": "N", "\u0279": "r", "\u0261":
    "g", "\u00e6": "a", "\u0251": "A:", "\u0254": "O:", "\u025b": "E", "\u025c": "3:", "\u026a": "I",
    "\u028a": "U", "\u028c": "V", "\u0259": "@", "i": "i:", "u": "u:", "\u1d4a": "@", "\u1d7b": "I2",
    "\u0252": "0", "T": "t", "\u027e": "t", "\u0294": "?", "\u0250": "@", "e": "eI", "o": "oU",
    "\u02c8": "'", "\u02cc": ",", "a": "a", "y": "i:", "\u00f8": "3:", "\u0153": "3:", "\u00e7": "h",
    "x": "k", "c": "k", "q": "k", "r": "r", "\u0281": "r", "\u0263": "g", "\u0272": "nj", "\u028e":
    "lj", "\u03b2": "v", "\u03c7": "k",
}  # fmt: skip
_PLAIN = frozenset("bdfhjklmnpstvwz")


def weight(text: str) -> int:
    """Return the size of `text` in characters of Latin text: about the phonemes that it becomes."""
    if text.isascii():
        return len(text) + (_DIGIT_WEIGHT - 1) * len(_DIGIT.findall(text))
    wide, dense = len(_WIDE.findall(text)), len(_DENSE.findall(text))
    digits = len(_DIGIT.findall(text))
    other = len(_OTHER.findall(text)) - wide - dense
    return (
        len(text)
        + (_WIDE_WEIGHT - 1) * wide
        + (_DENSE_WEIGHT - 1) * dense
        + (_DIGIT_WEIGHT - 1) * digits
        + (_OTHER_WEIGHT - 1) * other
    )


def pieces(text: str, limit: int) -> Iterator[Span]:
    """
    Yield spans that weigh `limit` at most and together hold every character that is not white space.

    They end with a clause where one ends in their second half, else between words; a word that is too long is
    cut.
    """
    words = list(_short_words(text))
    first, size, clause = 0, 0, -1
    for index, word in enumerate(words):
        added = weight(text[word.start : word.end]) + 1
        if index > first and size + added > limit:
            last = clause if clause >= first else index - 1
            yield Span(words[first].start, words[last].end)
            first, clause = last + 1, -1
            size = sum(weight(text[each.start : each.end]) + 1 for each in words[first:index])
        size += added
        if size > limit // 2 and _CLAUSE_END.search(text, word.start, word.end):
            clause = index
    if first < len(words):
        yield Span(words[first].start, words[-1].end)


def halves(text: str, piece: Span) -> tuple[Span, Span] | None:
    """Cut a piece between two words near its middle; None for a single word."""
    words = list(_short_words(text[piece.start : piece.end]))
    if len(words) < 2:  # noqa: PLR2004
        return None
    middle = len(words) // 2
    return (
        Span(piece.start, piece.start + words[middle - 1].end),
        Span(piece.start + words[middle].start, piece.end),
    )


def mnemonics(phonemes: str) -> str:
    """Return Kokoro's phonemes in espeak-ng's notation for English, between its double brackets."""
    spelled = "".join(
        _MNEMONICS.get(each, each if each in _PLAIN else "") for each in phonemes.replace("\u02d0", "")
    )
    return f"[[{spelled}]]"


def _short_words(text: str) -> Iterator[Span]:
    """Yield the runs between white space, those that weigh more than a word may in parts."""
    for run in _RUN.finditer(text):
        start, end = run.span()
        while weight(text[start:end]) > _MAX_WORD and "[[" not in text[start:end]:
            cut = _cut(text, start, end)
            if cut >= end:
                break
            yield Span(start, cut)
            start = cut
        yield Span(start, end)


def _cut(text: str, start: int, end: int) -> int:
    size, cut = 0, start
    while cut < end and size < _MAX_WORD:
        size += weight(text[cut])
        cut += 1
    while start + 1 < cut < end and joins(text[cut - 1], text[cut]):
        cut -= 1
    return cut
