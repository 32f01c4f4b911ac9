"""What an engine is: text of one chunk in, samples and the times of what was said out."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Mark:
    """One stretch of a chunk's text and when it is heard, both relative to the chunk."""

    start: int
    """First character in the chunk's text."""
    end: int
    """Character after the last."""
    start_secs: float
    end_secs: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """A chunk as spoken."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), full scale at 1.0, at the engine's sample rate."""
    marks: tuple[Mark, ...]
    """The engine's own timings, in order; empty where it has none."""


class SpeechEngine(Protocol):
    """
    Speaks chunks of text, one at a time, in one process.

    An engine may hold global native state: it is built once a process, inside the speech child.
    """

    name: str
    """As SPEECH_ENGINE and the rows name it."""
    sample_rate: int
    """Hertz, of every utterance."""
    max_chunk: int
    """The longest chunk the engine speaks well, in the units of `measure`."""
    opening: int
    """
    The longest first chunk of a story that is cut short to be heard soon, in the units of `measure`; 0 where
    speaking takes no time to speak of.
    """
    voices: Collection[str]
    """The closed set: no other name reaches a path, a download or native code."""

    def close(self) -> None:
        """Release native state; the engine speaks no more."""

    def measure(self, text: str, *, voice: str) -> int:
        """Return the size of `text`, as `voice` speaks it, in the engine's units (characters, phonemes)."""

    def speak(self, text: str, *, voice: str, speed: float) -> Utterance:
        """
        Speak one chunk that measures `max_chunk` at most; `speed` is a factor, 0.5 to 2.0.

        Raises UnknownVoiceError for a voice outside the set, RefusedTextError for a text it cannot say.
        """
