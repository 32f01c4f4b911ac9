"""Repairs of equal length: apostrophes, dashes and invisible characters, in any language."""

import re

_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u02b9\u02bb\u0060\u00b4\u2032\uff07\ua78c"
_APOSTROPHE = re.compile(rf"(?<=\w)[{_APOSTROPHES}](?=\w)")
_LEADING = re.compile(
    rf"(?<!\w)[{_APOSTROPHES}](?=(?:[Tt]is|[Tt]was|[Cc]ause|[Ee]m|[Tt]il|[Rr]ound|\d\ds?)\b)"
)
_TRAILING = re.compile(r"(?<=[sn])[\u2019\u02bc\u2032](?=\s)")
_SPACE_LIKE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\uffff"
    "\u200e\u200f\u202a-\u202e\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_JOINERS = re.compile(
    "(?<![\u0600-\u0dff\u1000-\u17ff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u0dff\u1000-\u17ff])"
)
_FULL_WIDTH = {
    code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}
_SAME = str.maketrans(
    {
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "\u2013",
        "\u2212": "-",
        "\ufe58": "\u2014",
        "\u2015": "\u2014",
        "\u2e3a": "\u2014",
        "\u2e3b": "\u2014",
        "\ufb02": "\ufb02",
    }
)


def repair(text: str) -> str:
    """
    Return `text` with curly, modifier and accent apostrophes inside words straight, and white space plain.

    The result has the length of `text`: every position keeps its meaning. Line feeds stay; invisible
    characters, private ones and non-characters become spaces, inside of a word the soft hyphen too, which
    app/text/spoken/markup.py then removes.
    """
    text = _SPACE_LIKE.sub(" ", text).translate(_SAME).translate(_FULL_WIDTH)
    if not text.isascii() or "`" in text:
        text = _APOSTROPHE.sub("'", text)
        text = _LEADING.sub("'", text)
        text = _TRAILING.sub("'", text)
    return text


def invisible(text: str) -> list[tuple[int, int]]:
    """Return the spans of invisible characters, which are not said and do not part a word."""
    if text.isascii():
        return []
    return [match.span() for pattern in (_INVISIBLE, _JOINERS) for match in pattern.finditer(text)]
