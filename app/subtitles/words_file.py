"""Reads words.json back, one word at a time."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.errors import InvalidMediaError
from app.text.spans import Boundary, Span, Word


def read_words(path: Path) -> Iterator[Word]:
    """
    Yield the words of the words.json file at `path`, which has one word per line.

    Raises InvalidMediaError if the file is not a complete words.json, OSError if it cannot be read.
    """
    with path.open(encoding="utf-8") as file:
        try:
            if not file.readline().startswith('{"format": "story-tts.words", "version": 1,'):
                raise InvalidMediaError(f"{path}: not a words.json file of version 1")
            for line in file:
                if line.startswith("]"):
                    return
                yield _word(json.loads(line.rstrip().rstrip(",")))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidMediaError(f"{path}: not a words.json file") from error
    raise InvalidMediaError(f"{path}: the file is cut off")


def _word(entry: dict[str, object]) -> Word:
    start, end = entry["span"]  # type: ignore[misc]
    return Word(
        text=str(entry["text"]),
        start_secs=float(entry["start"]),  # type: ignore[arg-type]
        end_secs=float(entry["end"]),  # type: ignore[arg-type]
        span=Span(int(start), int(end)),  # type: ignore[has-type]
        boundary=Boundary[str(entry.get("ends", "none")).upper()],
    )


def text_of(words: Iterable[Word]) -> str:
    """
    Return a text that has `words` at their spans, where the source text is not at hand.

    The words and the breaks between paragraphs are those of the source; other white space becomes spaces.
    """
    parts: list[str] = []
    at = 0
    previous: Word | None = None
    for word in words:
        gap = word.span.start - at
        ends = previous is not None and previous.boundary is Boundary.PARAGRAPH
        parts.append(_paragraph_break(gap) if ends else " " * gap)
        parts.append(word.text)
        at, previous = word.span.end, word
    return "".join(parts)


def _paragraph_break(length: int) -> str:
    return "\n" * length if length > 1 else "\u2029"[:length]
