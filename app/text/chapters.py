"""Finds the chapters of a story: from the sections of its reader, else from the headings of its text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.text.headings import Heading, heading_of
from app.text.readers.base import Section, StoryText
from app.text.words import paragraphs

_OPENING = "Opening"
"""The title of what comes before the first chapter, in a story without a title."""
_SHORTEST = 60
"""Characters. A heading with less below it belongs to a table of contents, or to the heading after it."""
_MAX_HEADING = 200


@dataclass(frozen=True, slots=True)
class ChapterMark:
    """Where a chapter begins in the text."""

    start: int
    title: str


def chapter_marks(story: StoryText) -> Sequence[ChapterMark]:
    """Return the chapters of a story in order; the first starts at 0. Empty if there are fewer than two."""
    sections = list(_of_one_level(story.sections)) or list(_headings(story.text))
    marks = [ChapterMark(section.start, section.title) for section in _with_text(sections, story.text)]
    if not marks:
        return ()
    if marks[0].start < _SHORTEST:
        marks[0] = ChapterMark(0, marks[0].title)
    else:
        marks.insert(0, ChapterMark(0, story.title or _OPENING))
    return marks if len(marks) > 1 else ()


def _of_one_level(sections: Sequence[Section]) -> Iterator[Section]:
    """Yield the sections of the highest level that has several of them, and those above it."""
    levels = [section.level for section in sections]
    level = min((level for level in levels if levels.count(level) > 1), default=0)
    return (section for section in sections if section.level <= level)


def _headings(text: str) -> Iterator[Section]:
    """Yield the paragraphs that begin a chapter; a subtitle right below one is part of its title."""
    chapter: Section | None = None
    for span in paragraphs(text):
        paragraph = text[span.start : min(span.end, span.start + _MAX_HEADING)].strip()
        if not paragraph:
            continue
        kind, line = heading_of(paragraph), " ".join(paragraph.split()).lstrip("# ")
        if chapter:
            is_subtitle = kind is Heading.SECTION
            title = f"{chapter.title.rstrip('.:')}: {line}" if is_subtitle else chapter.title
            yield Section(chapter.start, title, 1)
        chapter = Section(span.start, line, 1) if kind is Heading.CHAPTER else None


def _with_text(sections: Sequence[Section], text: str) -> Iterator[Section]:
    """Yield the sections that have text of their own, as a table of contents has none."""
    ends = (*(section.start for section in sections[1:]), len(text))
    for section, end in zip(sections, ends, strict=False):
        if len(text[section.start : end].strip()) - len(section.title) >= _SHORTEST:
            yield section
