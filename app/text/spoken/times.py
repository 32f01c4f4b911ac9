"""Clock times: `9:30`, `7 p.m.`, `23:15`, `10:00:00`."""

import re

from app.text.spoken.base import Rule, Variant
from app.text.spoken.numbers import cardinal, two_digits

MERIDIEM = r"(?:[ap]\.\s?m\b\.?|[ap]m\b|[AP]\.\s?M\b\.?|[AP]M\b)"
_ZONE = r"(?:[ecmp]\.?[sd]?\.?t\b\.?|gmt|g\.m\.t\.?|utc|u\.t\.c\.?|bst|cet)"
_TIME = re.compile(
    rf"(?<![\w:.,$£€])(?P<hour>[01]?\d|2[0-4])[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:]|\.\d)"
    rf"(?P<meridiem>\s?{MERIDIEM})?(?P<zone>\s?(?<![a-z]){_ZONE}(?![a-z]))?",
    re.IGNORECASE,
)
_HOUR = re.compile(
    rf"(?<![\w:.,$£€])(?P<hour>1[0-2]|0?[1-9])(?P<meridiem>\s?{MERIDIEM})(?P<zone>\s?{_ZONE}(?![a-z]))?",
    re.IGNORECASE,
)


def letters_of(text: str) -> str:
    """Return the letters of "p.m." or "E.S.T." in capitals."""
    return "".join(character for character in text if character.isalpha()).upper()


def keeps_stop(match: re.Match[str]) -> bool:
    """Whether the dot at the end of an abbreviation also ends the sentence."""
    if not match.group().endswith("."):
        return False
    rest = match.string[match.end() : match.end() + 40]
    return re.match(r"[\"'\u201d\u2019)\]]*(?:\s*$|\s+[\"'\u201c\u2018(]*[A-Z])", rest) is not None


def _extra_stop(match: re.Match[str]) -> str:
    """Return a stop behind "P.M." where a sentence begins; its own dots are read as part of the letters."""
    return " ." if keeps_stop(match) and match.string[match.end() :].strip() else ""


def _suffix(match: re.Match[str]) -> str:
    parts = []
    if match["meridiem"]:
        parts.append(".".join(letters_of(match["meridiem"])) + ".")
    if match["zone"]:
        parts.append(" ".join(letters_of(match["zone"])))
    return "".join(f" {part}" for part in parts) + _extra_stop(match)


def _time(match: re.Match[str], _variant: Variant) -> str | None:
    hour, minute = int(match["hour"]), int(match["minute"])
    has_dot = match.string[match.end("hour")] == "."
    if has_dot and not match["meridiem"]:
        return None
    if match["second"]:
        return _with_seconds(hour, minute, int(match["second"])) + _suffix(match)
    if minute:
        words = f"{cardinal(hour)} {two_digits(minute)}"
    elif match["meridiem"]:
        words = cardinal(hour)
    elif 1 <= hour <= 12:
        words = f"{cardinal(hour)} o'clock"
    elif hour in (0, 24):
        words = "midnight"
    else:
        words = f"{cardinal(hour)} hundred hours"
    return words + _suffix(match)


def _with_seconds(hour: int, minute: int, second: int) -> str:
    def unit(number: int, name: str) -> str:
        return f"{cardinal(number)} {name}{'' if number == 1 else 's'}"

    return f"{unit(hour, 'hour')} {unit(minute, 'minute')} and {unit(second, 'second')}"


def _hour(match: re.Match[str], _variant: Variant) -> str:
    return cardinal(int(match["hour"])) + _suffix(match)


def _meridiem(match: re.Match[str], _variant: Variant) -> str:
    zone = f" {' '.join(letters_of(match['zone']))}" if match["zone"] else ""
    return f"{'.'.join(letters_of(match['meridiem']))}.{zone}" + _extra_stop(match)


_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirty|forty|fifty|fifteen|o'clock"
)

RULES = (
    Rule(_TIME, _time),
    Rule(_HOUR, _hour),
    Rule(
        re.compile(
            rf"\b(?:{_NUMBER_WORDS}) "
            rf"(?P<said>(?P<meridiem>[AP]M|[ap]\.m\.)(?P<zone> (?:[ECMP][SD]?T|GMT|UTC))?\b)"
        ),
        _meridiem,
        "said",
    ),
    Rule(
        re.compile(r"\b[AP]M (?P<zone>[ECMP][SD]?T|GMT|UTC)\b"),
        lambda m, _v: " ".join(m["zone"]),
        "zone",
    ),
)
