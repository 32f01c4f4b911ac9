"""Telephone and identity numbers, IP addresses, and other numbers that are read digit by digit."""

import re

from app.text.spoken.base import Rule, Variant
from app.text.spoken.numbers import cardinal, digits

_BEFORE = (
    r"(?:call|dial|phone|telephone|tel\.?|fax|ring|text|mobile|cell|hotline|extension|ext\.?|pin|code|"
    r"ending in|ends in|ending with|ending|zip|zip code|ssn is|isbn|serial number|account number|card number)"
)


def _telephone(match: re.Match[str], _variant: Variant) -> str:
    groups = re.findall(r"\d+", match.group())
    spoken = [
        cardinal(int(group)) if group in ("800", "900") and len(groups) > 2 else digits(group)
        for group in groups
    ]
    sign = "plus " if match.group().startswith("+") else ""
    return sign + ", ".join(spoken)


def _area(code: str) -> str:
    return cardinal(int(code)) if code.endswith("00") else digits(code)


def _vanity(match: re.Match[str], _variant: Variant) -> str:
    letters = " ".join(digits(part) if part.isdigit() else part for part in match["letters"].split("-"))
    return f"{digits(match['prefix'])}, {_area(match['code'])}, {letters}"


def _dotted(match: re.Match[str], _variant: Variant) -> str:
    return " dot ".join(digits(group) for group in match.group().split("."))


def _digits(match: re.Match[str], _variant: Variant) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", match["number"]))


RULES = (
    Rule(re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]\d|\d)"), _dotted),
    Rule(
        re.compile(
            r"(?<![\w-])(?P<prefix>1)[- ](?P<code>8\d\d)[- ]"
            r"(?P<letters>[A-Z0-9]*[A-Z][A-Z0-9]*(?:-[A-Z0-9]+){0,4})\b"
        ),
        _vanity,
    ),
    Rule(
        re.compile(
            r"(?<![\w.])(?:\+?\d{1,3}[-. ]?)?"
            r"(?:\(\d{3}\)[- ]?|\d{3}[-. ])\d{3}[-. ]\d{4}(?:-\d{1,4})?(?![\w-])"
        ),
        _telephone,
    ),
    Rule(re.compile(r"(?<![\w.])\+\d{1,3}(?:[- ]\(?\d{1,4}\)?){2,5}(?![\w-])"), _telephone),
    Rule(re.compile(r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])"), _telephone),
    Rule(re.compile(r"(?<![\w.-])555-\d{4}(?![\w-])"), _telephone),
    Rule(
        re.compile(
            rf"\b{_BEFORE}\s*(?:is|at|number|no\.?|:|#)?\s*"
            rf"(?P<number>\d{{3,9}}(?:[- ]\d{{3,4}}){{0,4}}(?![\d,.]*\d))",
            re.IGNORECASE,
        ),
        _digits,
        "number",
    ),
    Rule(re.compile(r"(?<![\w.,-])(?P<number>\d{4}(?:[ -]\d{4}){3})(?![\w-])"), _digits, "number"),
    Rule(re.compile(r"(?<![\w.,])(?P<number>\d{16,})(?![\w,]|\.\d)"), _digits, "number"),
)
