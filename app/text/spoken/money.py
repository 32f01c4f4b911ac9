"""Amounts of money: `$20.50`, `£2`, `$5m`, `10p`, `US$76.3 trillion`, `$20-$30`."""

import re
from typing import NamedTuple

from app.text.spoken.base import Rule, Variant
from app.text.spoken.numbers import NUMBER, cardinal, number_words


class _Currency(NamedTuple):
    one: str
    many: str
    cent: str = ""
    cents: str = ""


_DOLLAR = _Currency("dollar", "dollars", "cent", "cents")
_CURRENCIES = {
    "$": _DOLLAR,
    "us$": _Currency("U.S. dollar", "U.S. dollars", "cent", "cents"),
    "a$": _Currency("Australian dollar", "Australian dollars", "cent", "cents"),
    "au$": _Currency("Australian dollar", "Australian dollars", "cent", "cents"),
    "c$": _Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "ca$": _Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "nz$": _Currency("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "hk$": _Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "r$": _Currency("real", "reais", "centavo", "centavos"),
    "\u00a3": _Currency("pound", "pounds", "penny", "pence"),
    "\u20ac": _Currency("euro", "euros", "cent", "cents"),
    "\u00a5": _Currency("yen", "yen"),
    "\u20a9": _Currency("won", "won"),
    "\u20b9": _Currency("rupee", "rupees", "paisa", "paise"),
    "\u20bd": _Currency("ruble", "rubles", "kopeck", "kopecks"),
    "\u20ba": _Currency("lira", "liras"),
    "\u20aa": _Currency("shekel", "shekels"),
    "\u20b1": _Currency("peso", "pesos"),
    "\u0e3f": _Currency("baht", "baht"),
    "\u20ab": _Currency("dong", "dong"),
    "usd": _Currency("U.S. dollar", "U.S. dollars", "cent", "cents"),
    "gbp": _Currency("pound", "pounds", "penny", "pence"),
    "eur": _Currency("euro", "euros", "cent", "cents"),
}
_SYMBOL = (
    r"(?P<currency>(?:US|AU?|CA?|NZ|HK|R)?\$|"
    r"[\u00a3\u20ac\u00a5\u20a9\u20b9\u20bd\u20ba\u20aa\u20b1\u0e3f\u20ab])"
)
_SCALES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "mm": "million",
    "mil": "million",
    "b": "billion",
    "bn": "billion",
    "t": "trillion",
    "tn": "trillion",
    "trn": "trillion",
}
_SCALE = r"(?P<scale>\s?(?:hundred|thousand|million|billion|trillion|mn|mm|mil|bn|trn|tn|[kmbt])(?![\w]))?"
_AMOUNT = rf"(?P<amount>{NUMBER}|\.\d+)"
_PER = (
    r"(?P<per>/\s?(?:hr|hour|h|wk|week|day|d|mo|month|yr|year|y|min|lb|kg|oz|gal|ea|head|person|unit|mile|km|"
    r"night)\b)?"
)
_PER_NAMES = {
    "hr": "hour",
    "h": "hour",
    "wk": "week",
    "d": "day",
    "mo": "month",
    "yr": "year",
    "y": "year",
    "min": "minute",
    "lb": "pound",
    "kg": "kilogram",
    "oz": "ounce",
    "gal": "gallon",
    "ea": "each",
    "km": "kilometer",
}
_CENT_DIGITS = 2


def _scale_name(text: str | None) -> str:
    if not text:
        return ""
    name = text.strip().lower()
    return _SCALES.get(name, name)


def _amount(amount: str, scale: str, currency: _Currency, *, british: bool) -> str:
    """Return an amount in words, with its unit: "twenty dollars and fifty cents"."""
    if scale:
        return f"{number_words(amount, british=british)} {scale} {currency.many}"
    whole, _, decimals = amount.replace(",", "").partition(".")
    if decimals and not decimals.strip("0"):
        decimals = ""
    if decimals and (len(decimals.rstrip("0")) > _CENT_DIGITS or not currency.cent):
        words = f"{whole}.{decimals}" if whole else f".{decimals}"
        return f"{number_words(words, british=british)} {currency.many}"
    units, cents = int(whole or 0), int(decimals[:_CENT_DIGITS].ljust(_CENT_DIGITS, "0")) if decimals else 0
    parts = []
    if units or not cents:
        parts.append(f"{cardinal(units, british=british)} {currency.one if units == 1 else currency.many}")
    if cents:
        parts.append(f"{cardinal(cents)} {currency.cent if cents == 1 else currency.cents}")
    return " and ".join(parts)


