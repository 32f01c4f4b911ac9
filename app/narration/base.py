"""Request, progress and result of a narration. Imports no engine, so any process can use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.media import MediaKind
from app.narration.options import NarrationOptions

ENGINE_TIMINGS = "engine"
"""Words timed by the engine's own marks."""
PROPORTIONAL = "proportional"
"""Words timed by their length only: the last resort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One story to narrate into a folder."""

    text: str
    folder: Path
    """An existing folder, owned by the caller, that receives the media."""
    options: NarrationOptions
    segments: Path | None = None
    """An existing folder that keeps the narration's segments; None keeps none."""
    reuse_segments: bool = True
    """Whether to use segments that are there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a narration has come."""

    fraction: float
    """Share of the text's characters that is done, 0 to 1."""
    chunk: int
    """Number of chunks done."""
    audio_secs: float
    """Seconds of audio written."""
    reused_secs: float = 0.0
    """How many of those come from segments of an earlier run."""
    synthesis_secs: float = 0.0
    """Time spent in the engine so far."""
    segment: str = ""
    """The file name of the segment that was stored just now, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narration:
    """The result of a narration: the media files, and how they were produced."""

    media: Mapping[MediaKind, Path]
    duration_secs: float
    sample_rate: int
    engine: str
    voice: str
    alignment: str
    """The least exact timing method used by any chunk: an aligner's name, "engine" or "proportional"."""
    alignment_chunks: Mapping[str, int]
    """Number of chunks by timing method."""
    words: int
    words_interpolated: int
    """Words without a time of their own, interpolated between their neighbours."""
    cues: int
    relaxed_rules: Mapping[str, int]
    """Cues for which a subtitle rule was relaxed, by rule: `fast`, `early`, `late`, `short`."""
    synthesis_secs: float
    """Time spent in the engine."""
    alignment_secs: float
    """Time spent in the aligner."""
    elapsed_secs: float
    """Time spent in total."""
    segments: int = 1
    """Number of segments."""
    segments_reused: int = 0
    """How many of them come from an earlier run."""
    reused_secs: float = 0.0
    """Seconds of audio of those."""
    variant: str = ""
    """What else decided the samples, such as "bfloat16 on cpu"; empty for an engine with one way only."""


class Cancellation(Protocol):
    """Polled during a narration to see whether it should stop. threading.Event implements it."""

    def is_set(self) -> bool:
        """Return whether to stop now."""


OnProgress = Callable[[Progress], None]
