"""
Forced alignment by WhisperX: a network (wav2vec2) rates the letters of each frame, a search aligns the text.

Each chunk is aligned in its own window, because WhisperX's memory grows with the square of the window.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from app.alignment.spelling import WILDCARD, spelled_groups
from app.errors import ConfigurationError, EngineDiedError, MissingExtraError
from app.models.store import ModelStore
from app.speech import loading, native
from app.speech.base import Mark, Utterance
from app.speech.registry import Precision
from app.text.spans import Span
from app.text.spoken.form import spoken_form

_MODEL_RATE = 16_000
"""Hertz; the input of every wav2vec2 (whisperx.audio.SAMPLE_RATE)."""
_SENTENCES = Path(__file__).with_name("nltk_data")
"""
Empty tables for nltk's sentence splitter, which WhisperX would otherwise download. The transcripts here have
no punctuation, so the real tables would change nothing.
"""
_LANGUAGES = {
    "a": "en",
    "b": "en",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt",
    "z": "zh",
}
_TAGS = {"en": "en-us"}
_SPACED = "en"
"""The language passed to WhisperX: one with spaces, because all transcripts here have them."""


def language_of(voice: str) -> str:
    """Return WhisperX's language code of a Kokoro voice."""
    return _LANGUAGES[voice[0]]


def has_model(models: ModelStore, language: str) -> bool:
    """Whether the models folder has a network for `language`."""
    return models.has(f"align/{language}")


class WhisperXAligner:
    """Aligns with whisperx.alignment, for one language."""

    name = "whisperx"

    def __init__(
        self,
        *,
        models: ModelStore,
        language: str,
        device: str | None = None,
        threads: int = 0,
        precision: Precision = "auto",
    ) -> None:
        """
        Load the network of `language` from `models`.

        `threads` 0 stands for the container's quota, `device` None for a GPU if there is one. Linear layers
        compute in int8 where the processor has instructions for it, unless `precision` is float32.

        Raises MissingExtraError if the speech extra is not installed, ConfigurationError if the network is
        missing or damaged.
        """
        native.bound_caches()
        folder = models.below(f"align/{language}")
        self._whisperx, torch = _imported()
        self._language = language
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._is_int8 = precision != "float32" and self._device == "cpu" and native.has_int8()
        torch.set_num_threads(threads or native.processors())
        with _quiet():
            model, metadata = self._load(folder)
        self._letters: Mapping[str, int] = metadata["dictionary"]
        self._model = _WildcardModel(model.eval(), kind=metadata["type"], letters=self._letters)
        self._metadata = {
            "language": _SPACED,
            "type": "torchaudio",
            "dictionary": {**self._letters, WILDCARD: len(self._letters)},
        }
        self._mapped = native.mappings(folder)
        native.return_memory()

    def _load(self, folder: Path) -> tuple[Any, dict[str, Any]]:
        """Load the network in a folder, and what WhisperX knows of it."""
        model, metadata = self._read(folder)
        if self._is_int8:
            from app.alignment.linear import quantize_linear_layers  # imports torch

            mapped = native.mappings(folder)
            quantize_linear_layers(model, on_layer=lambda: native.unload(mapped))
        return model, metadata

    def _read(self, folder: Path) -> tuple[Any, dict[str, Any]]:
        """Read a model folder of Hugging Face, or the file of torchaudio's bundle for the language."""
        load = partial(self._whisperx.load_align_model, self._language, self._device, model_cache_only=True)
        try:
            if (folder / "config.json").exists():
                return load(model_name=str(folder))  # type: ignore[no-any-return]
            with loading.without_copies(*folder.iterdir()):
                return load(model_dir=str(folder))  # type: ignore[no-any-return]
        except ValueError as error:
            raise ConfigurationError(f"{folder}: WhisperX cannot load it: {error}") from error

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """
        Return a mark for each of `words`, None for a word that was not found.

        Raises EngineDiedError if WhisperX returns other words than it was given.
        """
        spoken = utterance.spoken or spoken_form(text, language=_TAGS.get(self._language, self._language))
        groups = spelled_groups(spoken, words, language=self._language, letters=self._letters)
        transcript = " ".join(part for group in groups for part in group.parts)
        marks: list[Mark | None] = [None] * len(words)
        if not transcript or not len(utterance.samples):
            return marks
        duration_secs = len(utterance.samples) / sample_rate
        times = iter(self._word_times(utterance, transcript, duration_secs, sample_rate))
        for group in groups:
            found = [next(times) for _ in group.parts]
            members = words[group.first : group.last + 1]
            marks[group.first : group.last + 1] = _marks(
                members, [time for time in found if time], duration_secs
            )
        return marks

    def _word_times(
        self, utterance: Utterance, transcript: str, duration_secs: float, sample_rate: int
    ) -> list[tuple[float, float] | None]:
        """Return (start, end) in seconds of each word of the transcript; None for those not found."""
        import torch  # already loaded
        from torchaudio.functional import resample

        with _quiet(), torch.inference_mode():
            audio = resample(torch.from_numpy(utterance.samples), sample_rate, _MODEL_RATE)
            result = self._whisperx.align(
                [{"text": transcript, "start": 0.0, "end": duration_secs}],
                self._model,
                self._metadata,
                audio,
                self._device,
            )
        # before the engine allocates as much again; the weights can be read from the file again
        native.return_memory()
        native.unload(self._mapped)
        found = result["word_segments"]
        expected = transcript.split(" ")
        if not found:  # WhisperX could not align the window
            return [None] * len(expected)
        if [entry["word"] for entry in found] != expected:
            raise EngineDiedError(f"WhisperX returned {len(found)} words for {len(expected)}")
        return [
            (float(entry["start"]), float(entry["end"])) if {"start", "end"} <= entry.keys() else None
            for entry in found
        ]


