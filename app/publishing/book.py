"""
Writes an EPUB 3 with media overlays: the text, the audio, and when each word is heard.

Reading systems that know media overlays (EPUB 3.3, section 9) play the book and mark each word. The audio is
one MP3 file, which the overlays cut into words without gaps. The book is streamed chapter by chapter.
"""

import re
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import chain
from pathlib import Path

from app.media import MP3
from app.publishing.chapters import Chapter
from app.publishing.page import paragraphs_of
from app.subtitles.words_file import read_words
from app.text.headings import Heading, heading_of
from app.text.readers.base import StoryText
from app.text.spans import Boundary, Span, Word
from app.text.words import ends_line, keeps_lines

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AUDIO = f"audio/story{MP3.suffix}"
_OPS = "http://www.idpf.org/2007/ops"
_PNG = b"\x89PNG"
_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_CONTAINER = (
    f'{_XML}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">\n'
    '<rootfiles>\n<rootfile full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/>\n'
    "</rootfiles>\n</container>\n"
)
_STYLE = """\
body { line-height: 1.6; }
h1, h2 { line-height: 1.25; }
.-epub-media-overlay-active { background: #ffd75e; color: #1d1a12; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What a book is made from."""

    title: str
    language: str
    """A language tag."""
    narrator: str
    source: StoryText
    words: Path
    """The words.json of the narration."""
    audio: Path
    """The narration as MP3."""
    chapters: Sequence[Chapter]
    """Of the audio; empty if the story has none."""
    duration_secs: float


@dataclass(frozen=True, slots=True)
class _Part:
    """A chapter as it was written."""

    name: str
    title: str
    secs: float


