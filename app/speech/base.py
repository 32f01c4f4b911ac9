"""The interface of a speech engine: the text of a chunk in, samples and word times out."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.text.lexicon import NO_LEXICON, Lexicon
from app.text.spoken.base import SpokenText


@dataclass(frozen=True, slots=True)
class Mark:
    """
    A span of a chunk's text and its time in the chunk's audio.

    The same as the word-type "speech mark" of Amazon Polly.
    """

    start: int
    """First character in the chunk's text."""
    end: int
    """Character after the last."""
    start_secs: float
    end_secs: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """The audio of one chunk."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), full scale at 1.0, at the engine's sample rate."""
    marks: tuple[Mark, ...]
    """The engine's own word times, in order, in positions of the source; empty if it has none."""
    spoken: SpokenText | None = None
    """What was said for the chunk's text, which an aligner spells; None if it was said as written."""


class SpeechEngine(Protocol):
    """
    Synthesizes chunks of text, one at a time.

    An engine may hold global native state, so a process has one engine at a time. The speech child owns it.
    """

    name: str
    """The name in SPEECH_ENGINE and in the task rows."""
    sample_rate: int
    """Hertz; the same for every utterance."""
    max_chunk: int
    """The largest chunk, in the units of `measure`."""
    max_first_chunk: int
    """
    The largest first chunk of a story, in the units of `measure`, so that audio starts early; 0 for an engine
    that is fast enough without.
    """
    voices: Collection[str]
    """All valid names. No other name reaches a path, a download or native code."""
    variant: str
    """What besides the models decides the samples, such as the precision it computes in; empty if nothing."""

    def close(self) -> None:
        """Release native state. The engine must not be used afterwards."""

    def reset(self) -> None:
        """
        Return to the state of a new engine, so that the same calls give the same samples again.

        A narrator resets the engine before each segment. It should take milliseconds at most.
        """

    def measure(self, text: str, *, voice: str, lexicon: Lexicon = NO_LEXICON) -> int:
        """Return the size of `text` for `voice` in the engine's units, such as phonemes."""

    def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
        """
        Synthesize one chunk of at most `max_chunk` units; `speed` is a factor from 0.5 to 2.0.

        The engine says the spoken form of `text` (app/text/spoken/), with the pronunciations of `lexicon`.

        Raises UnknownVoiceError for a voice outside the set, RefusedTextError for text that it cannot speak.
        """
