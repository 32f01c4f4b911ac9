"""Chapters are found from the sections of a reader, else from the headings of the text."""

import pytest

from app.text.chapters import chapter_marks
from app.text.readers.base import Section, StoryText

BODY = "\n\nIt was a dark night, and the fox went out to pray to the moon for light, as foxes do."


def titles(text: str, *sections: tuple[str, int], title: str = "") -> list[str]:
    """Return the titles of the chapters of a text; sections are found in it by their titles."""
    found = tuple(Section(text.index(name), name, level) for name, level in sections)
    marks = chapter_marks(StoryText(text=text, sections=found, title=title))
    assert [mark.start for mark in marks] == sorted({mark.start for mark in marks})
    assert not marks or marks[0].start == 0
    return [mark.title for mark in marks]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"CHAPTER I.{BODY}\n\nCHAPTER II.{BODY}", ["CHAPTER I.", "CHAPTER II."]),
        (
            f"Chapter 1\n\nThe Night{BODY}\n\nChapter 2\n\nThe Day{BODY}",
            ["Chapter 1: The Night", "Chapter 2: The Day"],
        ),
        (f"I{BODY}\n\nII{BODY}", ["I", "II"]),
        (f"The Fox{BODY}\n\nChapter I{BODY}", ["Opening", "Chapter I"]),
        (
            f"Contents\n\nChapter I\n\nChapter II\n\nChapter I{BODY}\n\nChapter II{BODY}",
            ["Chapter I", "Chapter II"],
        ),
        (f"Prologue{BODY}\n\nKapitel 1{BODY}\n\nEpilogue{BODY}", ["Prologue", "Kapitel 1", "Epilogue"]),
        (f"Chapter I{BODY}", []),
        (f"It was dark.{BODY}", []),
        ("", []),
    ],
)
def test_chapters_of_plain_text(text: str, expected: list[str]) -> None:
    """By their word or numeral, with a subtitle below; neither a table of contents nor a single chapter."""
    assert titles(text) == expected


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((1, 1, 1), ["One", "Two", "Three"]),
        ((1, 2, 2), ["One", "Two", "Three"]),
        ((2, 1, 1), ["The Fox", "Two", "Three"]),
        ((1, 2, 1), ["One", "Three"]),
        ((1, 2, 3), []),
    ],
)
def test_chapters_are_the_sections_of_one_level(levels: tuple[int, ...], expected: list[str]) -> None:
    """The highest level that several sections have; a title above it counts too, subsections do not."""
    names = ("One", "Two", "Three")
    text = "\n\n".join(f"{name}{BODY}" for name in names)
    assert titles(text, *zip(names, levels, strict=True), title="The Fox") == expected


def test_sections_of_a_reader_come_first() -> None:
    """Headings of the text are not asked where a table of contents exists."""
    text = f"Night{BODY}\n\nChapter I{BODY}\n\nDay{BODY}"
    assert titles(text, ("Night", 1), ("Day", 1)) == ["Night", "Day"]
