"""Leaves out what Project Gutenberg puts before and after its books: header, credits and licence."""

import re

from app.text.readers.base import StoryText

_START = re.compile(
    r"\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK[^*]{0,300}\*{3}|"
    r"\*END\*? ?THE SMALL PRINT!? FOR PUBLIC DOMAIN E-?TEXTS?\*[^\n]*",
    re.IGNORECASE,
)
_END = re.compile(
    r"\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK|"
    r"^\W*End of (?:the |this )?Project Gutenberg(?:'s|\u2019s| E-?(?:book|text))",
    re.IGNORECASE | re.MULTILINE,
)
_CREDITS = re.compile(
    r"\s*(?:Produced by|E-?text prepared by|Transcribed (?:from|by)|This e-?(?:book|text) was produced by)"
    r"(?:[^\n]+\n?)+?(?=\s*\n)",
    re.IGNORECASE,
)
_LONGEST_HEADER = 40_000
"""Characters. The header comes first, so that a story that quotes one later is left alone."""


def without_boilerplate(story: StoryText) -> StoryText:
    """Return the story between Project Gutenberg's header and licence, with a note; others as they are."""
    text = story.text
    head = text[:_LONGEST_HEADER]
    begin = _START.search(head)
    if begin is None:
        return story
    start = begin.end()
    if credit := _CREDITS.match(text, start):
        start = credit.end()
    ends = [match.start() for match in _END.finditer(text, start)]
    end = ends[0] if ends else len(text)
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    left_out = len(text) - (end - start)
    note = (
        f"left out Project Gutenberg's header and licence, {left_out:,} characters; "
        "--keep-boilerplate narrates them"
    )
    return story.without(start, end, note)
