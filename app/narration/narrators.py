"""Builds narrators inside the speech process from one engine and, where useful, an aligner."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from app.alignment import whisperx
from app.alignment.base import Aligner
from app.models.store import ModelStore
from app.narration.fingerprint import fingerprint
from app.narration.options import NarrationOptions
from app.narration.pipeline import Narrator, no_aligner
from app.speech.base import SpeechEngine
from app.speech.registry import engine_spec


class Narrators:
    """
    Keeps one loaded engine for all stories, and one aligner for the language of the latest story.

    The aligner is loaded when the first chunk needs it. Languages without an alignment model, and stories
    that switch alignment off, use the engine's own word times.
    """

    def __init__(self, options: NarrationOptions) -> None:
        """
        Load the engine that `options` names, and verify the model files that stories load later.

        Raises ConfigurationError for an unknown engine or damaged models, MissingExtraError if the engine's
        packages are not installed.
        """
        self._options = options
        self._spec = engine_spec(options.engine)
        self._models = ModelStore(options.models_dir)
        # Verified beside the loading: otherwise a damaged file would fail jobs, one by one.
        with ThreadPoolExecutor(max_workers=1) as pool:
            verification = pool.submit(self._models.verify, *self._spec.lazy_models)
            self._engine = self._load()
            verification.result()
        self._aligners: dict[str, Aligner] = {}
        self._fingerprint = fingerprint(self._engine, self._models)

    def narrator(self, voice: str) -> Narrator:
        """Return the narrator for a story in `voice`."""
        aligner = no_aligner if self._spec.has_exact_times else partial(self._aligner, voice)
        return Narrator(engine=self._engine, aligner=aligner, fingerprint=self._fingerprint)

    def _load(self) -> SpeechEngine:
        options = self._options
        return self._spec.load(
            models_dir=options.models_dir, threads=options.threads, precision=options.precision
        )

    def _aligner(self, voice: str) -> Aligner | None:
        language = whisperx.language_of(voice)
        if language not in self._aligners and whisperx.has_model(self._models, language):
            # The container does not have the memory for two networks at once.
            self._aligners.clear()
            self._aligners[language] = whisperx.WhisperXAligner(
                models=self._models,
                language=language,
                threads=self._options.threads,
                precision=self._options.precision,
            )
        return self._aligners.get(language)
