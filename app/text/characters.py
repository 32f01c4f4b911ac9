"""Display width of text, and which characters form one glyph; used to lay out cues and to cut words."""

import unicodedata
from functools import lru_cache


def width(text: str) -> int:
    """
    Return the width of `text` in columns, at least 1.

    East Asian wide and full-width characters take two columns (Unicode Standard Annex 11), combining marks
    and invisible format characters none, all others one.
    """
    return max(1, len(text) if text.isascii() else sum(map(_columns, text)))


@lru_cache(maxsize=65_536)
def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def joins(before: str, after: str) -> bool:
    """Whether two adjacent characters form one glyph: combining marks, joiners, variants, skin tones."""
    return (
        unicodedata.category(after) in ("Mn", "Mc", "Me")
        or "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )
