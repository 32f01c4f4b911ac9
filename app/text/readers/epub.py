"""Reads EPUB 2 and 3: the text in reading order, its table of contents, author, language and cover."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lxml import etree

from app.errors import RefusedTextError
from app.text.readers.archives import Archive
from app.text.readers.base import Section, StoryText, TextBuilder
from app.text.readers.hypertext import add_html, parse, xml_parser

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_COVER_TYPES = frozenset({"image/jpeg", "image/png"})
_TYPE = "{http://www.idpf.org/2007/ops}type"


@dataclass(frozen=True, slots=True)
class _Item:
    """A part of the publication, from its manifest."""

    path: str
    media_type: str
    properties: frozenset[str]


def read_epub(data: bytes) -> StoryText:
    """Return the text of an EPUB. Raises RefusedTextError if it is damaged, too large or protected."""
    with Archive(data) as archive:
        return _Publication(archive).story()


class _Publication:
    """One EPUB: its package document and the parts that it names."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        rootfile = self._xml(_CONTAINER).find(".//{*}rootfile")
        self._package_path = str(rootfile.get("full-path", "")) if rootfile is not None else ""
        self._package = self._xml(self._package_path)
        self._items = {
            str(item.get("id")): _Item(
                self._resolve(self._package_path, str(item.get("href", ""))),
                str(item.get("media-type", "")),
                frozenset(str(item.get("properties", "")).split()),
            )
            for item in self._package.iterfind(".//{*}manifest/{*}item")
        }

    def story(self) -> StoryText:
        """Read the documents of the spine, one after another."""
        documents = list(self._spine())
        self._refuse_protection({item.path for item in documents})
        builder = TextBuilder()
        for item in documents:
            content = self._archive.read(item.path)
            if content is None:
                raise RefusedTextError(f"a damaged EPUB: it has no {item.path!r}")
            builder.anchor(f"{item.path}#")
            if content.strip():
                add_html(parse(content, is_xml=True), builder, document=item.path)
        return StoryText(
            text=builder.text,
            sections=self._sections(builder),
            title=self._metadata("title"),
            author=self._metadata("creator"),
            language=self._metadata("language"),
            cover=self._cover(),
        )

    def _xml(self, path: str) -> Any:
        content = self._archive.read(path)
        try:
            return etree.fromstring(content or b"", xml_parser())
        except (etree.XMLSyntaxError, ValueError) as error:
            raise RefusedTextError(f"a damaged EPUB: its {path or 'package'!r} cannot be read") from error

    @staticmethod
    def _resolve(base: str, href: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(href.partition("#")[0])))

    def _spine(self) -> Iterator[_Item]:
        for reference in self._package.iterfind(".//{*}spine/{*}itemref"):
            item = self._items.get(str(reference.get("idref")))
            if item and reference.get("linear") != "no" and "nav" not in item.properties:
                yield item

    def _metadata(self, name: str) -> str:
        found = self._package.findtext(f".//{{http://purl.org/dc/elements/1.1/}}{name}")
        return " ".join((found or "").split())

    def _refuse_protection(self, documents: set[str]) -> None:
        """Raise RefusedTextError if documents are encrypted; fonts often are, and do not matter."""
        if self._archive.read(_ENCRYPTION) is None:
            return
        for reference in self._xml(_ENCRYPTION).iterfind(".//{*}CipherReference"):
            if posixpath.normpath(unquote(str(reference.get("URI", "")))) in documents:
                raise RefusedTextError("an EPUB with copy protection (DRM)")

    def _sections(self, builder: TextBuilder) -> tuple[Section, ...]:
        """Return the table of contents in the order of the text; without one, the headings."""
        found: dict[int, Section] = {}
        for path, title, level in self._contents():
            start = builder.anchors.get(path)
            if start is not None and title:
                found.setdefault(start, Section(start, title, level))
        return tuple(found[start] for start in sorted(found)) or tuple(builder.sections)

    def _contents(self) -> Iterator[tuple[str, str, int]]:
        """Yield address, title and level of every entry of the table of contents."""
        navigation = next((item.path for item in self._items.values() if "nav" in item.properties), None)
        if navigation:
            yield from self._navigation(navigation)
            return
        spine = self._package.find(".//{*}spine")
        ncx = self._items.get(str(spine.get("toc"))) if spine is not None else None
        if ncx:
            for point in self._xml(ncx.path).iterfind(".//{*}navPoint"):
                content = point.find("./{*}content")
                href = str(content.get("src", "")) if content is not None else ""
                label = point.findtext("./{*}navLabel/{*}text") or ""
                yield self._address(ncx.path, href), " ".join(label.split()), _depth(point, "navPoint")

    def _navigation(self, path: str) -> Iterator[tuple[str, str, int]]:
        content = self._archive.read(path)
        if not content:
            return
        for nav in parse(content, is_xml=True).iterfind(".//{*}nav"):
            if "toc" in str(nav.get(_TYPE) or nav.get("epub:type") or "").split():
                for link in nav.iterfind(".//{*}a"):
                    title = " ".join("".join(link.itertext()).split())
                    yield self._address(path, str(link.get("href", ""))), title, _depth(link, "ol")

    def _address(self, base: str, href: str) -> str:
        return f"{self._resolve(base, href)}#{unquote(href.partition('#')[2])}"

    def _cover(self) -> bytes:
        named = self._package.find(".//{*}metadata/{*}meta[@name='cover']")
        second = str(named.get("content")) if named is not None else ""
        covers = [item for item in self._items.values() if "cover-image" in item.properties]
        covers += [item for name, item in self._items.items() if name == second]
        for item in covers:
            if item.media_type in _COVER_TYPES:
                return self._archive.read(item.path) or b""
        return b""


def _depth(element: Any, name: str) -> int:
    """Return how many elements called `name` an element is in, itself counted."""
    chain = [element, *element.iterancestors()]
    return max(1, [etree.QName(each).localname for each in chain].count(name))
