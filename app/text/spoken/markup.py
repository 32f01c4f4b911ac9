"""Marks that are not spoken, in any language: emphasis, headings, footnotes, emoji, line-end hyphens."""

import re

from app.text.spoken.base import Rule, Variant, listed

_SUPERSCRIPTS = "\u00b9\u00b2\u00b3\u2070\u2074-\u2079"
_EMOJI = (
    "\u200d\u20e3\u2190-\u21ff\u2300-\u23ff\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\ufe0f"
    "\U0001f000-\U0001faff"
)
_COMPOUND_FIRSTS = listed(
    "well self half non ex co anti mid two three four five six seven eight nine ten one old new high "
    "low long short good ill all cross half great grand great- twenty thirty forty fifty sixty "
    "seventy eighty ninety dark light blue red green white black grey gray full first second third "
    "left right hard soft deep mother father sister brother son daughter by to good-for merry so- "
    "called ever never over-the would"
)
_COMPOUND_SECONDS = listed(
    "known like in-law law called haired eyed handed hearted minded made looking time year old room "
    "door by up down in out off on of the and a be"
)


def _silent(_match: re.Match[str], _variant: Variant) -> str:
    return ""


def _dash(_match: re.Match[str], _variant: Variant) -> str:
    return " \u2014 "


def _joined_line(match: re.Match[str], _variant: Variant) -> str | None:
    first, second = match["first"], match["second"]
    if first.lower() in _COMPOUND_FIRSTS or second.lower() in _COMPOUND_SECONDS or second[0].isupper():
        return f"{first}-{second}"
    return first + second


def _line_end(match: re.Match[str], _variant: Variant) -> str:
    return " " if match["stop"] else "; "


RULES = (
    # an intended line break (app/text/chunks.py) is a pause, unless the line ends with one
    Rule(re.compile(r"(?P<stop>[.,;:!?\u2026\u2014][\"'\u201d\u2019)]*)?(?P<end>\u2028)"), _line_end, "end"),
    # a word cut at the end of a line
    Rule(
        re.compile(
            r"(?<![\w-])(?P<first>[^\W\d_]{2,})[-\u00ad][^\S\n]*\n\s*(?P<second>[^\W\d_]{2,}(?:'[^\W\d_]{1,2})?)"
        ),
        _joined_line,
    ),
    # headings, block quotes and bullets of Markdown, at the start of a line
    Rule(
        re.compile(r"^\s{0,3}(?:#{1,6}|>+|[*+\u2022\u2023\u2043\u25aa\u25cf])(?=\s)", re.MULTILINE), _silent
    ),
    Rule(re.compile(r"(?<=\S)[^\S\n]+#{1,6}[^\S\n]*$", re.MULTILINE), _silent),
    # rules and fences: a line of marks alone
    Rule(re.compile(r"^[^\S\n]*(?:[-*_=~`][^\S\n]*){3,}$", re.MULTILINE), _silent),
    # references to notes: [1], [a], superscripts and daggers behind a word or its stop
    Rule(re.compile(r"(?<=[^\s\[(])\[(?:\d{1,3}|[a-z*\u2020\u2021]|note \d{1,3})\]"), _silent),
    Rule(
        re.compile(
            rf"(?<=[^\W\d_]{{2}}[.,;:!?])[{_SUPERSCRIPTS}]+|(?<=[.,;:!?\"'\u201d\u2019)])[{_SUPERSCRIPTS}]+"
        ),
        _silent,
    ),
    Rule(re.compile(rf"(?<=[^\W\d_]{{3}})[{_SUPERSCRIPTS}]+(?!\w)"), _silent),
    Rule(re.compile(r"[\u2020\u2021\u00b6\u2042\u2766\u2767]"), _silent),
    # emphasis: *, **, _, ~~, ` around words, and what is left of stars
    Rule(re.compile(r"(?<!\w)_{1,3}(?=\w)|(?<=[\w.,!?'\"\u2019\u201d])_{1,3}(?!\w)"), _silent),
    Rule(re.compile(r"~{2}|`+(?!\w)|(?<!\w)`+"), _silent),
    Rule(re.compile(r"(?<![\d\s])\*+|\*+(?![\d\s*])|(?<!\S)\*+(?!\S)"), _silent),
    # two hyphens, or three, are a dash
    Rule(re.compile(r"(?<!-)-{2,3}(?!-)"), _dash),
    Rule(re.compile(rf"[{_EMOJI}]"), _silent),
    Rule(re.compile(r"[|\\^]|-{4,}|={2,}|\.{4,}(?=\S)|(?<!\S)[<>](?!\S)"), _silent),
)
