"""Addresses of the web and of e-mail, paths and file names, read out part by part."""

import re

from app.text.spoken.base import Rule, Variant, listed
from app.text.spoken.numbers import digits

_SIGNS = {
    ".": "dot",
    "@": "at",
    "/": "slash",
    ":": "colon",
    "-": "dash",
    "_": "underscore",
    "#": "hash",
    "?": "question mark",
    "=": "equals",
    "&": "and",
    "~": "tilde",
    "%": "percent",
    "+": "plus",
}
_NAMES = {
    "http": "HTTP",
    "https": "HTTPS",
    "www": "WWW",
    "ftp": "FTP",
    "html": "HTML",
    "jpg": "jpeg",
    "pdf": "PDF",
    "png": "PNG",
    "gif": "gif",
    "txt": "text",
    "nvidia": "NVIDIA",
    "dgx": "DGX",
    "cuda": "CUDA",
    "msn": "MSN",
    "gmail": "g mail",
    "github": "git hub",
    "youtube": "you tube",
    "facebook": "face book",
}
_TOP_LEVEL = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|co|me|tv|app|dev|uk|us|de|fr|it|es|nl|be|ch|at|eu|ie|ca|au|nz|"
    "jp|cn|in|br|ru|pl|se|no|dk|fi|pt|gr|sm|cz|hu|za|mx|abc"
)
_SUFFIXES = "html?|txt|pdf|jpe?g|png|gif|mp3|mp4|wav|docx?|xlsx?|zip|exe|py|csv|epub|abc"
_SPELLED_TOP_LEVEL = listed("abc io ai tv")
_PART = re.compile(r"[A-Za-z]+|\d+|[^\w\s]|_")
_COMMON = listed(
    "the and but she he it you they we when then that this his her not for so at in me co us no to"
)
_PATH = r"(?:[/:?#][\w./:?#=&~%+@-]*[\w/])?"


def spell_address(text: str) -> str:
    """Return an address in words; digits one by one, country codes and known abbreviations as letters."""
    host_end = text.find("/", text.find("://") + 3) if "://" in text else text.find("/")
    host = text if host_end < 0 else text[:host_end]
    last_label = host.rpartition(".")[2].partition(":")[0] if "." in host else ""
    last_start = len(host) - len(host.rpartition(".")[2])
    spoken = []
    for part in _PART.finditer(text):
        token = part.group()
        if token.isdigit():
            spoken.append(digits(token))
        elif token in _SIGNS:
            spoken.append(_SIGNS[token])
        elif token.isalpha():
            is_top_level = part.start() == last_start and token == last_label
            spoken.append(_word(token, is_top_level=is_top_level))
    return " ".join(spoken)


def _word(token: str, *, is_top_level: bool) -> str:
    lower = token.lower()
    if lower in _NAMES:
        return _NAMES[lower]
    if is_top_level and (len(token) == 2 or lower in _SPELLED_TOP_LEVEL):
        return token.upper()
    return token


def _address(match: re.Match[str], _variant: Variant) -> str:
    return spell_address(match.group())


def _domain(match: re.Match[str], _variant: Variant) -> str | None:
    last = match.group().rpartition(".")[2].lower()
    if last in _COMMON and match.group().count(".") == 1 and not match.group().startswith("www"):
        return None
    return spell_address(match.group())


RULES = (
    Rule(re.compile(r"\b(?:https?|ftp|file|mailto)://?[^\s<>\"]{1,200}[\w/]", re.IGNORECASE), _address),
    Rule(re.compile(rf"\bwww\.[\w-]{{1,63}}(?:\.[\w-]{{1,63}})+{_PATH}", re.IGNORECASE), _address),
    Rule(
        re.compile(rf"(?<![\w.])[\w.%+-]{{1,64}}@[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}})+{_PATH}"),
        _address,
    ),
    Rule(
        re.compile(
            rf"(?<![\w./@-])[A-Za-z0-9][A-Za-z0-9-]{{0,62}}(?:\.[A-Za-z0-9-]{{1,63}}){{0,3}}\.(?:{_TOP_LEVEL})\b(?!\.\w){_PATH}"
        ),
        _domain,
    ),
    Rule(re.compile(rf"(?<![\w./@-])[\w-]{{1,60}}\.(?:{_SUFFIXES})\b(?!\.\w)"), _address),
    Rule(re.compile(r"(?<![\w/])(?:/[\w.-]{2,60}){2,12}/?"), _address),
    Rule(re.compile(r"(?<![\w&#])[#@](?=[A-Za-z])"), lambda m, _v: "hashtag " if m.group() == "#" else "at "),
)
