"""Reads HTML and XHTML: block by block, without scripts, notes, navigation and what is hidden."""

import re
from contextlib import suppress
from typing import Any

from lxml import etree, html

from app.errors import RefusedTextError
from app.text.readers.base import SCENE_BREAK, StoryText, TextBuilder
from app.text.readers.decoding import encoding_of


def _listed(names: str) -> frozenset[str]:
    return frozenset(names.split())


_SKIPPED = _listed(
    "head script style template noscript iframe object embed svg math canvas audio video select textarea "
    "button form nav rt rp del"
)
_BLOCKS = _listed(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption "
    "figure footer header hgroup html legend li main ol p pre section summary table tbody tfoot thead tr ul"
)
_CELLS = frozenset({"td", "th"})
_HEADING = re.compile(r"h([1-6])")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SKIPPED_TYPES = _listed("noteref footnote footnotes endnote endnotes rearnotes pagebreak toc")
_TYPE = "{http://www.idpf.org/2007/ops}type"
_ENCODING = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9._-]+)""", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")


def read_html(data: bytes) -> StoryText:
    """Return the text of an HTML page. Raises RefusedTextError if it cannot be parsed."""
    root = parse(data)
    builder = TextBuilder()
    add_html(root, builder)
    title = root.findtext(".//{*}title") or ""
    return StoryText(
        text=builder.text,
        sections=tuple(builder.sections),
        title=" ".join(title.split()),
        language=root.get("lang") or "",
    )


def parse(data: bytes, *, is_xml: bool = False) -> Any:
    """
    Return the root element of an HTML or XHTML document.

    XHTML that is not well-formed is parsed as HTML. Entities are not expanded beyond HTML's own characters,
    and nothing is fetched. Raises RefusedTextError if nothing can be parsed.
    """
    if is_xml:
        with suppress(etree.XMLSyntaxError):
            root = etree.fromstring(data, xml_parser())
            # The characters of HTML have names that XML does not know: those stay entities.
            if next(root.iter(etree.Entity), None) is None:
                return root
    parser = html.HTMLParser(no_network=True, huge_tree=False, encoding="utf-8")
    try:
        return html.document_fromstring(_decoded(data).encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError) as error:
        raise RefusedTextError("nothing to narrate: a page without text") from error


def xml_parser() -> Any:
    """Return a parser that expands no entity, loads no DTD, and fetches nothing."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )


def _decoded(data: bytes) -> str:
    """Decode a page by its byte order mark, else by its own declaration, UTF-8, Windows-1252."""
    declared = _ENCODING.search(data[:2048])
    names = [encoding_of(data), *([declared[1].decode()] if declared else []), "cp1252"]
    if names[0] == "utf-8" and declared:
        names[:2] = names[1::-1]
    for name in names:
        with suppress(UnicodeDecodeError, LookupError):
            return data.decode(name)
    return data.decode("cp1252", errors="replace")


def add_html(root: Any, builder: TextBuilder, *, document: str = "") -> None:
    """
    Append the paragraphs below `root`; anchors are named `document#id`.

    The tree is walked without recursion, so nesting of any depth is harmless.
    """
    _Walk(builder, document).walk(root)


class _Walk:
    """One walk over a document: collects the text of the current block."""

    def __init__(self, builder: TextBuilder, document: str) -> None:
        self._builder = builder
        self._document = document
        self._block: list[str] = []
        self._level = 0

    def walk(self, root: Any) -> None:
        """Walk over every element that is shown."""
        walker = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
        skipped = None
        for event, element in walker:
            if event == "start" and skipped is None:
                if _is_skipped(element):
                    skipped = element
                    self._note_anchor(element)
                    walker.skip_subtree()
                else:
                    self._start(element)
            elif event == "end":
                if skipped is None:
                    self._end(element)
                elif element is skipped:
                    skipped = None
            if event != "start" and skipped is None and element.tail and element is not root:
                self._block.append(element.tail)
        self._flush()

    def _start(self, element: Any) -> None:
        name = _name(element)
        heading = _HEADING.fullmatch(name)
        if name in _BLOCKS or heading or name == "hr":
            self._flush()
        if heading:
            self._level = int(heading[1])
        self._note_anchor(element)
        if name == "br":
            self._block.append("\0")
        elif name == "hr":
            self._builder.paragraph(SCENE_BREAK)
        elif name in _CELLS:
            self._block.append(" ")
        text = element.text
        if text and isinstance(element.tag, str):
            self._block.append(text.replace("\n", "\0") if name == "pre" else text)

    def _end(self, element: Any) -> None:
        name = _name(element)
        if name in _BLOCKS or _HEADING.fullmatch(name):
            self._flush()

    def _note_anchor(self, element: Any) -> None:
        name = element.get("id") or (element.get("name") if _name(element) == "a" else None)
        if name:
            self._builder.anchor(f"{self._document}#{name}")

    def _flush(self) -> None:
        """End the current block: collapse its white space; forced line breaks remain."""
        lines = (" ".join(_SPACE.split(line)).strip() for line in "".join(self._block).split("\0"))
        self._builder.paragraph("\n".join(filter(None, lines)), level=self._level)
        self._block.clear()
        self._level = 0


def _name(element: Any) -> str:
    return etree.QName(element).localname.lower() if isinstance(element.tag, str) else ""


def _is_skipped(element: Any) -> bool:
    if (
        _name(element) in _SKIPPED
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
    ):
        return True
    types = f"{element.get(_TYPE, '')} {element.get('epub:type', '')}".split()
    if not _SKIPPED_TYPES.isdisjoint(types) or element.get("role", "").startswith("doc-noteref"):
        return True
    return bool(_HIDDEN.search(element.get("style", "")))
