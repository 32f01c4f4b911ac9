"""The Kokoro-82M engine: runs the network of the `kokoro` package within a small container's memory."""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.errors import ConfigurationError, MissingExtraError, RefusedTextError, UnknownVoiceError
from app.models.store import ModelStore
from app.speech import loading, native
from app.speech.base import Mark, Utterance
from app.speech.pronunciation import Pronouncer, Pronunciation, pronouncer
from app.speech.registry import Precision, voice_parts
from app.speech.voices import KOKORO_VOICES
from app.text.lexicon import NO_LEXICON, Lexicon

if TYPE_CHECKING:
    from torch import Tensor

_REPOSITORY = "hexgrad/Kokoro-82M"
_FRAMES_A_SECOND = 40
"""Frames of pred_dur: 600 samples each at 24 kHz (kokoro.pipeline.KPipeline.join_timestamps)."""
_SAMPLES_A_FRAME = 600
_LEAD_SECS = 0.085
"""Predicted frames are this late against PocketSphinx's alignment of real voices (median)."""
_ENERGY_SECS = 0.01
"""Length of the frames that a word's end is looked for in."""
_DECAY = 0.08
"""Share of a word's loudest frame below which it has ended."""
_MODEL_LIMIT = 510
"""Phonemes. The network's context is 512 tokens, of which two mark start and end."""
_SEED = 20251124
_SILENCE_SECS = 0.3
_CACHE_SIZE = 256


