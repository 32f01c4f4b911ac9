"""
The speech engines: one `EngineSpec` per engine, which settings, commands and the speech child read.

Imports nothing heavy: only the speech child loads an engine.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

from app.errors import ConfigurationError, UnknownVoiceError
from app.speech.voices import ESPEAK_VOICES, KOKORO_VOICES, Voice, language_tag

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from app.speech.base import SpeechEngine
    from app.speech.pronounce import Pronounce

Precision = Literal["auto", "float32", "bfloat16", "int8"]
"""What the convolutions of a network compute in; auto: the fastest on this processor."""


class EngineLoader(Protocol):
    """Loads an engine inside the speech child."""

    def __call__(self, *, models_dir: Path, threads: int, precision: Precision) -> "SpeechEngine":
        """
        Return the engine.

        `threads` 0 stands for the container's quota. Raises MissingExtraError where the engine's packages are
        not installed, ConfigurationError where its models are missing or damaged.
        """


class PronouncingLoader(Protocol):
    """Prepares the pronunciation of an engine without its weights, for `story-tts pronounce`."""

    def __call__(self, *, voice: str, models_dir: Path) -> "AbstractContextManager[Pronounce]":
        """
        Return a context that yields the function that pronounces texts as `voice` does.

        Raises MissingExtraError if the engine's packages are not installed, ConfigurationError if files
        of the pronunciation are missing.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What is known about an engine before it is loaded."""

    name: str
    about: str
    """For help texts."""
    voices: Mapping[str, Voice]
    load: EngineLoader
    pronouncing: PronouncingLoader
    has_exact_times: bool = False
    """Whether its own word times are exact, so that no aligner improves them."""
    has_blends: bool = False
    """Whether a voice may be a blend, such as "af_heart(2)+am_adam"."""
    lazy_models: tuple[str, ...] = ()
    """Prefixes of model files that are read only when a story needs them."""


def _load_espeak(*, models_dir: Path, threads: int, precision: Precision) -> "SpeechEngine":  # noqa: ARG001
    from app.speech.espeak import EspeakEngine

    return EspeakEngine()


def _load_kokoro(*, models_dir: Path, threads: int, precision: Precision) -> "SpeechEngine":
    from app.models.store import ModelStore
    from app.speech.kokoro import KokoroEngine

    return KokoroEngine(models=ModelStore(models_dir), threads=threads, precision=precision)


def _espeak_pronouncing(*, voice: str, models_dir: Path) -> "AbstractContextManager[Pronounce]":
    from app.speech.pronounce import espeak_pronouncing

    return espeak_pronouncing(voice=voice, models_dir=models_dir)


def _kokoro_pronouncing(*, voice: str, models_dir: Path) -> "AbstractContextManager[Pronounce]":
    from app.speech.pronounce import kokoro_pronouncing

    return kokoro_pronouncing(voice=voice, models_dir=models_dir)


ENGINES: Mapping[str, EngineSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            EngineSpec(
                name="espeak",
                about="built in",
                voices=ESPEAK_VOICES,
                load=_load_espeak,
                pronouncing=_espeak_pronouncing,
                has_exact_times=True,
            ),
            EngineSpec(
                name="kokoro",
                about="run `make speech` first",
                voices=KOKORO_VOICES,
                load=_load_kokoro,
                pronouncing=_kokoro_pronouncing,
                has_blends=True,
                lazy_models=("kokoro/voices/", "align/"),
            ),
        )
    }
)
"""Every engine by its name."""


def engine_spec(name: str) -> EngineSpec:
    """Return the engine called `name`. Raises ConfigurationError where there is none."""
    try:
        return ENGINES[name]
    except KeyError:
        message = f"engine: {_quoted(name)} is none of {', '.join(ENGINES)}"
        raise ConfigurationError(message) from None


def find_voice(engine: str, name: str) -> Voice:
    """Return the voice that `engine` knows as `name`. Raises UnknownVoiceError, with a hint."""
    voices = engine_spec(engine).voices
    try:
        return voices[name]
    except KeyError:
        close = get_close_matches(name[:_LONGEST_QUOTE].lower(), voices, n=1)
        hint = (
            f"; did you mean {close[0]}?" if close else f"; `story-tts voices --engine {engine}` lists them"
        )
        message = f"{engine} has no voice {_quoted(name)}{hint}"
        raise UnknownVoiceError(message) from None


def voice_parts(engine: str, name: str) -> list[tuple[str, float]]:
    """
    Return the voices and weights of `name`: one voice, or a blend such as "af_heart(2)+am_adam".

    The first voice decides the language. Raises UnknownVoiceError.
    """
    spec = engine_spec(engine)
    if not spec.has_blends or name in spec.voices:
        return [(find_voice(engine, name).name, 1.0)]
    parts = []
    for part in name.split("+")[:_BLEND_PARTS]:
        match = _BLEND.fullmatch(part)
        voice = find_voice(engine, match["name"] if match else name)
        parts.append((voice.name, float((match and match["weight"]) or 1)))
    if name.count("+") >= _BLEND_PARTS or sum(weight for _, weight in parts) <= 0:
        raise UnknownVoiceError(
            f"a blend has 1 to {_BLEND_PARTS} voices, and at least one weight must be above 0"
        )
    return parts


def language_of(engine: str, name: str) -> str:
    """Return the language tag of a voice or blend, such as "en-us". Raises UnknownVoiceError."""
    return language_tag(find_voice(engine, voice_parts(engine, name)[0][0]))


class VoiceNames(Container[str]):
    """Every name that an engine speaks by: its voices, and their blends where it has them."""

    def __init__(self, engine: str) -> None:
        """Raise ConfigurationError where there is no such engine."""
        self._engine = engine
        engine_spec(engine)

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and bool(voice_parts(self._engine, name))
        except UnknownVoiceError:
            return False


_BLEND = re.compile(r"(?P<name>[a-z]{2}_[a-z]+)(?:\((?P<weight>\d{1,3}(?:\.\d{1,3})?)\))?")
_BLEND_PARTS = 8
_LONGEST_QUOTE = 64


def _quoted(name: str) -> str:
    """Return a name from outside so that it is safe in one line of a message or a log."""
    return ascii(name if len(name) <= _LONGEST_QUOTE else name[:_LONGEST_QUOTE] + "...")