def write_book(path: Path, book: Book) -> None:
    """Write `book` to `path`. Raises OSError if the file cannot be written."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        # The first part, uncompressed: what a file is shows in its first bytes.
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", _CONTAINER)
        archive.write(book.audio, f"EPUB/{_AUDIO}", zipfile.ZIP_STORED)
        archive.writestr("EPUB/style.css", _STYLE)
        if book.source.cover:
            archive.writestr(f"EPUB/{_cover_name(book)}", book.source.cover, zipfile.ZIP_STORED)
        parts = list(_write_parts(archive, book))
        archive.writestr("EPUB/nav.xhtml", _navigation(book, parts))
        archive.writestr("EPUB/book.opf", _package(book, parts))


def _write_parts(archive: zipfile.ZipFile, book: Book) -> Iterator[_Part]:
    """Write the text and the overlay of each chapter."""
    chapters = book.chapters or [Chapter(book.title, 0.0, book.duration_secs)]
    words = read_words(book.words)
    following = next(words, None)
    for number, chapter in enumerate(chapters, start=1):
        own: list[Word] = []
        while following and (following.start_secs < chapter.end_secs or number == len(chapters)):
            own.append(following)
            following = next(words, None)
        if own:
            name = f"text/{number:03d}"
            archive.writestr(f"EPUB/{name}.xhtml", _text(book, chapter.title, own))
            ends = [word.start_secs for word in own[1:]] + [chapter.end_secs]
            archive.writestr(f"EPUB/{name}.smil", _overlay(f"{number:03d}", own, ends))
            yield _Part(name, chapter.title, ends[-1] - own[0].start_secs)


def _text(book: Book, title: str, words: Sequence[Word]) -> str:
    body = "".join(_blocks(book.source.text, words))
    return (
        f'{_XML}<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" lang="{_xml(book.language)}"'
        f' xml:lang="{_xml(book.language)}">\n<head><title>{_xml(title)}</title>'
        f'<link rel="stylesheet" href="../style.css"/></head>\n<body>\n{body}</body>\n</html>\n'
    )


def _blocks(text: str, words: Sequence[Word]) -> Iterator[str]:
    """Yield a heading or paragraph after another; the words are numbered through the chapter."""
    number = 0
    for paragraph in paragraphs_of(words):
        start, end = paragraph[0].span.start, paragraph[-1].span.end
        kind = heading_of(text[start:end])
        element = {Heading.CHAPTER: "h1", Heading.SECTION: "h2"}.get(kind, "p")
        has_lines = keeps_lines(text, Span(start, end))
        yield f"<{element}>"
        for previous, word in zip(chain([None], paragraph), paragraph, strict=False):
            gap = text[previous.span.end : word.span.start] if previous else ""
            yield "<br/>" if has_lines and ends_line(gap) else " " if gap else ""
            number += 1
            yield f'<span id="w{number}">{_xml(" ".join(word.text.split()))}</span>'
        yield f"</{element}>\n"


def _overlay(name: str, words: Sequence[Word], ends: Sequence[float]) -> str:
    """Return the overlay of a chapter: a clip per word, grouped by paragraphs, from each word to the next."""
    pars: list[str] = []
    is_open = False
    for number, (word, end) in enumerate(zip(words, ends, strict=True), start=1):
        if not is_open:
            pars.append(f'<seq id="s{number}" epub:textref="{name}.xhtml#w{number}">\n')
        pars.append(
            f'<par id="p{number}"><text src="{name}.xhtml#w{number}"/>'
            f'<audio src="../{_AUDIO}" clipBegin="{word.start_secs:.3f}s" clipEnd="{end:.3f}s"/></par>\n'
        )
        is_open = word.boundary is not Boundary.PARAGRAPH and number < len(words)
        if not is_open:
            pars.append("</seq>\n")
    return (
        f'{_XML}<smil xmlns="http://www.w3.org/ns/SMIL" xmlns:epub="{_OPS}" version="3.0">\n'
        f"<body>\n{''.join(pars)}</body>\n</smil>\n"
    )


def _navigation(book: Book, parts: Sequence[_Part]) -> str:
    entries = "".join(f'<li><a href="{part.name}.xhtml">{_xml(part.title)}</a></li>\n' for part in parts)
    language = _xml(book.language)
    return (
        f'{_XML}<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="{_OPS}"'
        f' lang="{language}" xml:lang="{language}">\n<head><title>{_xml(book.title)}</title></head>\n'
        f'<body><nav epub:type="toc" id="toc"><h1>{_xml(book.title)}</h1><ol>\n{entries}</ol></nav></body>\n'
        "</html>\n"
    )


def _package(book: Book, parts: Sequence[_Part]) -> str:
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"{book.title}\n{book.narrator}\n{book.source.text}")
    author = f"<dc:creator>{_xml(book.source.author)}</dc:creator>\n" if book.source.author else ""
    items = [
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
        '<item id="style" href="style.css" media-type="text/css"/>',
        f'<item id="audio" href="{_AUDIO}" media-type="{MP3.content_type}"/>',
    ]
    durations, spine = [], []
    if book.source.cover:
        kind = "image/png" if book.source.cover.startswith(_PNG) else "image/jpeg"
        items.append(
            f'<item id="cover" href="{_cover_name(book)}" media-type="{kind}" properties="cover-image"/>'
        )
    for number, part in enumerate(parts, start=1):
        text = f'href="{part.name}.xhtml" media-type="application/xhtml+xml" media-overlay="o{number}"'
        overlay = f'href="{part.name}.smil" media-type="application/smil+xml"'
        items += [f'<item id="t{number}" {text}/>', f'<item id="o{number}" {overlay}/>']
        durations.append(f'<meta property="media:duration" refines="#o{number}">{part.secs:.3f}s</meta>')
        spine.append(f'<itemref idref="t{number}"/>')
    lines = (
        f'{_XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">',
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">',
        f'<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>',
        f"<dc:title>{_xml(book.title)}</dc:title>",
        f"{author}<dc:language>{_xml(book.language)}</dc:language>",
        f'<meta property="dcterms:modified">{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}</meta>',
        *durations,
        f'<meta property="media:duration">{sum(part.secs for part in parts):.3f}s</meta>',
        f'<meta property="media:narrator">{_xml(book.narrator)}</meta>',
        '<meta property="media:active-class">-epub-media-overlay-active</meta>',
        *(
            f'<meta property="schema:{name}">{value}</meta>'
            for name, value in (
                ("accessMode", "textual"),
                ("accessMode", "auditory"),
                ("accessModeSufficient", "textual"),
                ("accessModeSufficient", "auditory"),
                ("accessibilityFeature", "synchronizedAudioText"),
                ("accessibilityFeature", "tableOfContents"),
                ("accessibilityHazard", "none"),
            )
        ),
        "</metadata>",
        "<manifest>",
        *items,
        "</manifest>",
        f"<spine>{''.join(spine)}</spine>",
        "</package>\n",
    )
    return "\n".join(lines)


def _cover_name(book: Book) -> str:
    return "cover.png" if book.source.cover.startswith(_PNG) else "cover.jpg"


def _xml(text: str) -> str:
    """Return `text` for XML, without the characters that XML cannot hold."""
    return escape(_NOT_XML.sub("", text))