class KokoroEngine:
    """
    Kokoro in this process.

    The same chunk, voice and speed give the same samples on the same machine, because the noise of the
    vocoder's source is seeded for each chunk. Word times are sums of the phoneme durations that the model
    predicts, in frames of 25 ms, calibrated on real voices.
    """

    name = "kokoro"
    sample_rate = 24_000
    max_chunk = 200
    """Phonemes. Longer chunks take more memory and sound rushed; shorter ones add joints."""
    max_first_chunk = 80
    """About five seconds of speech; 200 phonemes are thirteen."""
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
        Load the network from `models`.

        `threads` 0 stands for the container's quota, `device` None for a GPU if there is one. `precision` is
        that of the vocoder's convolutions on a CPU. "auto" times each of them and selects the fastest.
        bfloat16 adds noise about 43 dB below the speech, int8 about 25 dB below it. A GPU always computes in
        float32.

        Raises MissingExtraError if the speech extra is not installed, ConfigurationError if model files are
        missing or damaged.
        """
        native.bound_caches()
        weights = _Verified(models, "kokoro/kokoro-v1_0.pth")
        self._torch = _imported_torch()
        self._torch.set_num_threads(threads or native.processors())
        self._device = device or ("cuda" if self._torch.cuda.is_available() else "cpu")
        self._models = models
        if self._device != "cpu":
            precision = "float32"
            # TF32 shifts the predicted pitch, and with it the phase of every later sample; it is no faster
            self._torch.backends.cudnn.allow_tf32 = False
        elif precision == "auto":
            from app.speech.precision import fastest_precision  # imports torch

            precision = fastest_precision()
        self.variant = f"{precision} on {self._device}"
        self._model = self._loaded(weights, precision)
        self._pronouncers: dict[str, Pronouncer] = {}
        self._cache: OrderedDict[tuple[str, str, Lexicon], Pronunciation] = OrderedDict()
        self._styles: dict[str, Tensor] = {}
        native.return_memory()

    def close(self) -> None:
        """Do nothing: the engine has no state outside this object."""

    def reset(self) -> None:
        """Do nothing: each chunk is seeded, so no call depends on those before."""

    def measure(self, text: str, *, voice: str, lexicon: Lexicon = NO_LEXICON) -> int:
        """Return the number of phonemes, including pauses and stress marks."""
        return len(self._pronounce(text, voice, lexicon).symbols)

    def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
        """
        Synthesize one chunk, with a mark for each word that has phonemes, as misaki divides the text.

        Raises RefusedTextError for more than 510 phonemes, UnknownVoiceError for a voice outside the set.
        """
        style = self._style(voice)
        pronunciation = self._pronounce(text, voice, lexicon)
        if not pronunciation.symbols:
            silence = np.zeros(int(_SILENCE_SECS * self.sample_rate), dtype=np.float32)
            return Utterance(samples=silence, marks=(), spoken=pronunciation.spoken)
        if len(pronunciation.symbols) > _MODEL_LIMIT:
            raise RefusedTextError(
                f"the chunk has {len(pronunciation.symbols)} phonemes; Kokoro accepts at most {_MODEL_LIMIT}"
            )
        row = min(len(pronunciation.symbols), len(style)) - 1
        with self._torch.inference_mode():
            self._torch.manual_seed(_SEED)
            output = self._model(pronunciation.symbols, style[row], speed, return_output=True)
        samples = np.ascontiguousarray(output.audio.float().numpy())
        marks = tuple(_marks(pronunciation, output.pred_dur.tolist(), samples, self.sample_rate))
        native.return_memory()  # before the aligner or the next chunk allocates as much again
        return Utterance(samples=samples, marks=marks, spoken=pronunciation.spoken)

    def _loaded(self, weights: "_Verified", precision: Precision) -> Any:
        from kokoro import KModel  # takes seconds to import

        from app.speech import vocoder  # imports torch

        config, path = self._models.file("kokoro/config.json"), weights.path()
        with warnings.catch_warnings(), loading.without_copies(path), loading.gc_disabled():
            warnings.simplefilter("ignore")  # the package uses deprecated parts of torch
            model = KModel(repo_id=_REPOSITORY, config=str(config), model=str(path)).eval()
        if self._device == "cpu":
            vocoder.optimize(model, precision=precision)
        else:
            vocoder.fold_weight_norm(model)
        native.unload(native.mappings(path.parent))  # the folded weights are not read again
        return model.requires_grad_(requires_grad=False).to(self._device)

    def _pronounce(self, text: str, voice: str, lexicon: Lexicon = NO_LEXICON) -> Pronunciation:
        """Return the pronunciation; cached, because each chunk is measured before it is spoken."""
        language = voice_parts(self.name, voice)[0][0][0]
        key = (language, text, lexicon)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise RefusedTextError("the text holds half of a surrogate pair, which is not a character")
        if language not in self._pronouncers:
            self._pronouncers[language] = self._pronouncer(language)
        pronunciation = self._pronouncers[language](text, lexicon=lexicon)
        self._cache[key] = pronunciation
        if len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return pronunciation

    def _pronouncer(self, language: str) -> Pronouncer:
        if language in {"a", "b"}:
            _install_english(self._models)
        try:
            with loading.gc_disabled():
                return pronouncer(language, vocabulary=self._model.vocab)
        except MissingExtraError as error:
            # for a job, a voice without its packages is an unknown voice
            raise UnknownVoiceError(error.message) from error

    def _style(self, voice: str) -> "Tensor":
        """
        Return the style vectors of a voice, float32 of shape (510, 1, 256); of a blend, the weighted mean.

        Row n is for a chunk of n + 1 phonemes.
        """
        if voice not in self._styles:
            parts = voice_parts(self.name, voice)
            total = sum(weight for _, weight in parts)
            # a story has one voice: keep only the latest
            self._styles = {voice: sum(self._pack(name) * (weight / total) for name, weight in parts)}
        return self._styles[voice]

    def _pack(self, name: str) -> "Tensor":
        path = self._models.file(f"kokoro/voices/{name}.pt")
        return self._torch.load(path, map_location="cpu", weights_only=True)


def _marks(
    pronunciation: Pronunciation, durations: list[int], samples: NDArray[np.float32], sample_rate: int
) -> Iterator[Mark]:
    """
    Yield a mark for each span; `durations` are frames of the start token, each phoneme, the end token.

    Sound precedes the predicted frames by `_LEAD_SECS`. A word that no pause follows ends where the next one
    starts; before a pause it ends where its energy falls, because the model counts the decay to its phonemes.
    """
    # phoneme n is preceded by the start token and n phonemes
    times = np.maximum(np.cumsum(durations) / _FRAMES_A_SECOND - _LEAD_SECS, 0.0)
    duration_secs = len(samples) / sample_rate
    spans = pronunciation.spans
    for index, span in enumerate(spans):
        start_secs = min(float(times[span.first_phoneme]), duration_secs)
        following = spans[index + 1] if index + 1 < len(spans) else None
        if following and not pronunciation.symbols[span.end_phoneme : following.first_phoneme].strip():
            end_secs = min(float(times[following.first_phoneme]), duration_secs)
        else:
            predicted = min(float(times[span.end_phoneme]) + _LEAD_SECS, duration_secs)
            end_secs = _sound_end(samples, start_secs, predicted, sample_rate)
        end_secs = max(start_secs, end_secs)
        yield Mark(start=span.start, end=span.end, start_secs=start_secs, end_secs=end_secs)


def _sound_end(samples: NDArray[np.float32], start_secs: float, end_secs: float, sample_rate: int) -> float:
    """Return when the energy of a word falls for good, between its start and predicted end, in seconds."""
    size = round(_ENERGY_SECS * sample_rate)
    first = round(start_secs * sample_rate)
    part = samples[first : round(end_secs * sample_rate)]
    count = len(part) // size
    if not count:
        return end_secs
    energy = np.sqrt(np.square(part[: count * size].reshape(count, size)).mean(axis=1))
    sounding = np.flatnonzero(energy > _DECAY * energy.max())
    return (first + (int(sounding[-1]) + 1) * size) / sample_rate if len(sounding) else end_secs


class _Verified:
    """A model file whose digest is verified in a thread while other things load."""

    def __init__(self, models: ModelStore, name: str) -> None:
        self._models, self._name = models, name
        _ = models.lock  # raises at once for a folder without models
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._verify, name="verify-models", daemon=True)
        self._thread.start()

    def _verify(self) -> None:
        try:
            self._models.file(self._name)
        except BaseException as error:  # noqa: BLE001  # raised by path()
            self._error = error

    def path(self) -> Any:
        """Wait for the verification; return the path or raise its error."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._models.file(self._name)


def _install_english(models: ModelStore) -> None:
    """Let spaCy find the English pipeline in the models folder; otherwise misaki tries to download it."""
    import sys

    folder = str(models.below("packages"))
    if folder not in sys.path:
        sys.path.append(folder)


def prepare_pronunciation(models: ModelStore, *, language: str) -> None:
    """
    Make `pronouncer(language)` work without an engine.

    Raises MissingExtraError if the speech extra is not installed, ConfigurationError if English needs spaCy's
    pipeline, and it is neither among the models nor installed as a package.
    """
    _imported_torch()
    if language in {"a", "b"}:
        try:
            _install_english(models)
        except ConfigurationError:
            if find_spec("en_core_web_sm") is None:
                raise


def _imported_torch() -> Any:
    try:
        with warnings.catch_warnings(), loading.lean_imports():
            warnings.simplefilter("ignore")  # the package imports deprecated modules
            import kokoro  # noqa: F401
            import torch
    except ImportError as error:
        raise MissingExtraError(
            f"the kokoro engine needs {error.name}: run `make speech`, or install the extra `speech`"
        ) from error
    return torch
