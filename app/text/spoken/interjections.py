"""Interjections, stutters and drawn-out words as they sound."""

import re

from app.text.spoken.base import Rule, Variant, listed

_SOUNDS = {
    "hm": "hmm",
    "hmmm": "hmm",
    "mm": "mmm",
    "sh": "shush",
    "shh": "shush",
    "pst": "psst",
    "brr": "burr",
    "brrr": "burr",
    "tsk": "tisk",
    "pfft": "fft",
    "argh": "arg",
    "aargh": "arg",
    "aaargh": "arg",
    "ugh": "ugh",
    "zzz": "zz",
    "nah": "nah",
    "eww": "ew",
    "grr": "gurr",
    "grrr": "gurr",
}
_ONE_LETTER = listed(
    "no so oh yes hello hey stop help what why please now wait go hi bye ah aw uh mom dad run well right god"
)
_SOUND = "|".join(sorted(_SOUNDS, key=len, reverse=True))
_NUMERAL = re.compile("[IVXLC]+")
_REPEATED = re.compile(r"([A-Za-z])\1{2,}")


def _stutter(match: re.Match[str], _variant: Variant) -> str | None:
    letter = match["letter"].lower()
    if letter in "aeiou":
        return None
    vowel = "uh"
    return f"{letter}{vowel} "


def _drawn_out(match: re.Match[str], _variant: Variant) -> str | None:
    word = match.group()
    if (word.isupper() and len(word) < 5) or _NUMERAL.fullmatch(word):
        return None  # an abbreviation: WWW, AAA
    once = _REPEATED.sub(r"\1", word)
    if once.lower() in _ONE_LETTER:
        return once
    twice = _REPEATED.sub(r"\1\1", word)
    return _SOUNDS.get(twice.lower(), twice)


RULES = (
    Rule(
        re.compile(
            r"\b(?P<stutter>(?P<letter>[B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z])[-\u2013\u2014](?=(?P=letter)\w))",
            re.IGNORECASE,
        ),
        _stutter,
    ),
    Rule(re.compile(rf"\b(?:{_SOUND})\b", re.IGNORECASE), lambda m, _v: _SOUNDS[m.group().lower()]),
    Rule(re.compile(r"\b[A-Za-z]*?([A-Za-z])\1{2,}[A-Za-z]*\b"), _drawn_out),
)
