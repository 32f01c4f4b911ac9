"""
How an engine pronounces a text, without synthesizing it: for writers of lexicons, and for measuring.

Needs only the files of the pronunciation (for Kokoro's English, spaCy's pipeline), not the network's weights.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.speech.registry import engine_spec, voice_parts
from app.text.chunks import chunks
from app.text.lexicon import Lexicon
from app.text.spans import Span
from app.text.spoken.base import SpokenText

if TYPE_CHECKING:
    from app.speech.espeak import EspeakEngine
    from app.speech.pronunciation import Pronouncer, Pronunciation

_RUN = re.compile(r"\S+")
_WINDOW = 400
"""Characters of a text that are pronounced at once."""


@dataclass(frozen=True, slots=True)
class PronouncedWord:
    """One or more words of the source that are said as one."""

    text: str
    """Exactly `source[start:end]`."""
    start: int
    end: int
    spoken: str
    phonemes: str


@dataclass(frozen=True, slots=True)
class PronouncedText:
    """A text as it is said."""

    spoken: str
    phonemes: str
    """In the engine's alphabet: Kokoro's, or IPA of espeak-ng."""
    words: tuple[PronouncedWord, ...]
    """In order; silent ones are left out."""


Pronounce = Callable[[str, Lexicon], PronouncedText]


@contextmanager
def pronouncing(engine: str, *, voice: str, models_dir: Path) -> Iterator[Pronounce]:
    """
    Yield the function that pronounces texts as `voice` of `engine` does.

    Raises UnknownVoiceError, MissingExtraError where the engine's packages are not installed, and
    ConfigurationError where the files of the pronunciation are missing.
    """
    name = voice_parts(engine, voice)[0][0]
    with engine_spec(engine).pronouncing(voice=name, models_dir=models_dir) as pronounce:
        yield _in_windows(pronounce)


@contextmanager
def espeak_pronouncing(*, voice: str, models_dir: Path) -> Iterator[Pronounce]:  # noqa: ARG001 - none needed
    """Yield the pronunciation of an espeak voice."""
    from app.speech.espeak import EspeakEngine

    with closing(EspeakEngine()) as engine:
        yield _EspeakWords(engine, voice)


@contextmanager
def kokoro_pronouncing(*, voice: str, models_dir: Path) -> Iterator[Pronounce]:
    """Yield the pronunciation of a Kokoro voice."""
    yield _KokoroWords(voice, models_dir)


def _in_windows(pronounce: Pronounce) -> Pronounce:
    """Pronounce chunk by chunk, as a narration does, whatever the length of the text."""

    def whole(text: str, lexicon: Lexicon) -> PronouncedText:
        spoken, phonemes, words = [], [], list[PronouncedWord]()
        for chunk in chunks(text, measure=len, limit=_WINDOW):
            part = pronounce(chunk.text, lexicon)
            spoken.append(part.spoken.strip())
            phonemes.append(part.phonemes)
            words += (
                PronouncedWord(
                    word.text, word.start + chunk.start, word.end + chunk.start, word.spoken, word.phonemes
                )
                for word in part.words
            )
        return PronouncedText(" ".join(spoken), " ".join(phonemes).strip(), tuple(words))

    return whole


def _groups(spoken: SpokenText) -> Iterator[tuple[Span, Span]]:
    """Yield (source span, spoken span) of the words, those that speak one replacement together."""
    last: tuple[Span, Span] | None = None
    for run in _RUN.finditer(spoken.text):
        source = spoken.source_span(*run.span())
        if last and source.start < last[0].end:
            last = (Span(last[0].start, max(last[0].end, source.end)), Span(last[1].start, run.end()))
            continue
        if last:
            yield last
        last = (source, Span(*run.span()))
    if last:
        yield last


class _KokoroWords:
    """Words by the pronouncer of a Kokoro voice."""

    def __init__(self, voice: str, models_dir: Path) -> None:
        self._pronouncer = _kokoro_pronouncer(voice[0], models_dir)

    def __call__(self, text: str, lexicon: Lexicon) -> PronouncedText:
        said = self._pronouncer(text, lexicon=lexicon)
        return PronouncedText(said.spoken.text, said.symbols, tuple(self._words(text, said)))

    @staticmethod
    def _words(text: str, said: "Pronunciation") -> Iterator[PronouncedWord]:
        spans = iter(said.spans)
        span = next(spans, None)
        for source, spoken in _groups(said.spoken):
            phonemes = []
            while span is not None and span.start < source.end:
                phonemes.append(said.symbols[span.first_phoneme : span.end_phoneme])
                span = next(spans, None)
            if phonemes:
                yield PronouncedWord(
                    text[source.start : source.end],
                    source.start,
                    source.end,
                    said.spoken.text[spoken.start : spoken.end],
                    " ".join(phonemes),
                )


def _kokoro_pronouncer(language: str, models_dir: Path) -> "Pronouncer":
    from app.models.store import ModelStore
    from app.speech import kokoro
    from app.speech.pronunciation import known_phonemes, pronouncer

    kokoro.prepare_pronunciation(ModelStore(models_dir), language=language)
    return pronouncer(language, vocabulary=known_phonemes())


class _EspeakWords:
    """Words by espeak-ng, each translated alone; the phonemes of the text are those of the whole."""

    def __init__(self, engine: "EspeakEngine", voice: str) -> None:
        self._engine = engine
        self._voice = voice

    def __call__(self, text: str, lexicon: Lexicon) -> PronouncedText:
        spoken = self._engine.spoken(text, voice=self._voice, lexicon=lexicon)
        given = dict(spoken.pronunciations()) if self._engine.takes_phonemes(self._voice) else {}
        words = []
        for source, span in _groups(spoken):
            phonemes = self._phonemes(spoken.text, span, given)
            if phonemes:
                said = spoken.text[span.start : span.end]
                words.append(
                    PronouncedWord(text[source.start : source.end], source.start, source.end, said, phonemes)
                )
        whole = self._phonemes(spoken.text, Span(0, len(spoken.text)), given)
        return PronouncedText(spoken.text, whole, tuple(words))

    def _phonemes(self, text: str, within: Span, given: Mapping[Span, str]) -> str:
        """Return the phonemes of a stretch of spoken text; those of the lexicon as they are given."""
        parts: list[str] = []
        position = within.start
        for span, phonemes in given.items():
            if within.start <= span.start and span.end <= within.end:
                parts += (self._engine.phonemes(text[position : span.start], voice=self._voice), phonemes)
                position = span.end
        parts.append(self._engine.phonemes(text[position : within.end], voice=self._voice))
        return " ".join(part for part in parts if part)
