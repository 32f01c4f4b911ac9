"""Dates, decades, eras and quarters of a year."""

import re

from app.text.spoken.base import Rule, Variant
from app.text.spoken.numbers import cardinal, digits, ordinal, plural, two_digits, year

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december"
)  # fmt: skip
_SHORT = {month[:3]: index for index, month in enumerate(_MONTHS, start=1)} | {"sept": 9}
_MONTH = (
    r"(?P<month>january|february|march|april|may|june|july|august|september|october|november|december|"
    r"(?:jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec)\b\.?)"
)
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<year>[12]\d{3}|'\d\d)"
_DECADE = r"(?P<century>(?:1\d|20|[3-9])?)(?P<decade>\d0)"
_ERA = r"(?P<era>[AB]\.?\s?[DC]\.?(?:\s?E\b\.?)?(?!\w)|a\.\s?d\.|b\.?\s?c\.?(?:\s?e\b\.?)?(?!\w)|C\.?E\b\.?)"
_SUBJECT = re.compile(r"\b(?:I|you|he|she|it|we|they|this|that|who|one|to)\s$", re.IGNORECASE)
_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|eighty|"
    "ninety|hundred|thousand|teen|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
)
_ORDINAL_WORDS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|"
    "fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|twenty|thirtieth|thirty"
)
_UNITS_AFTER = re.compile(
    r"\s?(?:miles?|days?|weeks?|months?|years?|hours?|minutes?|men|feet|of|times|to|%|km|yards?)\b"
)


def _month_name(text: str) -> str:
    name = text.lower().rstrip(".")
    return _MONTHS[_SHORT[name] - 1] if name in _SHORT else name


def _capitalized_month(text: str) -> str:
    return _month_name(text).capitalize()


def _year_words(text: str, variant: Variant) -> str:
    if text.startswith("'"):
        return two_digits(int(text[1:]))
    return year(int(text), british=variant.british)


def _month_first(match: re.Match[str], variant: Variant) -> str | None:
    if not match["year"] and not match["suffix"]:
        if _UNITS_AFTER.match(match.string, match.end()):
            return None
        if match["month"] in ("may", "march") and _SUBJECT.search(match.string[: match.start()][-8:]):
            return None
    words = f"{_capitalized_month(match['month'])} {ordinal(int(match['day']))}"
    return f"{words}, {_year_words(match['year'], variant)}" if match["year"] else words


def _day_first(match: re.Match[str], variant: Variant) -> str | None:
    if match["month"] in ("may", "march", "mar") and not match["year"]:
        return None
    before = match.string[: match.start()].rstrip().lower()
    article = "" if re.search(r"\b(?:the|this|that|of)$", before[-6:]) else "the "
    words = f"{article}{ordinal(int(match['day']))} of {_capitalized_month(match['month'])}"
    return f"{words} {_year_words(match['year'], variant)}" if match["year"] else words + _stop(match)


def _month_year(match: re.Match[str], variant: Variant) -> str:
    return f"{_capitalized_month(match['month'])} {_year_words(match['year'], variant)}"


def _month_alone(match: re.Match[str], _variant: Variant) -> str:
    return _capitalized_month(match["month"]) + _stop(match)


def _stop(match: re.Match[str]) -> str:
    """Keep the dot of an abbreviation at the end of the text."""
    at_end = not match.string[match.end() :].strip(" \n\"'\u201d\u2019)")
    return "." if match.group().endswith(".") and at_end else ""


def _numeric(match: re.Match[str], variant: Variant) -> str | None:
    first, second, third = match["first"], match["second"], match["third"]
    if len(first) == 4:
        full_year, month, day = first, int(second), int(third)
        day_first = month > 12
        if day_first:
            month, day = day, month
    elif len(third) in (2, 4):
        full_year, month, day = third, int(first), int(second)
        day_first = (variant.british and day <= 12) or month > 12
        if day_first:
            month, day = day, month
    else:
        return None
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    if len(full_year) == 4:
        said = year(int(full_year), british=variant.british)
    else:
        said = digits(full_year) if full_year.startswith("0") else cardinal(int(full_year))
    name = _MONTHS[month - 1].capitalize()
    if day_first:
        return f"the {ordinal(day)} of {name} {said}"
    return f"{name} {ordinal(day)}, {said}"


def _decade(match: re.Match[str], _variant: Variant) -> str | None:
    century, decade = match["century"], match["decade"]
    if decade == "00":
        if not century:
            return None
        number = int(century)
        return f"{cardinal(number // 10)} thousands" if number % 10 == 0 else f"{cardinal(number)} hundreds"
    words = plural(cardinal(int(decade)))
    return f"{cardinal(int(century))} {words}" if century else words


