"""Kokoro-82M through its own package, in the memory and time of a small container."""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import MissingExtraError, RefusedTextError, UnknownVoiceError
from app.models.store import ModelStore
from app.speech import loading, native
from app.speech.base import Mark, Utterance
from app.speech.pronunciation import Pronouncer, Pronunciation, pronouncer
from app.speech.registry import Precision, voice_parts
from app.speech.voices import KOKORO_VOICES

if TYPE_CHECKING:
    from torch import Tensor

_REPOSITORY = "hexgrad/Kokoro-82M"
_FRAMES_A_SECOND = 40
"""Of pred_dur: 600 samples each at 24 kHz (kokoro.pipeline.KPipeline.join_timestamps)."""
_SAMPLES_A_FRAME = 600
_MODEL_LIMIT = 510
"""Phonemes; the network's context is 512, its first and last are the ends."""
_SEED = 20251124
_SILENCE_SECS = 0.3
_REMEMBERED = 256


class KokoroEngine:
    """
    Kokoro in this process.

    The same chunk, voice and speed always give the same samples on the same machine: the noise in its source
    is seeded anew with each chunk. Times of words are sums of the durations that the model itself predicted
    for their phonemes, and so as exact as its frames of 25 ms.
    """

    name = "kokoro"
    sample_rate = 24_000
    max_chunk = 200
    """Phonemes. Peak memory and the share of rushed speech grow beyond; the cost below is in more joints."""
    opening = 80
    """Some five seconds of speech, where 200 are thirteen."""
    voices: Collection[str] = KOKORO_VOICES.keys()

    def __init__(
        self,
        *,
        models: ModelStore,
        threads: int = 0,
        precision: Precision = "float32",
        device: str | None = None,
    ) -> None:
        """
        Load the network from `models`; `threads` 0 takes the container's quota, `device` None a GPU if any.

        `precision` is that of the vocoder's convolutions on a CPU; auto takes bfloat16 where the processor
        computes in it, which puts a noise some 45 dB below the speech.

        Raises MissingExtraError where the speech extra is not installed, ConfigurationError where files are
        missing or changed.
        """
        native.bound_caches()
        weights = _Verified(models, "kokoro/kokoro-v1_0.pth")
        self._torch = _imported_torch()
        self._torch.set_num_threads(threads or native.processors())
        self._device = device or ("cuda" if self._torch.cuda.is_available() else "cpu")
        self._models = models
        self._model = self._loaded(weights, precision)
        self._pronouncers: dict[str, Pronouncer] = {}
        self._remembered: OrderedDict[tuple[str, str], Pronunciation] = OrderedDict()
        self._styles: dict[str, Tensor] = {}
        native.return_memory()

    def close(self) -> None:
        """Do nothing: there is no state outside of this object."""

    def measure(self, text: str, *, voice: str) -> int:
        """Return the number of phonemes, pauses and stresses included."""
        return len(self._said(text, voice).symbols)

    def speak(self, text: str, *, voice: str, speed: float) -> Utterance:
        """Speak one chunk; a mark for each word that is heard, as misaki divides them."""
        style = self._style(voice)
        said = self._said(text, voice)
        if not said.symbols:
            silence = np.zeros(int(_SILENCE_SECS * self.sample_rate), dtype=np.float32)
            return Utterance(samples=silence, marks=())
        if len(said.symbols) > _MODEL_LIMIT:
            raise RefusedTextError(
                f"a chunk of {len(said.symbols)} phonemes is more than the {_MODEL_LIMIT} of Kokoro"
            )
        row = min(len(said.symbols), len(style)) - 1
        with self._torch.inference_mode():
            self._torch.manual_seed(_SEED)
            output = self._model(said.symbols, style[row], speed, return_output=True)
        samples = np.ascontiguousarray(output.audio.float().numpy())
        marks = tuple(_marks(said, output.pred_dur.tolist(), len(samples) / self.sample_rate))
        native.return_memory()  # of this chunk, before the aligner or the next one takes as much again
        return Utterance(samples=samples, marks=marks)

    def _loaded(self, weights: "_Verified", precision: Precision) -> Any:
        from kokoro import KModel  # seconds, and only here

        from app.speech import vocoder  # imports torch

        config, path = self._models.file("kokoro/config.json"), weights.path()
        with warnings.catch_warnings(), loading.without_copies(path), loading.gc_disabled():
            warnings.simplefilter("ignore")  # of the package's own use of torch
            model = KModel(repo_id=_REPOSITORY, config=str(config), model=str(path)).eval()
        if precision == "auto":
            precision = "bfloat16" if native.has_bfloat16() else "float32"
        if self._device == "cpu":
            vocoder.optimize(model, dtype=getattr(self._torch, precision))
        else:
            vocoder.fold_weight_norm(model)
        native.unload(native.mappings(path.parent))  # what was folded is not read again
        return model.requires_grad_(requires_grad=False).to(self._device)

    def _said(self, text: str, voice: str) -> Pronunciation:
        """Return the pronunciation, remembered for a while: text is measured before it is spoken."""
        language = voice_parts(self.name, voice)[0][0][0]
        key = (language, text)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise RefusedTextError("the text holds half a surrogate pair, which is no character")
        if language not in self._pronouncers:
            self._pronouncers[language] = self._pronouncer(language)
        said = self._pronouncers[language](text)
        self._remembered[key] = said
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return said

    def _pronouncer(self, language: str) -> Pronouncer:
        if language in {"a", "b"}:
            _install_english(self._models)
        try:
            with loading.gc_disabled():
                return pronouncer(language, vocabulary=self._model.vocab)
        except MissingExtraError as error:
            # for a job, a voice that this installation cannot speak is one that it does not have
            raise UnknownVoiceError(error.message) from error

    def _style(self, voice: str) -> "Tensor":
        """
        Return the voice's styles, shape (510, 1, 256), of a blend the weighted mean.

        Row n is for n + 1 phonemes.
        """
        if voice not in self._styles:
            parts = voice_parts(self.name, voice)
            total = sum(weight for _, weight in parts)
            # one voice a story: packs of others need not stay
            self._styles = {voice: sum(self._pack(name) * (weight / total) for name, weight in parts)}
        return self._styles[voice]

    def _pack(self, name: str) -> "Tensor":
        path = self._models.file(f"kokoro/voices/{name}.pt")
        return self._torch.load(path, map_location="cpu", weights_only=True)


