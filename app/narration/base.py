"""The vocabulary of narration, light enough for a process that never speaks: request, progress, result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ENGINE_TIMINGS = "engine"
"""Alignment by the engine's own marks."""
PROPORTIONAL = "proportional"
"""Alignment by length alone, the last resort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Silences between chunks, in seconds at speed 1.0, counted from the last sound."""

    clause_secs: float = 0.12
    """Where a sentence too long for the engine was cut at its punctuation."""
    sentence_secs: float = 0.25
    paragraph_secs: float = 0.6
    scene_secs: float = 1.2
    """Where a paragraph holds nothing to say, such as "* * *"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One story to narrate into a folder."""

    text: str
    folder: Path
    """Exists and is ours; the media are written into it as audio.wav, subtitles.srt, .vtt and .words.json."""
    voice: str
    speed: float = 1.0
    """Factor, 0.5 to 2.0."""
    use_alignment: bool = True
    """Whether to listen to the audio where an aligner is there; otherwise the engine's own timings stand."""
    reading_speed: float = 20.0
    """Characters a second that a cue may ask of its reader."""
    pauses: Pauses = field(default_factory=Pauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a narration is."""

    fraction: float
    """Of the text's characters, 0 to 1."""
    chunk: int
    """Chunks done."""
    audio_secs: float
    """Audio written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narration:
    """A story as narrated: where its media are, and how they came about."""

    audio: Path
    srt: Path
    vtt: Path
    words_json: Path
    duration_secs: float
    sample_rate: int
    engine: str
    voice: str
    alignment: str
    """The least exact method that any chunk was timed by: an aligner's name, "engine" or "proportional"."""
    alignment_chunks: Mapping[str, int]
    """Chunks by the method that timed them."""
    words: int
    words_interpolated: int
    """Words without a time of their own, placed between their neighbours."""
    cues: int
    concessions: Mapping[str, int]
    """Subtitle rules that had to give, and in how many cues."""
    synthesis_secs: float
    """Spent in the engine."""
    alignment_secs: float
    """Spent in the aligner."""
    elapsed_secs: float
    """Spent in all."""


class Cancellation(Protocol):
    """Asked, again and again, whether the narration should end; threading.Event is one."""

    def is_set(self) -> bool:
        """Return whether to end now."""


OnProgress = Callable[[Progress], None]
