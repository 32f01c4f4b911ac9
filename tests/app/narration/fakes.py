"""Engines and aligners whose output is known exactly."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from app.speech.base import Mark, Utterance
from app.text.lexicon import NO_LEXICON, Lexicon
from app.text.spans import Span


class HummingEngine:
    """An engine that hums a tenth of a second per character, with marks if `has_marks`."""

    name = "hum"
    sample_rate = 8000
    max_chunk = 60
    max_first_chunk = 0
    voices: Collection[str] = ("af_heart",)
    has_marks = False
    variant = "low"

    def close(self) -> None:
        """Do nothing."""

    def reset(self) -> None:
        """Do nothing."""

    def measure(self, text: str, *, voice: str, lexicon: Lexicon = NO_LEXICON) -> int:
        """Count characters."""
        assert voice
        assert lexicon == NO_LEXICON
        return len(text)

    def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
        """Hum."""
        assert voice
        assert lexicon == NO_LEXICON
        count = round(len(text) * 800 / speed)
        samples = (0.5 * np.sin(np.arange(count) / 5)).astype(np.float32)
        marks = (Mark(0, len(text), 0.0, count / 8000),) if self.has_marks else ()
        return Utterance(samples=samples, marks=marks)


class RecordingEngine(HummingEngine):
    """Hums, and records each chunk in `spoken`."""

    def __init__(self, *, max_first_chunk: int = 0) -> None:
        self.max_first_chunk = max_first_chunk
        self.spoken: list[str] = []

    def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
        """Record the text and hum."""
        self.spoken.append(text)
        return super().speak(text, voice=voice, speed=speed, lexicon=lexicon)


class FakeAligner:
    """An aligner that gives each word a hundredth of a second, and fails where `succeeds` returns False."""

    name = "fake"

    def __init__(self, succeeds: Callable[[int], bool] = lambda _: True) -> None:
        self._succeeds = succeeds
        self.calls = 0

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """Return marks of a hundredth of a second each, or fail."""
        self.calls += 1
        assert text
        assert len(utterance.samples) / sample_rate > len(words) / 100
        if not self._succeeds(self.calls):
            raise RuntimeError("a model's own error")
        return [Mark(w.start, w.end, i / 100, (i + 1) / 100) for i, w in enumerate(words)]


class EmptyAligner(FakeAligner):
    """An aligner that finds no word."""

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """Return no marks."""
        super().align(utterance, text=text, words=words, sample_rate=sample_rate)
        return [None] * len(words)
