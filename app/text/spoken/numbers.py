"""English numbers in words: cardinals, ordinals, years, decimals, fractions, Roman numerals."""

import re

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"
)  # fmt: skip
_TENS = (
    "_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"
)  # fmt: skip
_SCALES = (
    "_", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
    "septillion", "octillion", "nonillion", "decillion", "undecillion", "duodecillion", "tredecillion"
)  # fmt: skip
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MAX_DIGITS = 3 * len(_SCALES)
_MAX_UNGROUPED = 15
"""Digits. A longer number without commas is an identifier, read digit by digit."""

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
"""A number with or without groups of thousands and decimals."""

_ROMAN = re.compile(r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def cardinal(number: int, *, british: bool = False) -> str:
    """Return `number` in words; British English has "and" before the tens."""
    if number < 0:
        return f"minus {cardinal(-number, british=british)}"
    if len(str(number)) > _MAX_DIGITS:
        return digits(str(number))
    if number < 1000:
        return _below_thousand(number, british=british)
    parts = []
    for power in range(len(_SCALES) - 1, 0, -1):
        group = number // 1000**power % 1000
        if group:
            parts.append(f"{_below_thousand(group, british=british)} {_SCALES[power]}")
    rest = number % 1000
    if rest:
        joint = "and " if british and rest < 100 else ""
        parts.append(joint + _below_thousand(rest, british=british))
    return " ".join(parts)


def _below_thousand(number: int, *, british: bool) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest)
    words = f"{_ONES[hundreds]} hundred"
    if not rest:
        return words
    return f"{words}{' and' if british else ''} {_below_hundred(rest)}"


def _below_hundred(number: int) -> str:
    if number < len(_ONES):
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]} {_ONES[ones]}" if ones else _TENS[tens]


def ordinal(number: int, *, british: bool = False) -> str:
    """Return "first", "twenty second" and so on."""
    head, _, last = cardinal(number, british=british).rpartition(" ")
    if last in _IRREGULAR_ORDINALS:
        last = _IRREGULAR_ORDINALS[last]
    else:
        last = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return f"{head} {last}".strip()


def plural(words: str) -> str:
    """Return the plural of a number in words: "nineteen eighties", "thirds"."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith(("x", "s")) else f"{words}s"


def digits(text: str) -> str:
    """Return the digits of `text` one by one; other characters are dropped."""
    return " ".join(_ONES[int(character)] for character in text if character.isdecimal())


def year(number: int, *, british: bool = False) -> str:
    """Return a year as it is read: "nineteen oh five", "two thousand six", "twenty twelve"."""
    century, rest = divmod(number, 100)
    if not 10 <= century <= 99 or (century % 10 == 0 and rest < 10):
        if 100 <= number < 1000 and rest >= 10:
            return f"{_ONES[century]} {_below_hundred(rest)}"
        return cardinal(number, british=british)
    return pairs(number)


def pairs(number: int) -> str:
    """Return a number of three or four digits by its hundreds: "fourteen twenty eight", "three oh two"."""
    hundreds, rest = divmod(number, 100)
    if not rest:
        return f"{_below_hundred(hundreds)} hundred"
    return f"{_below_hundred(hundreds)} {two_digits(rest)}"


def two_digits(number: int) -> str:
    """Return the last two digits of a year or the minutes of a clock: "oh five", "fifteen"."""
    return f"oh {_ONES[number]}" if number < 10 else _below_hundred(number)


def number_words(text: str, *, british: bool = False) -> str:
    """Return a number as written (`1,234`, `-2.5`, `.5`, `007`) in words."""
    sign = "minus " if text[0] in "-\u2212" else ""
    whole, _, decimals = text.lstrip("-\u2212+").partition(".")
    if not whole:
        words = ""
    elif ("," not in whole and len(whole) > _MAX_UNGROUPED) or (whole[0] == "0" and len(whole) > 1):
        words = digits(whole)
    else:
        words = cardinal(int(whole.replace(",", "")), british=british)
    if decimals:
        words = f"{words} point {digits(decimals)}".strip()
    return sign + words


def fraction(numerator: int, denominator: int, *, british: bool = False) -> str:
    """Return a fraction: "one half", "three quarters", "two thirds", "one hundred over one"."""
    top = cardinal(numerator, british=british)
    if denominator in (0, 1):
        return f"{top} over {_ONES[denominator]}"
    if denominator == 2:
        name = "half" if numerator == 1 else "halves"
    elif denominator == 4:
        name = "quarter" if numerator == 1 else "quarters"
    else:
        name = ordinal(denominator, british=british)
        if numerator != 1:
            name = plural(name)
    return f"{top} {name}"


def mixed_number(whole: int, numerator: int, denominator: int, *, british: bool = False) -> str:
    """Return a mixed number: "two and a half", "one and three quarters"."""
    part = fraction(numerator, denominator, british=british)
    if numerator == 1 and denominator in (2, 4):
        part = f"a {part.split()[-1]}"
    return f"{cardinal(whole, british=british)} and {part}"


def roman_value(text: str) -> int | None:
    """Return the value of a Roman numeral in capitals, None if it is not a valid one."""
    if not _ROMAN.fullmatch(text):
        return None
    values = [_ROMAN_VALUES[letter] for letter in text]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
