"""All options of a narration in one value, passed from the settings through to the engine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from app.audio.loudness import DEFAULT_TARGET_LUFS
from app.errors import ConfigurationError
from app.job import Job
from app.media import AUDIO_FORMATS
from app.speech.registry import ENGINES, Precision, find_voice, voice_parts
from app.speech.voices import language_tag
from app.text.lexicon import NO_LEXICON, Lexicon
from app.text.lexicon_files import NO_LEXICONS, Lexicons, read_lexicons

if TYPE_CHECKING:
    # The speech child imports this module, and not pydantic: that would double the time it takes.
    from app.settings import SpeechSettings

DEFAULT_READING_SPEED = 20.0
"""Characters per second. Source: Netflix, English Timed Text Style Guide, adult programmes."""
CHILDRENS_READING_SPEED = 17.0
"""Characters per second. Source: the same guide, children's programmes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Silences between chunks, in seconds at speed 1.0, measured from the last sound."""

    clause_secs: float = 0.25
    """After a clause, where a sentence too long for the engine was split at its punctuation."""
    sentence_secs: float = 0.35
    paragraph_secs: float = 0.6
    heading_secs: float = 0.9
    """After a title or subtitle."""
    chapter_secs: float = 1.4
    """After the heading of a chapter or part."""
    scene_secs: float = 1.2
    """For a paragraph without speech, such as "* * *"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrationOptions:
    """
    How to narrate stories.

    `engine`, `models_dir`, `threads` and `precision` are fixed once an engine is loaded; the other options
    may differ from story to story.
    """

    engine: str
    voice: str
    speed: float = 1.0
    """Factor, 0.5 to 2.0."""
    use_alignment: bool = True
    """Whether to time words with an aligner if there is one, instead of the engine's own times."""
    reading_speed: float = DEFAULT_READING_SPEED
    """Highest reading speed of a cue, in characters per second."""
    pauses: Pauses = field(default_factory=Pauses)
    lexicon: Lexicon = NO_LEXICON
    """Pronunciations of words."""
    lexicons: Lexicons = NO_LEXICONS
    """The worker's own pronunciations by language: `for_job` takes those of the job's voice."""
    loudness_lufs: float = DEFAULT_TARGET_LUFS
    """Integrated loudness of the audio, in LUFS."""
    formats: tuple[str, ...] = ("wav",)
    """Audio formats to write, of app.media.AUDIO_FORMATS."""
    models_dir: Path = Path()
    """The folder filled by `story-tts models fetch`. Engines without models ignore it."""
    threads: int = 0
    """Threads used by the models; 0 means the container's CPU quota."""
    precision: Precision = "auto"
    """Number format of the vocoder's convolutions."""
    segment_secs: float = 180.0
    """Usual length of the segments that a narration is stored in, in seconds of audio."""

    @classmethod
    def from_settings(
        cls,
        settings: "SpeechSettings",
        *,
        engine: str | None = None,
        voice: str | None = None,
        speed: float = 1.0,
        use_alignment: bool = True,
        reading_speed: float | None = None,
        formats: Sequence[str] = ("wav",),
        lexicon: Lexicon = NO_LEXICON,
    ) -> Self:
        """
        Combine the settings with a command's options; None means the value from the settings.

        `lexicon` is added to the one that LEXICON_DIR has for the voice's language. Raises UnknownVoiceError
        or ConfigurationError, before any work is done.
        """
        if not math.isfinite(speed):
            raise ConfigurationError("--speed must be a number from 0.5 to 2")
        unknown = [name for name in formats if name not in AUDIO_FORMATS]
        if unknown:
            raise ConfigurationError(
                f"--format {unknown[0]}: not an audio format; available: {', '.join(AUDIO_FORMATS)}"
            )
        options = cls(
            formats=tuple(dict.fromkeys(formats)),
            engine=engine or settings.speech_engine,
            voice=voice or settings.default_voice,
            speed=speed,
            use_alignment=use_alignment,
            reading_speed=reading_speed or settings.reading_speed,
            pauses=Pauses(
                clause_secs=settings.clause_pause_secs,
                sentence_secs=settings.sentence_pause_secs,
                paragraph_secs=settings.paragraph_pause_secs,
                heading_secs=settings.heading_pause_secs,
                chapter_secs=settings.chapter_pause_secs,
            ),
            lexicon=lexicon,
            lexicons=lexicons_of(settings),
            loudness_lufs=settings.loudness_lufs,
            models_dir=settings.models_dir,
            threads=settings.speech_threads,
            precision=settings.speech_precision,
            segment_secs=settings.segment_secs,
        )
        return options.with_lexicon(lexicon, voice=options.voice)

    def with_lexicon(self, lexicon: Lexicon, *, voice: str) -> Self:
        """
        Return the options with the pronunciations for `voice`: those of its language, and `lexicon`.

        Raises UnknownVoiceError.
        """
        language = voice_language(self.engine, voice)
        return replace(self, lexicon=self.lexicons.of(language).merged(lexicon))


def voice_language(engine: str, voice: str) -> str:
    """Return the language tag of a voice or blend. Raises UnknownVoiceError."""
    return language_tag(find_voice(engine, voice_parts(engine, voice)[0][0]))


def lexicons_of(settings: "SpeechSettings") -> Lexicons:
    """Return the lexicons in LEXICON_DIR. Raises ConfigurationError."""
    if settings.lexicon_dir is None:
        return NO_LEXICONS
    languages = {language_tag(voice) for spec in ENGINES.values() for voice in spec.voices.values()}
    try:
        return read_lexicons(settings.lexicon_dir, languages=languages)
    except ConfigurationError as error:
        raise ConfigurationError(f"LEXICON_DIR: {error.message}") from None


def for_job(options: NarrationOptions, job: Job) -> NarrationOptions:
    """Return the worker's options, overridden by those of `job`."""
    return replace(
        options.with_lexicon(Lexicon(job.pronunciations), voice=job.voice),
        lexicons=NO_LEXICONS,
        voice=job.voice,
        speed=job.speed,
        use_alignment=job.use_alignment,
        formats=tuple(kind.format_name for kind in job.destination.formats),
    )
