"""Plain numbers: ordinals, fractions, ranges, years, house numbers, cardinals, and the signs between them."""

import re

from app.text.spoken.base import Rule, Variant
from app.text.spoken.measures import amount_words
from app.text.spoken.numbers import (
    NUMBER,
    cardinal,
    digits,
    fraction,
    number_words,
    ordinal,
    pairs,
    year,
)

_VULGAR = "\u00bc-\u00be\u2150-\u215e"
_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}
_YEARS = range(1100, 2100)
_YEAR_CONTEXT = re.compile(
    r"\b(?:in|was|is|since|of|by|from|year|before|after|until|till|around|circa|during|about|early|late|spring|summer|"
    r"autumn|fall|winter|and|to|christmas|january|february|march|april|may|june|july|august|september|october|"
    r"november|december)\s$",
    re.IGNORECASE,
)
_PLURAL_NOUN = re.compile(r"\s(?:[a-z]+[^s\Wiu]s|men|women|people|feet|children|sheep|horse)\b")
_NO_NOUN = re.compile(
    r"\s(?:was|is|has|as|his|its|this|us|does|goes|always|perhaps|sometimes|besides|towards|afterwards|works|comes|makes|seems|looks|needs|says|means|marks|brings|sees|gets|takes|begins|ends|shows|runs|across)\b"
)
_ROOM = re.compile(
    r"\b(?:room|flight|route|highway|apartment|suite|bus|unit|cell|channel|house|number|train|interstate)\s$",
    re.IGNORECASE,
)
_STREET = re.compile(
    r"\s(?:[NSEW]\.?\s)?(?:[A-Z][\w'.]*\s){1,3}(?:St|Street|Ave|Avenue|Rd|Road|Dr|Drive|Ln|Lane|Blvd|Boulevard|Way|Court|Ct|Place|Pl)\b"
)


def _is_year(match: re.Match[str], number: int) -> bool:
    rest = match.string[match.end() : match.end() + 40]
    if _PLURAL_NOUN.match(rest) and not _NO_NOUN.match(rest):
        return False
    if number in _YEARS and number % 1000:
        return True
    return 1000 < number < 1100 and bool(_YEAR_CONTEXT.search(match.string[: match.start()][-12:]))


def _plain(match: re.Match[str], variant: Variant) -> str:
    text = match.group()
    if text.isdecimal() and not text.startswith("0"):
        number = int(text)
        before = match.string[: match.start()][-16:]
        rest = match.string[match.end() : match.end() + 60]
        if (
            len(text) in (3, 4)
            and number % 100
            and (_ROOM.search(before) or (number > 999 and _STREET.match(rest)))
        ):
            return pairs(number)
        if len(text) == 4 and _is_year(match, number):
            return year(number, british=variant.british)
    return number_words(text, british=variant.british)


def _ordinal(match: re.Match[str], variant: Variant) -> str:
    number = int(match["number"].replace(",", ""))
    suffix = match["suffix"].lower()
    tens = number % 100
    expected = "th" if 11 <= tens <= 13 else _SUFFIXES.get(number % 10, "th")
    if suffix != expected:
        return f"{digits(match['number'])} {suffix}"
    return ordinal(number, british=variant.british)


def _fraction(match: re.Match[str], variant: Variant) -> str:
    words = amount_words(match, british=variant.british)
    is_before_article = match.string.startswith((" a ", " an "), match.end())
    return "half" if words == "one half" and is_before_article else words


def _spaced_fraction(match: re.Match[str], variant: Variant) -> str:
    return fraction(int(match["top"]), int(match["bottom"]), british=variant.british)


def _label(match: re.Match[str], _variant: Variant) -> str:
    return f"{cardinal(int(match['first']))}, {cardinal(int(match['second']))}"


def _special(match: re.Match[str], _variant: Variant) -> str:
    first, second = match["first"], match["second"]
    return f"{cardinal(int(first))} {cardinal(int(second))}"


def _year_range(match: re.Match[str], variant: Variant) -> str | None:
    first, second = int(match["first"]), int(match["second"])
    if first not in _YEARS:
        return None
    if len(match["second"]) == 2:
        if second <= first % 100:
            return None
        last = cardinal(second)
    elif second in _YEARS:
        last = year(second, british=variant.british)
    else:
        return None
    return f"{year(first, british=variant.british)} to {last}"


def _version(match: re.Match[str], _variant: Variant) -> str:
    before = match.string[match.start() - 1 : match.start()]
    words = " point ".join(cardinal(int(part)) for part in match.group().split("."))
    return f" {words}" if before.isalpha() else words


