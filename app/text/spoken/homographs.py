"""Words that are spelled alike and pronounced in two ways, where the sentence tells which: "read"."""

import re

from app.text.spoken.base import Rule, Variant

_PRESENT = re.compile(
    r"\b(?:every|each)\s\w+|\bon\s(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)days\b|\b(?:always|usually|often|sometimes|"
    r"never|rarely|seldom|daily|nightly|nowadays|these\sdays)\b|\bthan\s\w+\s(?:do|does|can)\b|"
    r"\b(?:in the (?:morning|evening|afternoon)s|at weekends|at bedtime|for a living|for fun)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:yesterday|ago|last\s(?:night|week|month|year|summer|winter|monday|sunday)|once|had|have|has|was|were|did|"
    r"when\s\w+\swas|that\s(?:day|night|evening|morning)|then|until)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?][\"'\u201d\u2019)]*\s")
_WINDOW = 200


def _sentence(match: re.Match[str]) -> str:
    text = match.string
    start, end = max(0, match.start() - _WINDOW), min(len(text), match.end() + _WINDOW)
    before, after = text[start : match.start()], text[match.end() : end]
    ends = [found.end() for found in _SENTENCE_END.finditer(before)]
    following = _SENTENCE_END.search(after)
    return (
        before[ends[-1] if ends else 0 :]
        + match.group()
        + (after[: following.start()] if following else after)
    )


def _present_read(match: re.Match[str], _variant: Variant) -> str | None:
    sentence = _sentence(match)
    if _PAST.search(sentence) or not _PRESENT.search(sentence):
        return None
    return "reed"


def _past_read(match: re.Match[str], _variant: Variant) -> str | None:
    before = match.string[: match.start()][-24:].lower()
    if re.search(
        r"\b(?:did|does|do|can|could|will|would|should|must|may|might|shall|let|make|made|help|helped|watch|watched|see|saw|hear|heard|to|if|that|lest)\s+$",
        before,
    ):
        return None
    return "red"


_ADVERB = r"(?:\s(?:always|usually|often|sometimes|never|rarely|seldom|still|also|both|all))?"
RULES = (
    Rule(
        re.compile(rf"\b(?:I|you|we|they){_ADVERB}\s(?P<said>read)\b", re.IGNORECASE), _present_read, "said"
    ),
    Rule(re.compile(r"\b(?:he|she)\s(?P<said>read)\b", re.IGNORECASE), _past_read, "said"),
    Rule(
        re.compile(
            r"\b(?:had|has|have|having|been|was|were)\s(?:\w+ly\s|never\s|ever\s|just\s|not\s|already\s)?(?P<said>read)\b",
            re.IGNORECASE,
        ),
        lambda _m, _v: "red",
        "said",
    ),
    Rule(re.compile(r"\b[Yy]esterday,?\s(?:I|you|we|they)\s(?P<said>read)\b"), lambda _m, _v: "red", "said"),
)
