"""The vocabulary of subtitles (Word, Cue) and what an aligner is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from app.speech.base import Mark, Utterance


class Boundary(IntEnum):
    """What ends after a word, the strongest that applies."""

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
    One word of the source with its punctuation, and when it is heard.

    The words of a story, in order, cover every character of it that is not white space.
    """

    text: str
    """Exactly `source[span.start:span.end]`."""
    start_secs: float
    end_secs: float
    span: Span
    """In the source text of the story."""
    boundary: Boundary = Boundary.NONE
    """What ends with this word."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: up to two lines, shown from start to end."""

    lines: tuple[str, ...]
    start_secs: float
    end_secs: float


class Aligner(Protocol):
    """Finds when each stretch of a chunk is heard, by listening to its samples."""

    name: str
    """As the rows name the method in `alignment`."""

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """
        Return a mark for each of `words` (spans in the chunk's `text`), None where it found no time.

        Marks are in order and inside the utterance: 0 <= start_secs <= end_secs <= its duration.
        """
