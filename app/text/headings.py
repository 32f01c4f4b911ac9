"""Tells headings from paragraphs, so that the narration can pause after them."""

import re
from enum import IntEnum


class Heading(IntEnum):
    """What kind of heading a paragraph is."""

    NONE = 0
    SECTION = 1
    """A title or subtitle: a short line without a full stop."""
    CHAPTER = 2
    """The start of a chapter or part, by its word, its numeral or its level in Markdown."""


_MAX_CHARACTERS = 80
_MAX_WORDS = 10
_CHAPTER = re.compile(
    r"\s*(?:#\s+|(?:#{1,6}\s+)?(?:chapter|part|book|canto|act|prologue|epilogue|preface|foreword|introduction|"
    r"kapitel|teil|chapitre|partie|livre|cap[i\u00ed]tulo|parte|libro|capitolo)\b(?!\s+[a-z]+\s+[a-z]+)|"
    r"(?:\d{1,3}|[IVXLC]{1,7})\.?\s*$)",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(r"\s*#{1,6}\s+\S")
_ENDS_SENTENCE = re.compile(r"[.!?,;:\u2026\u3002\uff01\uff1f][\"'\u2019\u201d)\]*_]*\s*$")


def heading_of(paragraph: str) -> Heading:
    """Return the kind of heading that `paragraph`, which another one follows, is."""
    text = paragraph.strip()
    if not text or len(text) > _MAX_CHARACTERS or "\n" in text:
        return Heading.NONE
    if _CHAPTER.match(text) and (not _ENDS_SENTENCE.search(text) or len(text) < 24):  # noqa: PLR2004
        return Heading.CHAPTER
    if _MARKDOWN.match(text):
        return Heading.SECTION
    if _ENDS_SENTENCE.search(text) or len(text.split()) > _MAX_WORDS:
        return Heading.NONE
    letters = [word for word in text.split() if word[:1].isalpha()]
    capitals = sum(word[:1].isupper() for word in letters)
    return Heading.SECTION if letters and capitals * 2 >= len(letters) else Heading.NONE
