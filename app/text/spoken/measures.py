"""Quantities with units: `5kg`, `6 ft.`, `4 km/h`, `2°C`, `5'10"`, `10%`."""

import re

from app.text.spoken.base import Rule, Variant
from app.text.spoken.numbers import NUMBER, cardinal, fraction, mixed_number, number_words
from app.text.spoken.times import keeps_stop

_UNITS = {
    "kg": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "\u00b5g": ("microgram", "micrograms"),
    "\u03bcg": ("microgram", "micrograms"),
    "\u03bcm": ("micrometer", "micrometers"),
    "ppm": ("part per million", "parts per million"),
    "dm": ("decimeter", "decimeters"),
    "MPa": ("megapascal", "megapascals"),
    "\u03a9": ("ohm", "ohms"),
    "t": ("ton", "tons"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "km": ("kilometer", "kilometers"),
    "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "nm": ("nanometer", "nanometers"),
    "\u00b5m": ("micrometer", "micrometers"),
    "in": ("inch", "inches"),
    "fl oz": ("fluid ounce", "fluid ounces"),
    "fl. oz": ("fluid ounce", "fluid ounces"),
    "mi": ("mile", "miles"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "yds": ("yard", "yards"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "cl": ("centiliter", "centiliters"),
    "dl": ("deciliter", "deciliters"),
    "gal": ("gallon", "gallons"),
    "pt": ("pint", "pints"),
    "qt": ("quart", "quarts"),
    "tsp": ("teaspoon", "teaspoons"),
    "tbsp": ("tablespoon", "tablespoons"),
    "ha": ("hectare", "hectares"),
    "mph": ("mile per hour", "miles per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "kmh": ("kilometer per hour", "kilometers per hour"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "bps": ("bit per second", "bits per second"),
    "kbps": ("kilobit per second", "kilobits per second"),
    "mbps": ("megabit per second", "megabits per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "gbps": ("gigabit per second", "gigabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "s": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "yr": ("year", "years"),
    "yrs": ("year", "years"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "V": ("volt", "volts"),
    "kV": ("kilovolt", "kilovolts"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"),
    "GW": ("gigawatt", "gigawatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "mA": ("milliamp", "milliamps"),
    "J": ("joule", "joules"),
    "kJ": ("kilojoule", "kilojoules"),
    "cal": ("calorie", "calories"),
    "kcal": ("kilocalorie", "kilocalories"),
    "Pa": ("pascal", "pascals"),
    "kPa": ("kilopascal", "kilopascals"),
    "hPa": ("hectopascal", "hectopascals"),
    "psi": ("pound per square inch", "pounds per square inch"),
    "dB": ("decibel", "decibels"),
    "mb": ("megabyte", "megabytes"),
    "gb": ("gigabyte", "gigabytes"),
    "tb": ("terabyte", "terabytes"),
    "KB": ("kilobyte", "kilobytes"),
    "kB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "kb": ("kilobit", "kilobits"),
    "Mb": ("megabit", "megabits"),
    "Gb": ("gigabit", "gigabits"),
    "MP": ("megapixel", "megapixels"),
    "hp": ("horsepower", "horsepower"),
    "cc": ("c c", "c c"),
    "sq ft": ("square foot", "square feet"),
    "sq. ft": ("square foot", "square feet"),
    "sq mi": ("square mile", "square miles"),
    "sq. mi": ("square mile", "square miles"),
    "sq m": ("square meter", "square meters"),
    "sq km": ("square kilometer", "square kilometers"),
    "cu ft": ("cubic foot", "cubic feet"),
    "\u00b0C": ("degree Celsius", "degrees Celsius"),
    "\u00b0 C": ("degree Celsius", "degrees Celsius"),
    "\u2103": ("degree Celsius", "degrees Celsius"),
    "\u00b0F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "\u00b0 F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "\u2109": ("degree Fahrenheit", "degrees Fahrenheit"),
    "\u00b0": ("degree", "degrees"),
    "%": ("percent", "percent"),
    "\u2030": ("per mille", "per mille"),
    "x": ("x", "x"),
}
_PER_UNITS = {
    "h": "hour",
    "hr": "hour",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "m": "meter",
    "m2": "square meter",
    "m\u00b2": "square meter",
    "m3": "cubic meter",
    "m\u00b3": "cubic meter",
    "km": "kilometer",
    "kg": "kilogram",
    "l": "liter",
    "L": "liter",
    "ml": "milliliter",
    "day": "day",
    "d": "day",
    "week": "week",
    "wk": "week",
    "month": "month",
    "mo": "month",
    "yr": "year",
    "year": "year",
    "gal": "gallon",
    "s2": "second squared",
    "s\u00b2": "second squared",
}
_ONLY_GLUED = frozenset(["x", "t", "h"])
"""Units of one letter that are words or letters where a space parts them from their number."""
_ENDS_QUANTITY = re.compile(r"\s*(?:$|[.,;:!?)\u00d7]|(?:x|by|long|wide|tall|high|deep|of)\b)")
_POWERS = {"2": "square", "\u00b2": "square", "3": "cubic", "\u00b3": "cubic"}
_LENGTHS = "km|cm|mm|m|ft|mi|yd"
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_PER = "|".join(re.escape(unit) for unit in sorted(_PER_UNITS, key=len, reverse=True))
_VULGAR = {
    "\u00bd": (1, 2), "\u2153": (1, 3), "\u2154": (2, 3), "\u00bc": (1, 4),
    "\u00be": (3, 4), "\u2155": (1, 5), "\u2156": (2, 5), "\u2157": (3, 5),
    "\u2158": (4, 5), "\u2159": (1, 6), "\u215a": (5, 6), "\u215b": (1, 8),
    "\u215c": (3, 8), "\u215d": (5, 8), "\u215e": (7, 8), "\u2150": (1, 7),
    "\u2151": (1, 9), "\u2152": (1, 10),
}  # fmt: skip
_AMOUNT = (
    rf"(?:(?P<whole>\d{{1,6}})[\s-])?(?P<top>\d{{1,4}})[/\u2044](?P<bottom>\d{{1,3}})(?:(?:th|rd|nd|st)(?!s))?"
    rf"|(?P<mixed>\d{{0,6}})\s?(?P<vulgar>[{''.join(_VULGAR)}])"
    rf"|(?P<number>[-]?(?:{NUMBER}|\.\d+))"
)


def amount_words(match: re.Match[str], *, british: bool) -> str:
    """Return the words of an amount, a fraction or a mixed number, from the groups of `_AMOUNT`."""
    if match["number"]:
        return number_words(match["number"], british=british)
    if match["vulgar"]:
        top, bottom = _VULGAR[match["vulgar"]]
        whole = match["mixed"]
    else:
        top, bottom, whole = int(match["top"]), int(match["bottom"]), match["whole"]
    if whole:
        return mixed_number(int(whole), top, bottom, british=british)
    return fraction(top, bottom, british=british)


def _measure(match: re.Match[str], variant: Variant) -> str | None:
    unit, glued = match["unit"], match["gap"] == ""
    if unit == "in" and not glued and not _ENDS_QUANTITY.match(match.string, match.end("unit")):
        return None
    if unit in _ONLY_GLUED and not glued:
        return None
    amount = amount_words(match, british=variant.british)
    if match["low"]:
        amount = f"{number_words(match['low'], british=variant.british)} to {amount}"
    one = match["number"] in ("1", "-1") and not match["low"]
    if not match["number"] and not (match["whole"] or match["mixed"]):
        amount, one = (
            f"{amount} of a" if match["top"] != match["bottom"] and unit not in ("%", "\u00b0") else amount,
            True,
        )
    if match["hyphen"]:
        one = True
    name = _UNITS[unit][0 if one else 1]
    if match["power"]:
        name = f"{_POWERS[match['power']]} {name}"
    if match["per"]:
        name = f"{name} per {_PER_UNITS[match['per']]}"
    stop = "." if keeps_stop(match) else ""
    return f"{amount} {name}{stop}"


def _feet_inches(match: re.Match[str], variant: Variant) -> str:
    feet = int(match["feet"])
    words = f"{cardinal(feet, british=variant.british)} {'foot' if feet == 1 else 'feet'}"
    if match["inches"]:
        inches = number_words(match["inches"], british=variant.british)
        return f"{words} {inches}"
    return words


def _inches(match: re.Match[str], variant: Variant) -> str:
    words = number_words(match["number"], british=variant.british)
    return f"{words} {'inch' if match['number'] == '1' else 'inches'}" + (" ." if keeps_stop(match) else "")


RULES = (
    Rule(
        re.compile(
            r"(?<![\w.,'])(?P<feet>\d{1,2})['\u2032]\s?(?P<inches>\d{1,2}(?:\.\d)?)(?:[\"\u2033\u201d]|'')?(?![\w'])"
        ),
        _feet_inches,
    ),
    Rule(
        re.compile(r"(?<![\w.,'])(?P<number>\d{1,4}(?:\.\d{1,2})?)(?:\u2033|\s?in\.(?=\s(?:[a-z]|$))|in\b)"),
        _inches,
    ),
    Rule(
        re.compile(
            rf"(?<![\w.,/$\u00a3\u20ac:])(?:(?P<low>{NUMBER})\s?[-\u2013]\s?)?(?:{_AMOUNT})(?P<gap>\s?)(?P<hyphen>-)?(?P<unit>{_UNIT})"
            rf"(?P<power>(?<=[km])[23\u00b2\u00b3]|(?<=ft)[23\u00b2\u00b3])?(?:/(?P<per>{_PER})\b)?(?![\w/'])(?:(?<=[a-z])\.(?=\s|$))?"
        ),
        _measure,
    ),
    Rule(re.compile(r"(?<=\d)\s?%"), lambda _m, _v: " percent"),
    Rule(
        re.compile(r"\u00b0\s?(?P<unit>[CF])\b"),
        lambda m, _v: f" degrees {'Celsius' if m['unit'] == 'C' else 'Fahrenheit'}",
    ),
    Rule(re.compile(r"(?<=\d)\u00b0(?!\w)"), lambda _m, _v: " degrees"),
)
