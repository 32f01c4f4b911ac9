"""Checks cues against the subtitle rules, independently of the layout."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from app.subtitles.base import Cue
from app.subtitles.style import Style
from app.text.characters import width
from app.text.chunks import chunks
from app.text.spans import Boundary, Span, Word
from tests.tree import ROOT

CORPUS = (
    ROOT / "app/local/stories/the-story-of-an-hour.txt",
    *sorted((ROOT / "tests/data/passages").glob("*.txt")),
)
"""The shipped story and the passages of tests/data."""


def spoken(source: str, *, columns_a_second: float = 15.0, speed: float = 1.0) -> Iterator[Word]:
    """Yield the words of `source` with times by length and pauses at punctuation."""
    now = 0.0
    for chunk in chunks(source, measure=len, limit=300):
        for word in chunk.words:
            text = chunk.text[word.span.start : word.span.end]
            end = now + (len(text) + 1) / columns_a_second / speed
            span = Span(chunk.start + word.span.start, chunk.start + word.span.end)
            yield Word(text, now, end, span, word.boundary)
            now = end + _pause(text, word.boundary) / speed


def _pause(text: str, boundary: Boundary) -> float:
    if boundary is Boundary.PARAGRAPH:
        return 0.7
    if boundary is Boundary.SENTENCE:
        return 0.35
    return 0.15 if text.endswith((",", ";", ":", "\N{EM DASH}")) else 0.0


def faults(cues: Sequence[Cue], source: str, style: Style) -> Counter[str]:
    """Count the cues that break a hard rule, by rule; empty if all are kept."""
    found: Counter[str] = Counter()
    for cue in cues:
        found["lines"] += not 1 <= len(cue.lines) <= 2 or any(
            line.strip() != line or not line for line in cue.lines
        )
        found["width"] += any(width(line) > style.line_width for line in cue.lines)
        found["shortest"] += _ms(cue.end_secs) - _ms(cue.start_secs) < style.shortest_ms
        found["longest"] += _ms(cue.end_secs) - _ms(cue.start_secs) > style.longest_ms
        found["order"] += _ms(cue.end_secs) <= _ms(cue.start_secs)
    for before, after in pairwise(cues):
        gap = _ms(after.start_secs) - _ms(before.end_secs)
        found["gap"] += gap < style.gap_ms
        is_cut_off = _ms(before.end_secs) - _ms(before.start_secs) == style.longest_ms
        found["unclosed"] += style.gap_ms < gap < style.closed_ms and not is_cut_off
    found["text"] += _letters("".join(line for cue in cues for line in cue.lines)) != _letters(source)
    found["paragraph"] += _crossings(cues, source)
    return +found


def fast(cues: Sequence[Cue], style: Style) -> int:
    """Count the cues above the reading speed."""
    return sum(
        sum(map(width, cue.lines)) * 1000 > style.speed * (_ms(cue.end_secs) - _ms(cue.start_secs))
        for cue in cues
    )


def _crossings(cues: Sequence[Cue], source: str) -> int:
    """Count the cues with text of two paragraphs."""
    ends: set[int] = set()
    position = 0
    for paragraph in re.split(r"\n[ \t]*\n", source):
        position += len(_letters(paragraph))
        ends.add(position)
    crossings = position = 0
    for cue in cues:
        end = position + len(_letters("".join(cue.lines)))
        crossings += any(position < inner < end for inner in ends)
        position = end
    return crossings


def _letters(text: str) -> str:
    return "".join(text.split())


def _ms(secs: float) -> int:
    return round(secs * 1000)
