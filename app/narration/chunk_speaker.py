"""Turns one chunk into processed samples and word times: engine, trim, amplify, limit, fade, align."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.alignment.base import Aligner
from app.alignment.word_times import WordTimes, time_words
from app.audio.loudness import voice_gain
from app.audio.processing import (
    LEAD_SECS,
    TAIL_SECS,
    Samples,
    amplify,
    fade_ends,
    limit_peaks,
    trim_silence,
)
from app.errors import RefusedTextError
from app.narration.base import ENGINE_TIMINGS, PROPORTIONAL
from app.narration.options import NarrationOptions
from app.narration.segmentation import ends_mid_phrase
from app.speech.base import Mark, SpeechEngine, Utterance
from app.text.chunks import Chunk
from app.text.spans import Span

_log = logging.getLogger(__name__)

_EMPTY = Utterance(samples=np.zeros(0, dtype=np.float32), marks=())

_JOINT_SECS = 0.01
"""Silence kept where two chunks of one phrase join."""

FindAligner = Callable[[], Aligner | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenChunk:
    """The sound of a chunk and the times of its words."""

    samples: Samples
    word_times: WordTimes
    method: str
    """How the words were timed."""
    tail_secs: float
    """Silence at the end of the samples."""


class ChunkSpeaker:
    """
    Speaks the chunks of one story with one engine and, optionally, one aligner.

    The aligner is requested when the first chunk has sound, and never for a story of stored segments.
    """

    def __init__(self, *, engine: SpeechEngine, find_aligner: FindAligner, options: NarrationOptions) -> None:
        self._engine = engine
        self._find_aligner = find_aligner
        self._options = options
        self._gain = voice_gain(engine.name, options.voice, options.loudness_lufs)
        self.synthesis_secs = self.alignment_secs = 0.0

    @cached_property
    def _aligner(self) -> Aligner | None:
        return self._find_aligner()

    def speak(
        self, chunk: Chunk, *, is_mid_phrase: bool, on_samples: Callable[[Samples], None]
    ) -> SpokenChunk | None:
        """
        Return the speech of a chunk, None if it has no sound; `is_mid_phrase` if the last one ran into it.

        Calls `on_samples` before the words are timed, so that audio does not wait for the aligner.
        """
        rate = self._engine.sample_rate
        utterance = self._synthesize(chunk)
        speech = trim_silence(
            utterance.samples,
            rate,
            lead_secs=_JOINT_SECS if is_mid_phrase else LEAD_SECS,
            tail_secs=_JOINT_SECS if ends_mid_phrase(chunk) else TAIL_SECS,
        )
        if not len(speech.samples):
            return None
        samples = fade_ends(limit_peaks(amplify(speech.samples, self._gain), rate), rate)
        on_samples(samples)
        marks = tuple(_shift_marks(utterance.marks, -speech.cut_secs))
        word_times, method = self._time_words(chunk, replace(utterance, samples=speech.samples, marks=marks))
        return SpokenChunk(samples=samples, word_times=word_times, method=method, tail_secs=speech.tail_secs)

    def _synthesize(self, chunk: Chunk) -> Utterance:
        """Return the chunk's speech, empty if the engine cannot say any of it."""
        if not chunk.speakable:
            return _EMPTY
        began = time.perf_counter()
        try:
            return self._engine.speak(
                chunk.engine_text,
                voice=self._options.voice,
                speed=self._options.speed,
                lexicon=self._options.lexicon,
            )
        except RefusedTextError:
            # Symbols or a foreign script inside a story: the rest of the story is still narrated.
            return _EMPTY
        finally:
            self.synthesis_secs += time.perf_counter() - began

    def _time_words(self, chunk: Chunk, speech: Utterance) -> tuple[WordTimes, str]:
        """Time the chunk's words by the aligner, else by the engine's marks, else by length."""
        spans = chunk_spans(chunk)
        aligned = self._align(chunk, speech, spans)
        word_times = time_words(
            spans,
            aligned or speech.marks,
            text=chunk.text,
            duration_secs=len(speech.samples) / self._engine.sample_rate,
        )
        method = self._aligner.name if aligned and self._aligner else ENGINE_TIMINGS
        return word_times, PROPORTIONAL if word_times.proportional else method

    def _align(self, chunk: Chunk, speech: Utterance, spans: Sequence[Span]) -> Sequence[Mark | None]:
        """Return the aligner's marks; empty if there is no aligner, it fails, or it finds no word."""
        if self._aligner is None:
            return ()
        began = time.perf_counter()
        try:
            marks = self._aligner.align(
                speech, text=chunk.text, words=spans, sample_rate=self._engine.sample_rate
            )
        except Exception as error:  # noqa: BLE001 - a model may raise anything; the engine's times remain
            _log.warning(
                "alignment of a chunk failed with %s; using the engine's word times", type(error).__name__
            )
            return ()
        finally:
            self.alignment_secs += time.perf_counter() - began
        return marks if any(marks) else ()


def chunk_spans(chunk: Chunk) -> Sequence[Span]:
    """Return the spans of a chunk's words."""
    return [word.span for word in chunk.words]


def _shift_marks(marks: Sequence[Mark], secs: float) -> Iterator[Mark]:
    for mark in marks:
        yield Mark(
            start=mark.start,
            end=mark.end,
            start_secs=mark.start_secs + secs,
            end_secs=mark.end_secs + secs,
        )
