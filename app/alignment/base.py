"""The interface of an aligner: when each word of a chunk is heard."""

from collections.abc import Sequence
from typing import Protocol

from app.speech.base import Mark, Utterance
from app.text.spans import Span


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
