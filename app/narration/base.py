"""The vocabulary of narration, light enough for a process that never speaks: request, progress, result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.media import MediaKind
from app.narration.options import NarrationOptions

ENGINE_TIMINGS = "engine"
"""Alignment by the engine's own marks."""
PROPORTIONAL = "proportional"
"""Alignment by length alone, the last resort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One story to narrate into a folder."""

    text: str
    folder: Path
    """Exists and belongs to the caller; the media are written into it."""
    options: NarrationOptions


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

    media: Mapping[MediaKind, Path]
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
