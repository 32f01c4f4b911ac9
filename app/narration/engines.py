"""Where an engine's name becomes the engine, inside the speech child."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from app.alignment.base import Aligner
from app.narration.base import Request
from app.narration.pipeline import Narrator, no_aligner
from app.settings import SpeechSettings
from app.speech.voices import voices_of


class Speech(Protocol):
    """An engine ready to narrate."""

    def narrator(self, request: Request) -> Narrator:
        """Return the narrator of the story that `request` asks for."""


class _Espeak:
    """
    A new engine a story.

    It loads in a millisecond, and what it keeps between calls would let a story sound otherwise after
    another than alone.
    """

    def __init__(self) -> None:
        from app.speech.espeak import EspeakEngine  # noqa: PLC0415 - native code of the chosen engine alone

        self._build = EspeakEngine
        self._engine = EspeakEngine()

    def narrator(self, request: Request) -> Narrator:  # noqa: ARG002 - one for all stories
        self._engine.close()
        self._engine = self._build()
        # Its own times are exact; no aligner comes near.
        return Narrator(engine=self._engine, aligner=no_aligner)


class _Kokoro:
    """
    One network for all stories, and an aligner for the language of the last one.

    Both read the models folder that the settings name; a language without an aligner there keeps Kokoro's own
    times, and so does a story that asks for them, which never loads one.
    """

    def __init__(self) -> None:
        from app.models.store import ModelStore  # noqa: PLC0415 - needs nothing heavy, but only Kokoro needs it
        from app.speech.kokoro import KokoroEngine  # noqa: PLC0415 - native code of the chosen engine alone

        settings = SpeechSettings.read()
        self._models = ModelStore(settings.models_dir)
        self._threads = settings.speech_threads
        self._engine = KokoroEngine(
            models=self._models, threads=self._threads, precision=settings.speech_precision
        )
        self._aligners: dict[str, Aligner] = {}

    def narrator(self, request: Request) -> Narrator:
        return Narrator(engine=self._engine, aligner=partial(self._aligner, request.voice))

    def _aligner(self, voice: str) -> Aligner | None:
        from app.alignment import whisperx  # noqa: PLC0415 - native code of the chosen engine alone

        language = whisperx.language_of(voice)
        if language not in self._aligners and whisperx.has_model(self._models, language):
            # two networks at once are more than the container's memory
            self._aligners.clear()
            self._aligners[language] = whisperx.WhisperXAligner(
                models=self._models, language=language, threads=self._threads
            )
        return self._aligners.get(language)


def speech_of(engine: str) -> Speech:
    """Load the engine by name: ConfigurationError for none, MissingExtraError where it is not installed."""
    voices_of(engine)
    return _LOADERS[engine]()


_LOADERS: dict[str, Callable[[], Speech]] = {"espeak": _Espeak, "kokoro": _Kokoro}
