"""Reads the text layer of PDF documents: lines become paragraphs, running headers and page numbers go."""

import io
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from app.errors import RefusedTextError
from app.text.readers.base import MAX_CHARACTERS, StoryText, TextBuilder, too_long

_PAGE_NUMBER = re.compile(
    r"(?:page\s+)?[-\u2013\u2014 ]*(?:\d{1,4}|[ivxlc]{1,7})[-\u2013\u2014 ]*", re.IGNORECASE
)
_ENDS_SENTENCE = re.compile(r"[.!?:\u2026][\"'\u2019\u201d)\]]*$")
_SHORT = 0.8
"""A line shorter than this share of the usual length ends a paragraph, if it ends a sentence."""
_REPEATED = 3
"""A first or last line on this many pages is a running header or footer."""
_EDGE = 2
"""Lines at the top and bottom of a page that may be a header or footer."""


def read_pdf(data: bytes) -> StoryText:
    """Return the text layer of a PDF. Raises RefusedTextError if there is none, or a password is needed."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = _opened(data)
        pages = list(_pages(reader))
        title, author = _metadata(reader)
    except (DependencyError, FileNotDecryptedError) as error:
        raise RefusedTextError("a PDF with a password: save it without one") from error
    except RefusedTextError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise RefusedTextError("a damaged PDF") from error
    except RecursionError as error:
        raise RefusedTextError("a PDF that is nested too deeply") from error
    if not any(character.isalnum() for page in pages for line in page for character in line):
        raise RefusedTextError("a PDF without a text layer: run text recognition (OCR) on it first")
    builder = TextBuilder()
    for paragraph in _paragraphs(list(_without_edges(pages))):
        builder.paragraph(paragraph)
    return StoryText(text=builder.text, title=title, author=author)


def _opened(data: bytes) -> PdfReader:
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise FileNotDecryptedError
    return reader


def _pages(reader: PdfReader) -> Iterator[list[str]]:
    """Yield the lines of each page."""
    size = 0
    for page in reader.pages:
        lines = [" ".join(line.split()) for line in page.extract_text().splitlines()]
        size += sum(map(len, lines))
        if size > MAX_CHARACTERS:
            raise too_long()
        yield lines


def _metadata(reader: PdfReader) -> tuple[str, str]:
    metadata = reader.metadata
    return (str(metadata.title or ""), str(metadata.author or "")) if metadata else ("", "")


def _without_edges(pages: Sequence[list[str]]) -> Iterator[str]:
    """Yield the lines of all pages, without running headers, footers and page numbers."""
    edges = Counter(_pattern(line) for page in pages for line in {*page[:_EDGE], *page[-_EDGE:]} if line)
    for page in pages:
        last = len(page) - _EDGE
        for number, line in enumerate(page):
            is_edge = number < _EDGE or number >= last
            if not is_edge or not (_PAGE_NUMBER.fullmatch(line) or edges[_pattern(line)] >= _REPEATED):
                yield line


def _pattern(line: str) -> str:
    """Return a line with its numbers alike: `12 The Owl` and `14 The Owl` are the same header."""
    return re.sub(r"\d+", "0", line)


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Join lines to paragraphs: one ends at a blank line, or at a short line that ends a sentence."""
    usual = median(len(line) for line in lines if line) if any(lines) else 0
    paragraph: list[str] = []
    for line in lines:
        if line:
            paragraph.append(line)
        if paragraph and (not line or (len(line) < usual * _SHORT and _ENDS_SENTENCE.search(line))):
            yield "\n".join(paragraph)
            paragraph = []
    if paragraph:
        yield "\n".join(paragraph)