class _WildcardModel:
    """
    Adds a letter to a network, the wildcard, with the logit of the likeliest other letter in each frame.

    In every frame the wildcard lowers the probabilities of all other letters by the same factor, so it does
    not favour any alignment.
    """

    def __init__(self, model: Any, *, kind: str, letters: Mapping[str, int]) -> None:
        self._model = model
        self._is_bundle = kind == "torchaudio"
        blank = next((letters[name] for name in ("[pad]", "<pad>") if name in letters), 0)
        self._sounding = [code for code in sorted(set(letters.values())) if code != blank]
        self._width = len(letters)

    def __call__(self, audio: Any, lengths: Any = None) -> tuple[Any, None]:
        import torch  # already loaded

        if self._is_bundle:
            logits, _ = self._model(audio, lengths=lengths)
        else:
            logits = self._model(audio).logits
        # a dictionary without upper case may have fewer codes than the network
        logits = logits[..., : max(self._width, max(self._sounding) + 1)]
        wildcard = logits[..., self._sounding].amax(-1, keepdim=True)
        return torch.cat([logits[..., : self._width], wildcard], dim=-1), None


def _marks(
    words: Sequence[Span], times: list[tuple[float, float]], duration_secs: float
) -> Sequence[Mark | None]:
    """Divide the time of words that are said as one among them, by their length."""
    if not times:
        return [None] * len(words)
    start = min(max(times[0][0], 0.0), duration_secs)
    end = min(max(times[-1][1], start), duration_secs)
    total = sum(word.end - word.start for word in words)
    marks, passed = [], 0
    for word in words:
        begin = start + (end - start) * passed / total
        passed += word.end - word.start
        until = end if word is words[-1] else start + (end - start) * passed / total
        marks.append(Mark(start=word.start, end=word.end, start_secs=begin, end_secs=until))
    return marks


@contextmanager
def _quiet() -> Iterator[None]:
    """Stop WhisperX from logging sentences that it cannot align: the text must not reach a log."""
    logging.getLogger("whisperx").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # WhisperX makes deprecated calls of pandas and torch
        yield


def _imported() -> tuple[Any, Any]:
    try:
        with _quiet(), loading.lean_imports():
            import nltk
            import torch
            from whisperx import alignment
    except ImportError as error:
        raise MissingExtraError(
            f"alignment needs {error.name}: run `make speech`, or install the extra `speech`"
        ) from error
    if str(_SENTENCES) not in nltk.data.path:
        nltk.data.path.insert(0, str(_SENTENCES))
    return alignment, torch
