"""Roman numerals in context: chapters, monarchs, wars, and headings that are a numeral alone."""

import re

from app.text.spoken.base import Rule, Variant, listed
from app.text.spoken.numbers import cardinal, ordinal, roman_value

_COUNTED = (
    "chapter|part|act|scene|book|volume|vol\\.?|section|war|phase|appendix|article|canto|psalm|figure|fig\\.?|table|"
    "stage|type|class|grade|level|episode|season|round|bowl|stanza|verse|letter|lesson|plate|number|no\\.|ch\\.?|pt\\.?|"
    "bk\\.?|unit|mark|apollo|saturn|olympiad|amendment|title|schedule|step|rule|corps"
)
_MONARCHS = (
    "Henry|Louis|George|Edward|Charles|James|William|Richard|John|Paul|Pius|Benedict|Gregory|Innocent|Clement|Leo|"
    "Alexander|Nicholas|Catherine|Elizabeth|Mary|Philip|Ferdinand|Frederick|Wilhelm|Friedrich|Francis|Fran\u00e7ois|"
    "Napoleon|Peter|Ivan|Otto|Urban|Boniface|Julius|Sixtus|Stephen|Victor|Umberto|Carlos|Felipe|Alfonso|Christian|"
    "Gustav|Haakon|Harald|Olav|Albert|Leopold|Baldwin|Baudouin|Ramses|Rameses|Thutmose|Amenhotep|Ptolemy|Cleopatra|"
    "Darius|Xerxes|Mehmed|Murad|Selim|Suleiman|Robert|David|Kenneth|Constantine|Theodosius|Justinian|Conrad|"
    "Rudolf|Rudolph|Maximilian|Joseph|Margaret|Margrethe|Isabella|Ludwig|Sigismund|Casimir|Stanislaw|Bela|Matthias"
)
_AFTER_FIRST = (
    r"(?=\s*(?:$|[,;:.!?)'\u2019]|of\b|was\b|and\b|died\b|reigned\b|ruled\b|is\b|became\b|gave\b|who\b|in\b|at\b|to\b|"
    r"built\b|made\b|fled\b|ordered\b))"
)
_NOT_NUMERALS = listed("I MIX DIM MID MI DI LI CIVIC VIVID MILD CD DC MD CC DVD MC MM CV ID")


def _count(match: re.Match[str], variant: Variant) -> str | None:
    value = roman_value(match["numeral"].upper())
    return None if value is None else cardinal(value, british=variant.british)


def _rank(match: re.Match[str], variant: Variant) -> str | None:
    value = roman_value(match["numeral"])
    return None if value is None else f"the {ordinal(value, british=variant.british)}"


def _ordinal(match: re.Match[str], variant: Variant) -> str | None:
    value = roman_value(match["numeral"])
    return None if value is None or match["numeral"] == "I" else ordinal(value, british=variant.british)


def _name(match: re.Match[str], variant: Variant) -> str | None:
    """A numeral of two letters or more behind a capitalized word: "Rocky II"."""
    numeral = match["numeral"]
    value = roman_value(numeral)
    if value is None or numeral in _NOT_NUMERALS or value > 50:
        return None
    return cardinal(value, british=variant.british)


_COUNTED_NUMERAL = (
    r"(?P<numeral>[MDCLXVI]{2,12}\b|[VX]\b|I\b(?=\s*(?:$|[.,:;!?)\u2013\u2014-]|\n))|[xvi]{2,6}\b|[vx]\b(?=\s*(?:$|[.,:;]))|"
    r"i\b(?=\s*(?:$|[.,:;])))(?!')"
)
RULES = (
    Rule(re.compile(r"\A\s*(?P<numeral>[MDCLXVI]{1,12})\.?\s*\Z"), _count, "numeral"),
    Rule(re.compile(rf"\b(?i:{_COUNTED})\s{_COUNTED_NUMERAL}"), _count, "numeral"),
    Rule(
        re.compile(
            rf"\b(?i:{_COUNTED})s?\s[MDCLXVI]{{1,12}}(?:,\s[MDCLXVI]{{1,12}}){{0,4}},?\s(?:and|to|or|&)\s"
            rf"(?P<numeral>[MDCLXVI]{{2,12}}|[VX])\b(?!')"
        ),
        _count,
        "numeral",
    ),
    Rule(
        re.compile(
            rf"\b(?i:{_COUNTED})s\s(?P<numeral>[MDCLXVI]{{1,12}})\b(?=,?\s(?:and|to|or|&)\s[MDCLXVI])"
        ),
        _count,
        "numeral",
    ),
    Rule(
        re.compile(rf"\b(?:{_MONARCHS})\s(?P<numeral>[MDCLXVI]{{2,8}}\b|[VX]\b|I\b{_AFTER_FIRST})"),
        _rank,
        "numeral",
    ),
    Rule(
        re.compile(
            r"\b(?:King|Queen|Pope|Emperor|Empress|Tsar|Czar|Prince|Duke|Kaiser|Sultan|Pharaoh|Elector)\s[A-Z]\w+\s"
            r"(?P<numeral>[MDCLXVI]{2,8}|[VX])\b"
        ),
        _rank,
        "numeral",
    ),
    Rule(re.compile(r"\b[A-Z][a-z]+\s(?P<numeral>[XVI]{2,6})\b(?!')"), _name, "numeral"),
    Rule(
        re.compile(
            r"\b(?P<numeral>[XVI]{1,6})\b(?=\s(?:[Cc]entury|[Cc]enturies|Corps|Army|Legion|Olympiad|Dynasty)\b)"
        ),
        _ordinal,
        "numeral",
    ),
    Rule(re.compile(r"\((?P<numeral>ii|iii|iv|vi|vii|viii|ix|xi|xii)\)"), _count, "numeral"),
    Rule(re.compile(r"^\s*(?P<numeral>[MDCLXVI]{2,8})\.(?=\s)"), _count, "numeral"),
)
