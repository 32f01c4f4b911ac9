"""Every choice that a narration depends on, in one value that travels from the settings to the engine."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from app.errors import ConfigurationError
from app.job import Job
from app.settings import SpeechSettings
from app.speech.registry import Precision, voice_parts

DEFAULT_READING_SPEED = 20.0
"""Characters per second, as Netflix' English Timed Text Style Guide has it for adults."""
CHILDRENS_READING_SPEED = 17.0
"""The same for children's programmes."""


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
class NarrationOptions:
    """
    How stories are narrated.

    `engine`, `models_dir`, `threads` and `precision` are fixed when an engine is loaded; the others may
    differ from story to story.
    """

    engine: str
    voice: str
    speed: float = 1.0
    """Factor, 0.5 to 2.0."""
    use_alignment: bool = True
    """Whether an aligner times the words where there is one; otherwise the engine's own times are used."""
    reading_speed: float = DEFAULT_READING_SPEED
    """Characters per second that a cue may ask of its reader."""
    pauses: Pauses = field(default_factory=Pauses)
    models_dir: Path = Path()
    """Folder of `story-tts models fetch`; engines without models do not read it."""
    threads: int = 0
    """Threads of the models; 0: as many as the container's processor quota."""
    precision: Precision = "auto"
    """What the vocoder's convolutions compute in."""

    @classmethod
    def from_settings(
        cls,
        settings: SpeechSettings,
        *,
        engine: str | None = None,
        voice: str | None = None,
        speed: float = 1.0,
        use_alignment: bool = True,
        reading_speed: float | None = None,
    ) -> Self:
        """
        Join the settings with what a command asks for; None leaves a field to the settings.

        Raises UnknownVoiceError and ConfigurationError before any work is done.
        """
        if not math.isfinite(speed):
            raise ConfigurationError("--speed must be a number from 0.5 to 2")
        options = cls(
            engine=engine or settings.speech_engine,
            voice=voice or settings.default_voice,
            speed=speed,
            use_alignment=use_alignment,
            reading_speed=reading_speed or settings.reading_speed,
            pauses=Pauses(
                sentence_secs=settings.sentence_pause_secs, paragraph_secs=settings.paragraph_pause_secs
            ),
            models_dir=settings.models_dir,
            threads=settings.speech_threads,
            precision=settings.speech_precision,
        )
        voice_parts(options.engine, options.voice)
        return options


def for_job(options: NarrationOptions, job: Job) -> NarrationOptions:
    """Return the worker's options with what `job` asks for."""
    return replace(options, voice=job.voice, speed=job.speed, use_alignment=job.use_alignment)