def _bare(match: re.Match[str], variant: Variant) -> str:
    """Digits glued to letters: "B52", "MP3"."""
    before = match.string[match.start() - 1 : match.start()]
    after = match.string[match.end() : match.end() + 1]
    words = number_words(match.group(), british=variant.british)
    return f"{' ' if before.isalpha() else ''}{words}{' ' if after.isalpha() else ''}"


def _to(_match: re.Match[str], _variant: Variant) -> str:
    return " to "


RULES = (
    # a label, such as a heading "2-5"
    Rule(re.compile(r"\A\s*(?P<first>\d{1,3})-(?P<second>\d{1,3})\s*\Z"), _label),
    Rule(re.compile(r"\b(?P<first>24|50|9|20|60)/(?P<second>7|50|11|20|40)\b(?!/)"), _special),
    Rule(
        re.compile(
            r"(?<![\w./,-])(?P<number>(?!))?(?P<vulgar>(?!))?(?P<mixed>(?!))?"
            r"(?:(?P<whole>\d{1,6})[\s-])?(?P<top>\d{1,4})[/\u2044](?P<bottom>\d{1,4})(?:(?:th|rd|nd|st)s?)?(?![\w/]|\.\d)",
            re.IGNORECASE,
        ),
        _fraction,
    ),
    Rule(re.compile(rf"(?<![\w.,])(?P<number>{NUMBER})(?P<suffix>st|nd|rd|th)\b", re.IGNORECASE), _ordinal),
    Rule(re.compile(r"(?<![\w./,])(?P<top>\d{1,4})\s/\s(?P<bottom>\d{1,4})(?![\w/]|\.\d)"), _spaced_fraction),
    Rule(
        re.compile(
            rf"(?<![\w.,])(?P<number>(?!))?(?P<whole>(?!))?(?P<top>(?!))?(?P<bottom>(?!))?(?P<mixed>\d{{0,6}})\s?(?P<vulgar>[{_VULGAR}])"
        ),
        _fraction,
    ),
    Rule(
        re.compile(r"(?<![\w.,-])(?P<first>\d{4})[-\u2013](?P<second>\d{2}|\d{4})(?![\w-]|[.,]\d)"),
        _year_range,
    ),
    Rule(
        re.compile(
            r"(?<=\d)\s?[-\u2013\u2014]\s?(?=[$\u00a3\u20ac\u00a5]?\d)|(?<=\d[smhpx%])\s?[-\u2013]\s?(?=\d)|"
            r"(?<=[ap]m)\s?[-\u2013]\s?(?=\d)|(?<=\.m\.)\s?[-\u2013]\s?(?=\d)",
            re.IGNORECASE,
        ),
        _to,
    ),
    Rule(re.compile(r"(?<![\d.])(?<!\d,)\d+(?:\.\d+){2,}(?!\w)"), _version),
    Rule(
        re.compile(r"(?<!\w)'(?P<number>\d\d)(?![\w'])"),
        lambda m, v: cardinal(int(m["number"]), british=v.british),
    ),
    Rule(re.compile(rf"(?<![\w.])(?<!\d-)[-](?:{NUMBER}|\.\d+)(?!\w)"), _plain),
    Rule(re.compile(rf"(?<![\w.])\.\d+(?!\w)|(?<![\w])(?<!\d\.)(?<!\d,){NUMBER}(?!\w)"), _plain),
    Rule(re.compile(r"\d+"), _bare),
    # signs
    Rule(re.compile(r"(?<=\d)\s?\+\s?(?=[\d\w])"), lambda _m, _v: " plus "),
    Rule(re.compile(r"(?<=\d)\+(?=\s|$|[.,;])"), lambda _m, _v: " plus"),
    Rule(re.compile(r"(?<=[\d)])\s?[\u00d7*]\s?(?=\d)|(?<=\d)\sx\s(?=\d)"), lambda _m, _v: " times "),
    Rule(re.compile(r"(?<=[\d)])\s?\u00f7\s?(?=\d)"), lambda _m, _v: " divided by "),
    Rule(re.compile(r"\s?=\s?"), lambda _m, _v: " equals "),
    Rule(re.compile(r"(?<=\s)\+(?=\s)"), lambda _m, _v: "plus"),
    Rule(re.compile(r"\u00b1"), lambda _m, _v: "plus or minus "),
    Rule(re.compile(r"(?<=\d):(?=\d)"), lambda _m, _v: " to "),
    Rule(re.compile(r"#(?=\d)|\bNo\.\s?(?=\d)|\bNos\.\s?(?=\d)|\u2116\s?(?=\d)"), lambda _m, _v: "number "),
    Rule(re.compile(r"\u00a7\s?(?=\d)"), lambda _m, _v: "section "),
)
