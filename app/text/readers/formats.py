"""Finds out what format a file has: by its content, and by its name where the content is plain text."""

import io
import re
import zipfile
from enum import StrEnum

from app.errors import RefusedTextError


class Format(StrEnum):
    """The formats that can be read."""

    TEXT = "plain text"
    MARKDOWN = "Markdown"
    HTML = "HTML"
    EPUB = "EPUB"
    DOCX = "Word document"
    PDF = "PDF"


_TEXT_FORMATS = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), Format.MARKDOWN),
    **dict.fromkeys((".html", ".htm", ".xhtml"), Format.HTML),
}
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_REFUSED = (
    (b"\xd0\xcf\x11\xe0", "an old Office document: save it as .docx"),
    (b"{\\rtf", "an RTF document: save it as .docx or as plain text"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "audio, video or a picture"),
    (b"ID3", "audio"),
    (b"OggS", "audio"),
    (b"fLaC", "audio"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"%!PS", "a PostScript document: convert it to PDF"),
)
_MOBI = slice(60, 68)
_HEAD = 2048


def format_of(data: bytes, *, suffix: str) -> Format:
    """
    Return the format of a file with this content, whose name ends with `suffix`.

    Raises RefusedTextError, which names what it is, if it holds no text that can be read.
    """
    if b"%PDF-" in data[:1024]:
        return Format.PDF
    if data.startswith(b"PK\x03\x04"):
        return _archive(data)
    if data[_MOBI] == b"BOOKMOBI":
        raise RefusedTextError("a Kindle book: convert it to EPUB")
    for start, name in _REFUSED:
        if data.startswith(start):
            raise RefusedTextError(f"not text, but {name}")
    if _HTML.match(data[:_HEAD].removeprefix(b"\xef\xbb\xbf")):
        return Format.HTML
    return _TEXT_FORMATS.get(suffix.lower(), Format.TEXT)


def _archive(data: bytes) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise RefusedTextError("a damaged zip archive") from error
    if "META-INF/container.xml" in names:
        return Format.EPUB
    if "word/document.xml" in names:
        return Format.DOCX
    if "content.xml" in names:
        raise RefusedTextError("not text, but an OpenDocument file: save it as .docx")
    raise RefusedTextError("not text, but a zip archive that is neither an EPUB nor a Word document")
