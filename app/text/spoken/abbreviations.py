"""Titles and other abbreviations in full, without the pause that their dot would make."""

import re

from app.text.spoken.base import Rule, Variant, listed
from app.text.spoken.times import keeps_stop

_TITLES = {
    "Mr": "Mister",
    "Mrs": "Mrs",
    "Ms": "Miz",
    "Messrs": "Messers",
    "Mme": "Madame",
    "Mlle": "Mademoiselle",
    "Dr": "Doctor",
    "Drs": "Doctors",
    "Prof": "Professor",
    "Rev": "Reverend",
    "Revd": "Reverend",
    "Hon": "Honorable",
    "Fr": "Father",
    "Gen": "General",
    "Col": "Colonel",
    "Maj": "Major",
    "Capt": "Captain",
    "Cpt": "Captain",
    "Cmdr": "Commander",
    "Cdr": "Commander",
    "Lt": "Lieutenant",
    "Lieut": "Lieutenant",
    "Sgt": "Sergeant",
    "Cpl": "Corporal",
    "Pvt": "Private",
    "Adm": "Admiral",
    "Gov": "Governor",
    "Pres": "President",
    "Sen": "Senator",
    "Rep": "Representative",
    "Supt": "Superintendent",
    "Insp": "Inspector",
    "Det": "Detective",
    "Mt": "Mount",
    "Ft": "Fort",
    "Ste": "Saint",
    "Bro": "Brother",
    "Atty": "Attorney",
    "Gens": "Generals",
    "Pte": "Private",
    "Esq": "Esquire",
}
_ALWAYS_DOTTED = listed("Fr Gen Hon Rep Sen Pres Gov Det Ft Bro Col Maj Adm Rev Esq")
_WORDS = {
    "etc": "et cetera",
    "vs": "versus",
    "viz": "namely",
    "approx": "approximately",
    "esp": "especially",
    "dept": "department",
    "govt": "government",
    "assn": "association",
    "ca": "circa",
    "cf": "compare",
    "ed": "edition",
    "vol": "volume",
    "vols": "volumes",
    "ch": "chapter",
    "chap": "chapter",
    "fig": "figure",
    "figs": "figures",
    "pp": "pages",
    "p": "page",
    "par": "paragraph",
    "incl": "including",
    "misc": "miscellaneous",
    "apt": "apartment",
    "tel": "telephone",
    "est": "established",
    "ext": "extension",
}
_BEFORE_NUMBER = listed("vol vols ch chap fig figs pp p par apt est ed ext")
_ANY_CASE = "|".join(sorted(_WORDS, key=len, reverse=True))
_COMPANIES = {
    "Co": "Company",
    "Corp": "Corporation",
    "Inc": "Incorporated",
    "Ltd": "Limited",
    "Bros": "Brothers",
}
_STREETS = {
    "St": "Street",
    "Ave": "Avenue",
    "Rd": "Road",
    "Blvd": "Boulevard",
    "Ln": "Lane",
    "Sq": "Square",
    "Hwy": "Highway",
}
_DAYS = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Tues": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Thur": "Thursday",
    "Thurs": "Thursday",
    "Fri": "Friday",
    "Sat": "Saturday",
    "Sun": "Sunday",
}
_TITLE = "|".join(sorted(_TITLES, key=len, reverse=True))
_LETTERS_WITH_DOTS = re.compile(r"(?<![\w.])(?:[A-Za-z]\.){2,6}(?!\w)")


def _stop(match: re.Match[str]) -> str:
    return "." if keeps_stop(match) else ""


def _title(match: re.Match[str], variant: Variant) -> str | None:
    name = match["title"]
    if not match["dot"] and name in _ALWAYS_DOTTED:
        return None
    if name in ("Lt", "Lieut") and variant.british:
        return "Leftenant"
    return _TITLES[name]


def _saint_or_street(match: re.Match[str], _variant: Variant) -> str:
    before = match.string[: match.start()][-40:]
    rest = match.string[match.end() : match.end() + 20]
    is_street = re.search(r"\b(?:\d+(?:st|nd|rd|th)?|[A-Z]\w*)\s$", before) is not None
    names_saint = re.match(r"\s[A-Z][a-z]", rest) is not None
    if is_street and names_saint and (ends := re.match(r"\s[A-Z][a-z]+", rest)):
        # "on Elm St. It was": a sentence begins; "Great St. Mary": a name goes on
        begins = ends.group().strip() in _STARTERS
        return "Street." if begins else "Saint"
    if names_saint:
        return "Saint"
    return f"Street{_stop(match)}" if is_street else f"Saint{_stop(match)}"


