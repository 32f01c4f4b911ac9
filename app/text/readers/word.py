"""Reads Word documents (.docx, ISO/IEC 29500): paragraphs and headings, without deleted text and notes."""

from typing import Any

from lxml import etree

from app.errors import RefusedTextError
from app.text.readers.archives import Archive
from app.text.readers.base import StoryText, TextBuilder
from app.text.readers.hypertext import xml_parser

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DC = "{http://purl.org/dc/elements/1.1/}"
_BREAKS = frozenset({f"{_W}br", f"{_W}cr"})
_LEFT_OUT = frozenset({f"{_W}moveFrom", f"{_W}del", f"{_W}instrText", _FALLBACK})
_LEVELS = {"title": 1, "subtitle": 2} | {f"heading {level}": level for level in range(1, 10)}
"""By the names of Word's own styles, which are English in the file whatever language Word shows."""


def read_docx(data: bytes) -> StoryText:
    """Return the text of a Word document. Raises RefusedTextError if it is damaged or too large."""
    with Archive(data) as archive:
        document = _xml(archive, "word/document.xml")
        if document is None:
            raise RefusedTextError("a damaged Word document")
        levels = _styles(_xml(archive, "word/styles.xml"))
        properties = _xml(archive, "docProps/core.xml")
    builder = TextBuilder()
    for paragraph in document.iter(f"{_W}p"):
        if not any(ancestor.tag in _LEFT_OUT for ancestor in paragraph.iterancestors()):
            style = paragraph.find(f"./{_W}pPr/{_W}pStyle")
            level = levels.get(str(style.get(f"{_W}val")), 0) if style is not None else 0
            builder.paragraph(_text(paragraph), level=level)
    return StoryText(
        text=builder.text,
        sections=tuple(builder.sections),
        title=_property(properties, "title"),
        author=_property(properties, "creator"),
    )


def _xml(archive: Archive, name: str) -> Any:
    content = archive.read(name)
    if content is None:
        return None
    try:
        return etree.fromstring(content, xml_parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RefusedTextError(f"a damaged Word document: its {name!r} cannot be read") from error


def _styles(styles: Any) -> dict[str, int]:
    """Return the level of each paragraph style that is a heading, by its id."""
    if styles is None:
        return {}
    return {
        str(style.get(f"{_W}styleId")): _LEVELS[name]
        for style in styles.iterfind(f"./{_W}style")
        if (found := style.find(f"./{_W}name")) is not None
        and (name := str(found.get(f"{_W}val")).lower()) in _LEVELS
    }


def _text(paragraph: Any) -> str:
    """Return the text of a paragraph; that of text boxes inside it belongs to paragraphs of their own."""
    parts: list[str] = []
    walker = etree.iterwalk(paragraph, events=("start",))
    for _, element in walker:
        if element.tag in _LEFT_OUT or (element.tag == f"{_W}p" and element is not paragraph):
            walker.skip_subtree()
        elif element.tag == f"{_W}t":
            parts.append(element.text or "")
        elif element.tag == f"{_W}tab":
            parts.append(" ")
        elif element.tag in _BREAKS:
            parts.append("\n")
        elif element.tag == f"{_W}noBreakHyphen":
            parts.append("\N{NON-BREAKING HYPHEN}")
    return "".join(parts)


def _property(properties: Any, name: str) -> str:
    found = properties.findtext(f"./{_DC}{name}") if properties is not None else ""
    return " ".join((found or "").split())
