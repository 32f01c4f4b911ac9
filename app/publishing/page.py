"""
Writes the page to listen and read along: one HTML file that plays the audio beside it and marks each word.

The page is self-contained but for the audio, works from a file:// address, and runs no script but its own:
its content security policy names that script by its hash, so nothing in a story's text can become active.
"""

import base64
import hashlib
import json
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from app.publishing.chapters import Chapter, time_chapters
from app.subtitles.words_file import read_words, text_of
from app.text.chapters import chapter_marks
from app.text.headings import Heading, heading_of
from app.text.readers.base import StoryText
from app.text.spans import Boundary, Span, Word
from app.text.words import ends_line, keeps_lines, paragraphs

_MARK = re.compile(r"<!-- \w+ -->|/\* (?:style|script) \*/")
"""What is filled in page.html."""
_REQUEST = re.compile(r'<meta name="story-tts-request" content="([^"]*)">')
_HEAD = 1024
"""Characters of a page that have its request."""


@dataclass(frozen=True, slots=True)
class PlayedAudio:
    """An audio file in the page's folder."""

    name: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page shows and plays."""

    title: str
    language: str
    """A language tag, such as "en-us"."""
    audio: Sequence[PlayedAudio]
    """The audio in each of its formats, the preferred one first."""
    text: str
    """The source text, which the spans of the words refer to."""
    words: Iterable[Word]
    chapters: Sequence[Chapter] = ()
    request: str = ""
    """Identifies what was narrated and how; see `request_of`."""


def write_page(path: Path, page: Page) -> None:
    """Write `page` to `path` in one pass over its words. Raises OSError if the file cannot be written."""
    style, script = _asset("page.css"), _asset("page.js")
    with path.open("w", encoding="utf-8", newline="\n") as file:
        head, _, tail = _asset("page.html").partition("<!-- text -->\n")
        file.write(_filled(head, page, style=style, script=script))
        times = _Times()
        _write_text(file, page, times)
        file.write(_filled(tail, page, style=style, script=script, times=times.as_json()))


def story_page(
    words: Path,
    audio: Sequence[PlayedAudio],
    folder: Path,
    *,
    stem: str,
    language: str,
    source: StoryText | None = None,
    request: str = "",
) -> Path:
    """
    Write STEM.html into `folder` from the words.json at `words`, and return its path.

    Without the source text, the page has no line breaks of verse. Raises InvalidMediaError if words.json is
    damaged, OSError.
    """
    source = source or StoryText(text=text_of(read_words(words)))
    path = folder / f"{stem}.html"
    page = Page(
        title=source.title or title_of(source.text, stem=stem),
        language=language,
        audio=audio,
        text=source.text,
        words=read_words(words),
        chapters=time_chapters(chapter_marks(source), read_words(words), duration_secs=math.inf),
        request=request,
    )
    write_page(path, page)
    return path


def request_of(path: Path) -> str:
    """Return what the page at `path` says it was made from, nothing if there is no such page."""
    try:
        with path.open(encoding="utf-8") as file:
            found = _REQUEST.search(file.read(_HEAD))
    except (OSError, UnicodeDecodeError):
        return ""
    return found[1] if found else ""


def title_of(text: str, *, stem: str) -> str:
    """Return the title of a story: its first paragraph if that is a heading, else its file's name."""
    first = next((span for span in paragraphs(text) if text[span.start : span.end].strip()), Span(0, 0))
    line = text[first.start : first.end]
    if heading_of(line) is not Heading.NONE:
        return " ".join(line.split()).lstrip("# ")
    return stem if " " in stem else stem.replace("-", " ").replace("_", " ").strip().capitalize() or stem


class _Times:
    """The times of the words, in milliseconds, and where sentences begin."""

    def __init__(self) -> None:
        self._starts = array("L")
        self._sentences = array("L")
        self._is_new_sentence = True

    def add(self, word: Word) -> None:
        """Add the next word."""
        if self._is_new_sentence:
            self._sentences.append(len(self._starts))
        self._starts.append(round(word.start_secs * 1000))
        self._is_new_sentence = word.boundary is not Boundary.NONE

    def as_json(self) -> str:
        return json.dumps({"starts": list(self._starts), "sentences": list(self._sentences)})


def _asset(name: str) -> str:
    return files(__package__ or "").joinpath(name).read_text("utf-8")


def _filled(template: str, page: Page, *, style: str, script: str, times: str = "") -> str:
    """Fill the marks of a part of page.html, which are comments."""
    sources = "".join(
        f'<source src="{escape(quote(audio.name))}" type="{escape(audio.content_type)}">'
        for audio in page.audio
    )
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; media-src 'self' file:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    values = {
        "<!-- times -->": times,
        "<!-- language -->": escape(page.language),
        "<!-- request -->": escape(page.request),
        "<!-- title -->": escape(page.title),
        "<!-- policy -->": policy,
        "<!-- sources -->": sources,
        "<!-- contents -->": _contents(page.chapters),
        "/* style */": style,
        "/* script */": script,
    }
    return _MARK.sub(lambda mark: values[mark[0]], template)


def _contents(chapters: Sequence[Chapter]) -> str:
    """Return the list of chapters, nothing if there are none."""
    if not chapters:
        return ""
    entries = "".join(
        f'<li><button type="button" data-start="{chapter.start_secs:.3f}">'
        f"{escape(chapter.title)}</button></li>\n"
        for chapter in chapters
    )
    return f"<nav><details><summary>Contents</summary>\n<ol>\n{entries}</ol></details></nav>\n"


def _hash(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def _write_text(file: TextIO, page: Page, times: _Times) -> None:
    """Write the paragraphs, each word in an element of its own, grouped by sentences."""
    has_title = False
    for number, paragraph in enumerate(paragraphs_of(page.words)):
        written = page.text[paragraph[0].span.start : paragraph[-1].span.end]
        heading = heading_of(written)
        if number == 0 and (heading is Heading.NONE or not _names(page.title, written)):
            file.write(f"<h1>{escape(page.title)}</h1>\n")
            has_title = True
        if heading is Heading.NONE:
            element = "p"
        else:
            element, has_title = ("h2" if has_title else "h1"), True
        file.write(f"<{element}>{''.join(_paragraph(page.text, paragraph, times))}</{element}>\n")


def _names(title: str, line: str) -> bool:
    """Return whether the words of a line are in a title, whatever their case and white space."""
    plain = " ".join(line.split()).lstrip("# ").casefold()
    return re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", " ".join(title.split()).casefold()) is not None


def paragraphs_of(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Yield the words of each paragraph."""
    paragraph: list[Word] = []
    for word in words:
        paragraph.append(word)
        if word.boundary is Boundary.PARAGRAPH:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph


def _paragraph(text: str, words: Sequence[Word], times: _Times) -> Iterator[str]:
    """Yield the HTML of a paragraph: `<span><span>Word</span> <span>word.</span></span> ...`."""
    has_lines = keeps_lines(text, Span(words[0].span.start, words[-1].span.end))
    yield "<span>"
    previous: Word | None = None
    for word in words:
        if previous:
            gap = text[previous.span.end : word.span.start]
            is_line = has_lines and ends_line(gap)
            if previous.boundary is Boundary.SENTENCE:
                yield "</span>"
            yield "<br>" if is_line else " " if gap else ""
            if previous.boundary is Boundary.SENTENCE:
                yield "<span>"
        times.add(word)
        yield f"<span>{escape(' '.join(word.text.split()), quote=False)}</span>"
        previous = word
    yield "</span>"
