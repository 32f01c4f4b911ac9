"""Reads Markdown (CommonMark with tables): its text and headings, without marks, code and HTML tags."""

import html
import re
from collections.abc import Iterable, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.text.readers.base import SCENE_BREAK, StoryText, TextBuilder
from app.text.readers.decoding import decode

_FRONT_MATTER = re.compile(r"\A---\r?\n(?P<fields>.*?)\r?\n(?:---|\.\.\.)\r?(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^(?P<name>title|author|lang):[ \t]*[\"']?(?P<value>.*?)[\"']?[ \t]*$", re.MULTILINE)
_TAG = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)


def read_markdown(data: bytes) -> StoryText:
    """Return the text of a Markdown document. Raises RefusedTextError if it is not Unicode text."""
    source = decode(data)
    fields: dict[str, str] = {}
    if front := _FRONT_MATTER.match(source):
        fields = {field["name"]: field["value"] for field in _FIELD.finditer(front["fields"])}
        source = source[front.end() :]
    builder = TextBuilder()
    _add(MarkdownIt("commonmark").enable("table").parse(source), builder)
    return StoryText(
        text=builder.text,
        sections=tuple(builder.sections),
        title=fields.get("title", ""),
        author=fields.get("author", ""),
        language=fields.get("lang", ""),
    )


def _add(tokens: Sequence[Token], builder: TextBuilder) -> None:
    """Append the blocks. Every block with text has one `inline` token; a row of a table has one per cell."""
    number = ""
    level = 0
    row: list[str] | None = None
    for token in tokens:
        match token.type:
            case "heading_open":
                level = int(token.tag[1:])
            case "list_item_open":
                number = f"{token.info}. " if token.info else ""
            case "tr_open":
                row = []
            case "inline" if row is not None:
                row.append(_inline(token.children or ()))
            case "tr_close":
                builder.paragraph(" ".join(row or ()))
                row = None
            case "inline":
                builder.paragraph(number + _inline(token.children or ()), level=level)
                number, level = "", 0
            case "hr":
                builder.paragraph(SCENE_BREAK)
            case "html_block":
                builder.paragraph(html.unescape(_TAG.sub(" ", token.content)))


def _inline(tokens: Iterable[Token]) -> str:
    """Return the text of a block: emphasis and links are their text, pictures and tags are left out."""
    parts = []
    for token in tokens:
        if token.type in {"text", "code_inline"}:
            parts.append(token.content)
        elif token.type == "softbreak":
            parts.append(" ")
        elif token.type == "hardbreak":
            parts.append("\n")
    return "".join(parts)