def _era(match: re.Match[str], variant: Variant) -> str:
    letters = "".join(character for character in match["era"] if character.isalpha()).upper()
    number = int(match["number"])
    words = year(number, british=variant.british)
    rest = match.string[match.end() :]
    stop = " ." if match.group().endswith(".") and re.match(r"\s+[A-Z]", rest) else ""
    return f"{words} {'.'.join(letters)}.{stop}"


def _era_first(match: re.Match[str], variant: Variant) -> str:
    return f"A.D. {year(int(match['number']), british=variant.british)}"


def _quarter(match: re.Match[str], variant: Variant) -> str:
    number = match["number"]
    said = cardinal(int(number)) if len(number) == 2 else year(int(number), british=variant.british)
    return f"the {ordinal(int(match['quarter']))} quarter of {said}"


def _day_range(match: re.Match[str], variant: Variant) -> str:
    days = f"the {ordinal(int(match['low']))} to the {ordinal(int(match['high']))}"
    said = f"{days} of {_capitalized_month(match['month'])}"
    return f"{said} {_year_words(match['year'], variant)}" if match["year"] else said


def _month_range(match: re.Match[str], variant: Variant) -> str:
    said = (
        f"{_capitalized_month(match['month'])} {ordinal(int(match['low']))} to {ordinal(int(match['high']))}"
    )
    return f"{said}, {_year_words(match['year'], variant)}" if match["year"] else said


_I = re.IGNORECASE
_DAYS = (
    r"(?P<low>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\s?[-\u2013]\s?"
    r"(?P<high>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
)
RULES = (
    Rule(re.compile(rf"(?<![\w.,/$-]){_DAYS}\s{_MONTH}\b(?:,?\s{_YEAR}(?!\d|,\d))?", _I), _day_range),
    Rule(re.compile(rf"\b{_MONTH}\s{_DAYS}(?![\d%-]|[.:]\d)(?:,\s{_YEAR}(?!\d|,\d))?", _I), _month_range),
    Rule(
        re.compile(
            rf"\b{_MONTH}[\s-]{_DAY}(?P<suffix>st|nd|rd|th)?(?!\d|[:.,]\d|%|\s?[ap]\.?m\b)(?:,?[\s-]{{1,2}}{_YEAR}(?!\d|,\d))?",
            _I,
        ),
        _month_first,
    ),
    Rule(
        re.compile(
            rf"(?<![\w.,/$£€-]){_DAY}(?P<suffix>st|nd|rd|th)?(?:\sof)?[\s-]{_MONTH}(?!\w)(?:,?[\s-]{{1,2}}{_YEAR}(?!\d|,\d))?",
            _I,
        ),
        _day_first,
    ),
    Rule(re.compile(rf"\b{_MONTH}(?:,|\sof)?\s{_YEAR}(?!\d|,\d)", _I), _month_year),
    Rule(re.compile(r"\b(?P<month>(?:Jan|Feb|Apr|Aug|Sept|Sep|Oct|Nov|Dec)\.)"), _month_alone),
    Rule(
        re.compile(
            r"(?<![\w./-])(?P<first>\d{1,4})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)(?P<third>\d{1,4})(?![\w/-]|\.\d)"
        ),
        _numeric,
    ),
    Rule(re.compile(rf"(?<![\w.,$£€])(?:(?P<apostrophe>')|\b){_DECADE}'?(?:(?<=\d\d\d\d)\s)?s\b"), _decade),
    Rule(re.compile(rf"(?<![\w.,])(?P<number>\d{{1,4}})\s?{_ERA}"), _era),
    Rule(
        re.compile(rf"\b(?:{_NUMBER_WORDS}) (?P<era>AD|BC|BCE|CE)\b(?!')"),
        lambda m, _v: ".".join(m["era"]) + ".",
        "era",
    ),
    # in lower case, "august" is an adjective elsewhere
    Rule(re.compile(rf"\b(?P<said>august)(?=\s(?:{_ORDINAL_WORDS})\b)"), lambda _m, _v: "August", "said"),
    Rule(re.compile(r"\bA\.?D\.?\s(?P<number>\d{1,4})\b"), _era_first),
    Rule(re.compile(r"\b(?P<quarter>[1-4])Q\s?'?(?P<number>\d{2}|\d{4})\b"), _quarter),
    Rule(re.compile(r"\bQ(?P<quarter>[1-4])\s?'?(?P<number>\d{2}|\d{4})\b"), _quarter),
)