def _marks(said: Pronunciation, durations: list[int], duration_secs: float) -> Iterator[Mark]:
    """Yield when each sound is heard; `durations` are frames, of the start, each phoneme, and the end."""
    ends = np.cumsum(durations) / _FRAMES_A_SECOND
    for sound in said.sounds:
        # before phoneme n are n of them and the start
        yield Mark(
            start=sound.start,
            end=sound.end,
            start_secs=min(float(ends[sound.first]), duration_secs),
            end_secs=min(float(ends[sound.last]), duration_secs),
        )


class _Verified:
    """A model file whose digest is computed while other things load."""

    def __init__(self, models: ModelStore, name: str) -> None:
        self._models, self._name = models, name
        _ = models.lock  # a folder without models is told at once
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._verify, name="verify-models", daemon=True)
        self._thread.start()

    def _verify(self) -> None:
        try:
            self._models.file(self._name)
        except BaseException as error:  # noqa: BLE001  # raised where the file is asked for
            self._error = error

    def path(self) -> Any:
        """Return the path once it is verified; raise what was wrong."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._models.file(self._name)


def _install_english(models: ModelStore) -> None:
    """Let spaCy find the English pipeline among the models; misaki would try to download it if not found."""
    import sys

    folder = str(models.below("packages"))
    if folder not in sys.path:
        sys.path.append(folder)


def _imported_torch() -> Any:
    try:
        with warnings.catch_warnings(), loading.lean_imports():
            warnings.simplefilter("ignore")  # of what the package imports
            import kokoro  # noqa: F401
            import torch
    except ImportError as error:
        raise MissingExtraError(
            f"the kokoro engine needs {error.name}: install the extra with `pip install 'story-tts[speech]'`"
        ) from error
    return torch