def _per(text: str | None) -> str:
    if not text:
        return ""
    name = text.strip("/ ")
    return " each" if name == "ea" else f" per {_PER_NAMES.get(name, name)}"


def _money(match: re.Match[str], variant: Variant) -> str:
    currency = _CURRENCIES[match["currency"].lower()]
    scale = _scale_name(match["scale"])
    words = _amount(match["amount"], scale, currency, british=variant.british)
    if _is_adjective(match):
        words = words.removesuffix(currency.many) + currency.one if words.endswith(currency.many) else words
    sign = "minus " if match["sign"] else ""
    return sign + words + _per(match["per"])


_DETERMINER = re.compile(
    r"\b(?:an?|the|this|that|his|her|my|your|their|our|each|every|another|one)\s$", re.IGNORECASE
)
_NOUN = re.compile(
    r"[- ](?:bill|note|coin|bet|fine|fee|ticket|prize|loan|deal|reward|check|cheque|gift|tip|debt|job|"
    r"house|car|watch|suit|dress|book|question|deposit|ransom|piece|bonus|raise)\b"
)


def _is_adjective(match: re.Match[str]) -> bool:
    """Whether the amount is an attribute: "a $5 bill"."""
    return bool(
        _NOUN.match(match.string, match.end()) and _DETERMINER.search(match.string[: match.start()][-10:])
    )


def _money_range(match: re.Match[str], variant: Variant) -> str | None:
    low, high = match["low"], match["high"]
    symbol = match["currency"].lower()
    if match["second"] and match["second"].lower() != symbol:
        return None
    currency = _CURRENCIES[symbol]
    scale = _scale_name(match["scale"])
    last = _amount(high, scale, currency, british=variant.british)
    if "." in low:
        return f"{_amount(low, '', currency, british=variant.british)} to {last}"
    return f"{number_words(low, british=variant.british)} to {last}"


def _prefixed(match: re.Match[str], variant: Variant) -> str:
    """Return "US $76.3 trillion" in the order it is written."""
    words = _amount(match["amount"], _scale_name(match["scale"]), _DOLLAR, british=variant.british)
    return f"{match['country']} {words}"


def _pence(match: re.Match[str], variant: Variant) -> str:
    number = int(match["amount"])
    return f"{cardinal(number, british=variant.british)} {'penny' if number == 1 else 'pence'}"


def _cents(match: re.Match[str], variant: Variant) -> str:
    words = number_words(match["amount"], british=variant.british)
    return f"{words} {'cent' if match['amount'] == '1' else 'cents'}"


def _code(match: re.Match[str], variant: Variant) -> str:
    currency = _CURRENCIES[match["currency"].lower()]
    return _amount(match["amount"], _scale_name(match["scale"]), currency, british=variant.british)


RULES = (
    Rule(
        re.compile(
            rf"(?<![\w$]){_SYMBOL}\s?(?P<low>{NUMBER})\s?(?:-|\u2013|\u2014|to)\s?(?P<second>(?:US)?[$\u00a3\u20ac\u00a5])?(?P<high>{NUMBER}){_SCALE}(?![\w])"
        ),
        _money_range,
    ),
    Rule(re.compile(rf"\b(?P<country>US) \$\s?{_AMOUNT}{_SCALE}"), _prefixed),
    Rule(
        re.compile(rf"(?P<sign>(?<!\w)-)?(?<![A-Za-z$]){_SYMBOL}\s?{_AMOUNT}{_SCALE}{_PER}", re.IGNORECASE),
        _money,
    ),
    Rule(re.compile(r"(?<![\w.,$\u00a3])(?P<amount>\d{1,3})p\b(?!\.\s?\d)"), _pence),
    Rule(re.compile(rf"(?<![\w.,])(?P<amount>{NUMBER})\s?\u00a2"), _cents),
    Rule(re.compile(rf"\b(?P<currency>USD|GBP|EUR)\s?{_AMOUNT}{_SCALE}"), _code),
    Rule(re.compile(rf"(?<![\w.,]){_AMOUNT}{_SCALE}\s?(?P<currency>USD|GBP|EUR|\u20ac|\u00a3)(?!\w)"), _code),
    Rule(re.compile(r"(?<=\d)(?P<scale>bn|mn|tn)\b"), lambda m, _v: f" {_scale_name(m['scale'])}"),
)
