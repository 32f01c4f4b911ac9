"""The interface of an aligner, which finds the time of each word in the audio of a chunk."""

from collections.abc import Sequence
from typing import Protocol

from app.speech.base import Mark, Utterance
from app.text.spans import Span


class Aligner(Protocol):
    """Finds the time of each word of a chunk in its samples."""

    name: str
    """The value of `alignment` in the task rows."""

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """
        Return a mark for each of `words`, spans of the chunk's `text`; None for a word that was not found.

        Marks are in order and inside the utterance: 0 <= start_secs <= end_secs <= duration. `sample_rate` is
        in hertz.
        """