_STARTERS = listed(
    "The A An He She It They We You I This That These Those There Then But And So Yet If When While "
    "After Before As In On At For From With What Who Why How Where His Her Its Their Our My Your No "
    "Not One"
)


def _junior(match: re.Match[str], _variant: Variant) -> str:
    return ("Junior" if match["name"] == "Jr" else "Senior") + _stop(match)


def _word(match: re.Match[str], _variant: Variant) -> str | None:
    name = match["name"].lower()
    if name in _BEFORE_NUMBER and not re.match(r"\s?\d", match.string[match.end() : match.end() + 2]):
        return None
    return _WORDS[name] + _stop(match)


def _table(table: dict[str, str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?P<name>{'|'.join(sorted(table, key=len, reverse=True))})\.")


def _company(match: re.Match[str], _variant: Variant) -> str:
    return _COMPANIES[match["name"]] + _stop(match)


def _street(match: re.Match[str], _variant: Variant) -> str:
    return _STREETS[match["name"]] + _stop(match)


def _day(match: re.Match[str], _variant: Variant) -> str:
    return _DAYS[match["name"]] + _stop(match)


def _latin(match: re.Match[str], _variant: Variant) -> str:
    return "for example" if match["letter"].lower() == "e" else "that is"


def _with(match: re.Match[str], _variant: Variant) -> str:
    return "without" if match.group().lower() == "w/o" else "with "


def _slash(match: re.Match[str], _variant: Variant) -> str:
    pair = match.string[max(0, match.start() - 4) : match.end() + 4].lower()
    if re.search(r"\band/or", pair):
        return " "
    if re.search(
        r"\b(?:s?he/s?he|him/her|his/her|her/his|he/she)",
        match.string[max(0, match.start() - 3) : match.end() + 3].lower(),
    ):
        return " or "
    return " slash "


def _initial(match: re.Match[str], _variant: Variant) -> str | None:
    """Drop the dot of an initial before a name, unless a sentence begins: "Plan B. Then"."""
    return None if match["next"] in _STARTERS else ""


RULES = (
    Rule(
        re.compile(rf"\b(?P<title>{_TITLE})(?P<dot>\.|\b)(?=\s(?:\w|['\"\u201c]))(?<!\bDr)(?<!\bDr\.)"),
        _title,
    ),
    Rule(re.compile(r"\b(?P<title>Drs?)(?P<dot>\.|\b)(?=\s[A-Z])"), _title),
    Rule(
        re.compile(r"\bDr\.(?!\s[A-Z])"),
        lambda m, _v: (
            ("Drive" if re.search(r"[A-Z]\w*\s$", m.string[: m.start()][-20:]) else "Doctor") + _stop(m)
        ),
    ),
    Rule(re.compile(r"\bSt\.|\bSt(?=\s[A-Z])|(?<=[a-z] )St(?=\s*$|[,;:])"), _saint_or_street),
    Rule(re.compile(r",?\s?\b(?P<said>(?P<name>Jr|Sr)(?:\.|\b))"), _junior, "said"),
    Rule(
        re.compile(r"\b(?P<letter>[eE]|[iI])\.\s?(?<=[eE]\.)g\.,?|\b(?P<i>[iI])\.\s?e\.,?"),
        lambda m, _v: "that is," if m["i"] else "for example,",
    ),
    Rule(re.compile(rf"\b(?P<name>{_ANY_CASE})\.", re.IGNORECASE), _word),
    Rule(re.compile(r"\bvs\b"), lambda _m, _v: "versus"),
    Rule(_table(_COMPANIES), _company),
    Rule(_table(_STREETS), _street),
    Rule(_table(_DAYS), _day),
    Rule(re.compile(r"\bw/o\b|\bw/(?=\w)|\bw/\s", re.IGNORECASE), _with),
    Rule(re.compile(r"(?<=\w)\s?&\s?(?=\w)"), lambda m, _v: re.sub(r"\s?&\s?", " and ", m.group())),
    Rule(re.compile(r"(?<=\w)/(?=\w)"), _slash),
    Rule(
        re.compile(r"(?<![\w.&'])(?P<letter>[B-HJ-Z])(?P<dot>\.)(?=\s(?P<next>[A-Z][\w']*))"), _initial, "dot"
    ),
)
