"""Positions in a text: spans, words with their times, and the boundary after a word."""

from dataclasses import dataclass
from enum import IntEnum


class Boundary(IntEnum):
    """What ends after a word; the strongest that applies."""

    NONE = 0
    SENTENCE = 1
    PARAGRAPH = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text, in characters: `text[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """
    One word of the source with its punctuation, and its time in the audio.

    In order, the words of a story cover every character that is not white space.
    """

    text: str
    """Exactly `source[span.start:span.end]`."""
    start_secs: float
    end_secs: float
    span: Span
    """In the source text of the story."""
    boundary: Boundary = Boundary.NONE
    """What ends after this word."""
