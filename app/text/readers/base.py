"""What a reader returns, and how it is built paragraph by paragraph."""

from dataclasses import dataclass, replace

from app.errors import RefusedTextError

MAX_CHARACTERS = 16 * 1024 * 1024
"""Of one story: about ten times what fits into a WAV file as speech."""
NARRATED_SUFFIX = ".narrated.txt"
"""Of the file with the text that was narrated, where that is not the story's file itself."""
SCENE_BREAK = "* * *"
"""Stands for a rule between two paragraphs."""


def too_long() -> RefusedTextError:
    """Return the error for a text of more than MAX_CHARACTERS."""
    return RefusedTextError(f"more than {MAX_CHARACTERS:,} characters: split the story into several files")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading that a reader found."""

    start: int
    """First character of the heading in the text."""
    title: str
    level: int
    """1 for the highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryText:
    """The text of a story, as it is narrated, and what is known about it."""

    text: str
    sections: tuple[Section, ...] = ()
    """In the order of the text."""
    title: str = ""
    author: str = ""
    language: str = ""
    """A language tag, such as "en-GB"."""
    cover: bytes = b""
    """The cover as JPEG or PNG."""
    notes: tuple[str, ...] = ()
    """What was left out, for people."""
    is_extracted: bool = True
    """Whether the text differs from the bytes of the file, so that it should be kept beside the media."""

    def without(self, start: int, end: int, note: str) -> "StoryText":
        """Return the story with `text[start:end]` alone."""
        sections = tuple(
            replace(section, start=section.start - start)
            for section in self.sections
            if start <= section.start < end
        )
        return replace(
            self,
            text=self.text[start:end],
            sections=sections,
            notes=(*self.notes, note),
            is_extracted=True,
        )


class TextBuilder:
    """Builds a text from paragraphs, and notes where headings and anchors are."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self.sections: list[Section] = []
        self.anchors: dict[str, int] = {}
        """Positions by name: of the paragraph that an anchor is in, or that follows it."""

    def paragraph(self, text: str, *, level: int = 0) -> int:
        """
        Append a paragraph, unless it is blank; it is a heading if `level` is above 0. Return its position.

        Raises RefusedTextError if the text becomes too long.
        """
        text = text.strip()
        start = self._length + (2 if self._parts else 0)
        if not text:
            return start
        if start + len(text) > MAX_CHARACTERS:
            raise too_long()
        self._parts.append(text)
        self._length = start + len(text)
        if level:
            self.sections.append(Section(start, " ".join(text.split()), level))
        return start

    def anchor(self, name: str) -> None:
        """Name the position of the next paragraph."""
        self.anchors.setdefault(name, self._length + (2 if self._parts else 0))

    @property
    def text(self) -> str:
        """The text so far."""
        return "\n\n".join(self._parts)
